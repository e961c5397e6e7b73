"""The SQLite file: its tables, its version, how a connection to it is set up (spec/swf-long-poll-scale 6.5, 6.11).

The core decides what a row means. Here a row is a table name, a key and bytes; only history events have a table of
their own, because they are the bulk of the data and the only rows that are read back while serving.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from elbflow import errors

SCHEMA_VERSION = 1
MEMORY = ":memory:"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    execution_id INTEGER NOT NULL, event_id INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (execution_id, event_id)
) WITHOUT ROWID;
"""


class JournalUnusable(errors.Permanent):
    """The journal cannot be used: it is damaged, foreign, or in use by another engine."""


def create_file(path: Path) -> None:
    """Make sure the database file exists with mode 0600; SQLite gives its WAL the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def open_writer(path: str) -> sqlite3.Connection:
    """Open, check and if need be create the database; raises :class:`JournalUnusable`."""
    connection = _connect(path)
    try:
        _check(connection, path)
        connection.execute("PRAGMA page_size=8192")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        connection.executescript(_TABLES)
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
    except sqlite3.DatabaseError as error:
        connection.close()
        raise JournalUnusable(f"{path}: {error}") from error
    except JournalUnusable:
        connection.close()
        raise
    return connection


def open_reader(path: str) -> sqlite3.Connection:
    """A second connection that sees only what is committed and never waits for the writer (WAL)."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _connect(path: str) -> sqlite3.Connection:
    # The executors that own the connections use one thread each; opening may happen in another.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout=5000")
    return connection


def _check(connection: sqlite3.Connection, path: str) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise JournalUnusable(f"{path}: {verdict}")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return
    if "meta" not in tables:
        raise JournalUnusable(f"{path}: not a journal of elbflow-engine")
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    found = str(row[0]) if row else "none"
    if found != str(SCHEMA_VERSION):
        raise JournalUnusable(f"{path}: schema version {found}, this engine needs {SCHEMA_VERSION}")
