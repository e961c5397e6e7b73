"""Version 1: what the core keeps, as rows it alone understands, and the events of histories."""

from __future__ import annotations

import sqlite3

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE record (kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key))"
    " WITHOUT ROWID",
    "CREATE TABLE event (execution_id INTEGER NOT NULL, event_id INTEGER NOT NULL, body BLOB NOT NULL,"
    " PRIMARY KEY (execution_id, event_id)) WITHOUT ROWID",
)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file."""
    for statement in _TABLES:
        connection.execute(statement)
