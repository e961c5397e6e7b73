"""The file, its two connections and the thread each of them lives in."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from elbflow_engine import core
from elbflow_engine.journal import rows, schema

_PROBE_BYTES = 64 * 1024

T = TypeVar("T")


class Database:
    """The two connections and the thread each lives in. An in-memory database has one connection for both uses."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock_fd: int | None = None
        self._writer_thread = ThreadPoolExecutor(1, "journal-writer")
        self._reader_thread = self._writer_thread
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    async def write(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer_thread, work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        assert self._reader is not None
        return await asyncio.get_running_loop().run_in_executor(self._reader_thread, work, self._reader)

    def open(self) -> None:
        if self._path == schema.MEMORY:
            self._writer = self._reader = schema.open_writer(self._path)
            return
        schema.create_file(Path(self._path))
        self._lock_fd = _lock(Path(self._path).with_suffix(".lock"))
        self._writer = schema.open_writer(self._path)
        self._reader = schema.open_reader(self._path)
        self._reader_thread = ThreadPoolExecutor(1, "journal-reader")

    def commit(self, group: Sequence[Sequence[core.Change]]) -> None:
        assert self._writer is not None
        rows.write_group(self._writer, group)

    def probe(self) -> None:
        """Write and remove a block, so that a full disk shows before anybody relies on it."""
        assert self._writer is not None
        with _transaction(self._writer) as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(?))", (_PROBE_BYTES,))
        with _transaction(self._writer) as db:
            db.execute("DELETE FROM meta WHERE key = 'probe'")

    def secret(self) -> bytes:
        assert self._writer is not None
        with _transaction(self._writer) as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES ('secret', ?)", (secrets.token_bytes(32),))
        row = self._writer.execute("SELECT value FROM meta WHERE key = 'secret'").fetchone()
        return bytes(row[0])

    async def close(self) -> None:
        await self.write(self._close)
        self._reader_thread.shutdown(wait=False)
        self._writer_thread.shutdown(wait=False)

    def _close(self) -> None:
        # The reader goes first: the last connection to close checkpoints the WAL and removes it.
        if self._reader is not None and self._reader is not self._writer:
            self._reader.close()
        if self._writer is not None:
            self._writer.close()
        if self._lock_fd is not None:
            os.close(self._lock_fd)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _lock(path: Path) -> int:
    """Hold the data directory: two engines on one journal would hand every task out twice."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise schema.JournalUnusable(f"{path}: another engine uses this data directory") from error
    return fd
