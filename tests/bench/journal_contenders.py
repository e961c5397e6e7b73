"""The ways to make a transition durable that :mod:`tests.bench.journal_commits` compares (spec/perf-baselines 4).

All of them write the same transitions with the same durability: WAL and ``synchronous=FULL``, or an fdatasync. What
one of them hands back has reached the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiosqlite

from elbflow_engine import core, journal
from elbflow_engine.journal import database as databases

Transition = Sequence[core.Change]
Commit = Callable[[Transition], Awaitable[None]]
Contender = Callable[[Path], contextlib.AbstractAsyncContextManager[Commit]]

SLOWER_S = 0.002
_PRAGMAS = ("page_size=8192", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000")
_TABLES = (
    "CREATE TABLE record (kind TEXT, key TEXT, value BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "CREATE TABLE event (run INTEGER, id INTEGER, body BLOB, PRIMARY KEY (run, id)) WITHOUT ROWID",
)
_EVENT = "INSERT INTO event VALUES (?, ?, ?)"
_PUT = "INSERT OR REPLACE INTO record VALUES (?, ?, ?)"
_DELETE = "DELETE FROM record WHERE kind = ? AND key = ?"

Statement = tuple[str, tuple[object, ...]]


@contextlib.asynccontextmanager
async def ours(directory: Path) -> AsyncIterator[Commit]:
    """The engine's own journal, as the driver uses it."""
    async with journal.Journal.open(directory / "ours.sqlite3") as book:
        yield book.commit


@contextlib.asynccontextmanager
async def ours_on_a_slow_disk(directory: Path) -> AsyncIterator[Commit]:
    """The same with a disk that takes ``SLOWER_S`` longer for every commit."""
    async with journal.Journal.open(directory / "slow.sqlite3", database=SlowDatabase) as book:
        yield book.commit


class SlowDatabase(databases.Database):
    """A database on a disk that takes ``SLOWER_S`` longer."""

    def commit(self, group: Sequence[Transition]) -> None:
        time.sleep(SLOWER_S)
        super().commit(group)


@contextlib.asynccontextmanager
async def commit_each(directory: Path) -> AsyncIterator[Commit]:
    """One thread, one transaction for each transition."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:
        connection = await loop.run_in_executor(thread, _connect, directory / "each.sqlite3")

        def write(statements: list[Statement]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            for text, values in statements:
                connection.execute(text, values)
            connection.execute("COMMIT")

        async def commit(changes: Transition) -> None:
            await loop.run_in_executor(thread, write, statements_of(changes))

        yield commit
        await loop.run_in_executor(thread, connection.close)


@contextlib.asynccontextmanager
async def naive_aiosqlite(directory: Path) -> AsyncIterator[Commit]:
    """The obvious code: await every statement, then the commit, one transaction after the other."""
    turn = asyncio.Lock()
    async with aiosqlite.connect(directory / "aiosqlite.sqlite3", isolation_level=None) as connection:
        for text in (*(f"PRAGMA {pragma}" for pragma in _PRAGMAS), *_TABLES):
            await connection.execute(text)

        async def commit(changes: Transition) -> None:
            async with turn:
                await connection.execute("BEGIN IMMEDIATE")
                for text, values in statements_of(changes):
                    await connection.execute(text, values)
                await connection.commit()

        yield commit


@contextlib.asynccontextmanager
async def append_only(directory: Path) -> AsyncIterator[Commit]:
    """The limit: bytes at the end of a file and one fdatasync for what arrived meanwhile. It cannot be queried."""
    log = _Log(directory / "append.log")
    try:
        yield log.commit
    finally:
        log.close()


class _Log:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._thread = ThreadPoolExecutor(1)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Future[None] | None = None

    def commit(self, changes: Transition) -> asyncio.Future[None]:
        future = self._loop.create_future()
        self._waiting.append((encoded(changes), future))
        if len(self._waiting) == 1 and self._writing is None:
            self._loop.call_soon(self._flush)
        return future

    def close(self) -> None:
        self._thread.shutdown()
        os.close(self._file)

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        data = b"".join(part for part, _ in batch)
        self._writing = self._loop.run_in_executor(self._thread, self._write, data)
        self._writing.add_done_callback(lambda done: self._written(done, batch))

    def _write(self, data: bytes) -> None:
        os.write(self._file, data)
        os.fdatasync(self._file)

    def _written(self, done: asyncio.Future[None], batch: list[tuple[bytes, asyncio.Future[None]]]) -> None:
        done.result()
        self._writing = None
        for _, future in batch:
            if not future.done():
                future.set_result(None)
        if self._waiting:
            self._flush()


def statements_of(changes: Transition) -> list[Statement]:
    """One statement for each row, as code without a group would write them."""
    statements: list[Statement] = []
    for change in changes:
        match change:
            case core.Append(run, first, events):
                statements += ((_EVENT, (run, number, body)) for number, body in enumerate(events, first))
            case core.Put(table, key, value):
                statements.append((_PUT, (table, key, value)))
            case core.Delete(table, key):
                statements.append((_DELETE, (table, key)))
    return statements


def encoded(changes: Transition) -> bytes:
    """The same as bytes that could be read back."""
    parts: list[bytes] = []
    for change in changes:
        match change:
            case core.Append(run, first, events):
                for number, body in enumerate(events, first):
                    parts += (struct.pack("<IQQ", len(body), run, number), body)
            case core.Put(table, key, value):
                name = f"+{table}/{key}".encode()
                parts += (struct.pack("<II", len(name), len(value)), name, value)
            case core.Delete(table, key):
                name = f"-{table}/{key}".encode()
                parts += (struct.pack("<I", len(name)), name)
    return b"".join(parts)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for text in (*(f"PRAGMA {pragma}" for pragma in _PRAGMAS), *_TABLES):
        connection.execute(text)
    return connection
