"""The file, its connections and the thread each of them lives in."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from elbflow_engine import core
from elbflow_engine.journal import checkpoints, rows, schema, threads

_PROBE_BYTES = 64 * 1024

T = TypeVar("T")


class _GivenUp(Exception):
    """Nobody waits for the answer any more."""


class Database:
    """A writing connection, two reading ones, and their threads. A database in memory has one connection for all."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock_fd: int | None = None
        self._writer_thread = threads.Helper("journal-writer")
        self._reader_threads = [self._writer_thread]
        if path != schema.MEMORY:
            self._reader_threads = [threads.Helper("journal-reader"), threads.Helper("journal-scanner")]
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []
        self._rows = 0
        self._checkpoints = None if path == schema.MEMORY else checkpoints.Checkpoints(path, self._between_commits)

    async def write(self, work: Callable[[], T]) -> T:
        return await self._writer_thread.run(work)

    def start(self, work: Callable[[], None], done: Callable[[BaseException | None], None]) -> None:
        """Do ``work``, which commits, and then call ``done`` on the loop with its error or None.

        It is done in the writer thread; where there is no disk to wait for, at once, unless that thread is reading.
        """
        log_keeper = self._checkpoints
        if log_keeper is None:
            self._writer_thread.start_here(work, done)
            return

        def ended(error: BaseException | None) -> None:
            done(error)
            if error is None:
                log_keeper.wrote(self._rows)

        self._writer_thread.start(work, ended)

    async def read(self, work: Callable[[sqlite3.Connection], T], *, scan: bool = False) -> T:
        """Run ``work`` beside the writer; one that may ``scan`` a whole table beside other reads, too.

        Cancelled before its turn, it is not done any more: callers that gave up must not keep the others waiting.
        """
        chosen = min(int(scan), len(self._readers) - 1)
        reader = self._readers[chosen]
        given_up = False

        def look() -> T:
            if given_up:
                raise _GivenUp
            return work(reader)

        try:
            return await self._reader_threads[chosen].run(look)
        except asyncio.CancelledError:
            given_up = True
            raise

    def open(self) -> None:
        if self._path == schema.MEMORY:
            self._writer = schema.open_writer(self._path)
            self._readers = [self._writer]
            return
        schema.create_file(Path(self._path))
        self._lock_fd = _lock(Path(self._path).with_suffix(".lock"))
        self._writer = schema.open_writer(self._path)
        self._readers = [schema.open_reader(self._path) for _ in self._reader_threads]

    def commit(self, group: Sequence[Sequence[core.Change]]) -> None:
        assert self._writer is not None
        rows.write_group(self._writer, group)
        self._rows = self._writer.total_changes

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
        if self._checkpoints is not None:
            await self._checkpoints.close()
        # The readers go first: the last connection to close checkpoints the WAL and removes it. Each is closed in its
        # own thread: SQLite does not survive losing a connection in the middle of a query.
        for helper, reader in zip(self._reader_threads, self._readers, strict=False):
            if reader is not self._writer:
                reader.interrupt()
                await helper.run(reader.close)
        await self.write(self._close)
        for helper in {*self._reader_threads, self._writer_thread}:
            helper.close()

    def _between_commits(self, work: Callable[[sqlite3.Connection], object]) -> None:
        def run() -> None:
            if self._writer is not None:
                work(self._writer)

        self._writer_thread.start(run, checkpoints.report)

    def _close(self) -> None:
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
