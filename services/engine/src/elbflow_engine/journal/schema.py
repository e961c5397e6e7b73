"""The SQLite file: its tables, its version, how a connection to it is set up (spec/swf-long-poll-scale 6.5, 6.11).

The core decides what a row means. Here a row is a table name, a key and bytes; only what is read back while serving
has tables of its own: the events of histories, which are the bulk of the data, and closed executions, which are found
by name, by time and by the end of their retention.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection
from pathlib import Path

from elbflow import errors
from elbflow_engine.journal import migrations

SCHEMA_VERSION = migrations.LATEST
MEMORY = ":memory:"
FILE_NAME = "engine.sqlite3"
"""Of the journal in an engine's data directory."""
PAGE_BYTES = 8192
_CHECKED_BYTES = 512 * 1024 * 1024
"""A file of at most this size is checked as a whole at every start."""
_CACHE_KIB = 16 * 1024
"""Per connection: the inner pages of every index of millions of closed executions fit."""


class JournalUnusable(errors.Permanent):
    """The journal cannot be used: it is damaged, foreign, or in use by another engine."""


def create_file(path: Path) -> None:
    """Make sure the database file exists with mode 0600; SQLite gives its WAL the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def open_writer(path: str) -> sqlite3.Connection:
    """Open, check and if need be create or migrate the database; raises :class:`JournalUnusable`."""
    connection = _connect(path)
    try:
        found = _check(connection, path)
        if not found:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # see checkpoints
        _migrate(connection, path, found)
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
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    return connection


def open_snapshot(path: Path) -> sqlite3.Connection:
    """A connection that sees the journal as it is now and for as long as it is open; it changes nothing in it.

    (Beside a stopped engine's journal SQLite leaves an empty log and its index, of the same mode.)

    Works beside a running engine, on a stopped one's journal and on a backup. Raises :class:`JournalUnusable`.
    """
    if not path.is_file():
        raise JournalUnusable(f"{path}: there is no such file")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise JournalUnusable(f"{path}: {error}") from error
    return connection


def _connect(path: str) -> sqlite3.Connection:
    # The executors that own the connections use one thread each; opening may happen in another.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout=5000")
    return connection


def _check(connection: sqlite3.Connection, path: str) -> int:
    """The version of the file, 0 when it is empty."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return 0
    _verify(connection, path, tables)
    if "meta" not in tables:
        raise JournalUnusable(f"{path}: not a journal of elbflow-engine")
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    found = str(row[0]) if row else "none"
    if not found.isdigit() or not 0 < int(found) <= SCHEMA_VERSION:
        raise JournalUnusable(f"{path}: schema version {found}, this engine needs {SCHEMA_VERSION} or an older one")
    return int(found)


def _verify(connection: sqlite3.Connection, path: str, tables: Collection[str]) -> None:
    """Look for damage. A whole file is read as long as that takes about a second, of a larger one what every start
    needs: the check costs 1 s per GB from memory, but on a slow disk a minute. The histories of open executions are
    read by the load, which meets damage there; ``elbflow-engine check`` reads everything.
    """
    (pages,), (page_bytes,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    needed = [name for name in ("meta", "record") if name in tables]
    for scope in ["1"] if pages * page_bytes <= _CHECKED_BYTES else needed:
        (verdict,) = connection.execute(f"PRAGMA quick_check({scope})").fetchone()
        if verdict != "ok":
            raise JournalUnusable(f"{path}: {verdict}")


def _migrate(connection: sqlite3.Connection, path: str, found: int) -> None:
    try:
        migrations.migrate(connection, found)
    except Exception as error:
        raise JournalUnusable(f"{path}: migration from schema version {found} failed: {error!r}") from error
