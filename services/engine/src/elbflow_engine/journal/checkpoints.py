"""Moves the write-ahead log into the database file, beside the commits and not in one (spec/swf-long-poll-scale 6.5).

SQLite's own way is to do it in the commit that finds the log long: that one commit then takes as long as writing
thousands of pages, and when the disk fills up just there it reports an error although it is durable.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

import structlog

from elbflow_engine.journal import schema, threads

log = structlog.get_logger()

LONG_PAGES = 4000
"""Length of the log after which it is moved."""
FIRST_ROWS = 8000
"""How many rows that is taken to be until the first log was seen: rows share pages, more or less of them."""
IDLE_S = 1.0
"""A shorter log is moved when nothing was written for so long."""


class Checkpoints:
    """Watches one database file. ``in_writer`` runs a function of the writer's connection in the writer's thread.

    Most pages are moved by a connection and thread of its own. What was written meanwhile, a little, is moved in the
    writer's thread between two commits: only then the log is used from its beginning again instead of growing.
    """

    def __init__(self, path: str, in_writer: Callable[[Callable[[sqlite3.Connection], object]], None]) -> None:
        self._path = path
        self._in_writer = in_writer
        self._thread = threads.Helper("journal-checkpoint")
        self._loop = asyncio.get_running_loop()
        self._connection: sqlite3.Connection | None = None
        self._rows = 0
        self._moved = 0
        self._long_rows = FIRST_ROWS
        self._running = False
        self._timer: asyncio.TimerHandle | None = None

    def wrote(self, rows: int) -> None:
        """A commit ended; the writer wrote ``rows`` rows since it was opened."""
        self._rows = rows
        if self._running or rows == self._moved:
            return
        if rows - self._moved >= self._long_rows:
            self._begin()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(IDLE_S, self._begin)

    async def close(self) -> None:
        """Stop, after the checkpoint under way."""
        if self._timer is not None:
            self._timer.cancel()
        self._running = True
        await self._thread.run(self._disconnect)
        self._thread.close()

    def _begin(self) -> None:
        self._running = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        fresh, self._moved = self._rows - self._moved, self._rows
        self._thread.start(lambda: self._move(fresh), self._ended)

    def _move(self, rows: int) -> None:
        if self._connection is None:
            self._connection = schema.open_reader(self._path)
            self._connection.execute("PRAGMA query_only=OFF")
        pages = move(self._connection)
        if pages > 0:
            self._long_rows = max(rows, FIRST_ROWS) * LONG_PAGES // max(pages, LONG_PAGES // 16)

    def _ended(self, error: BaseException | None) -> None:
        self._running = False
        report(error)
        if error is None:
            self._in_writer(move)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()


def move(connection: sqlite3.Connection) -> int:
    """Move what is in the log as far as no reader needs it; never waits for anybody. The pages of the log."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)


def report(error: BaseException | None) -> None:
    """A failed checkpoint loses nothing: the log stays, and the next one tries again."""
    if error is not None:
        log.warning("checkpoint_failed", reason=str(error))
