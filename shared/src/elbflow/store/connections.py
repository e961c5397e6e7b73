"""What repositories do their work on: a connection to PostgreSQL, or one to SQLite that lives in worker threads.

A statement on SQLite takes microseconds; what costs is going to a thread and back. So there is one trip per statement,
and one per aggregate (:meth:`ThreadConnection.run_sync`), where a driver with an asyncio face of its own makes four.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

P = ParamSpec("P")
T = TypeVar("T")

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class ThreadConnection:
    """One SQLite connection, opened by ``begin`` when it is first used; one piece of work at a time.

    What was begun in a thread ends before a cancellation goes on: the connection is at rest then.
    """

    def __init__(self, engine: sa.Engine, threads: Executor, begin: str) -> None:
        self._engine = engine
        self._threads = threads
        self._begin = begin
        self._open: sa.Connection | None = None

    async def execute(self, statement: sa.Executable, parameters: Parameters | None = None) -> sa.CursorResult[Any]:
        """Like ``AsyncConnection.execute``: rows are fetched already."""
        return await self.run_sync(_execute, statement, parameters)

    async def run_sync(self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``work(connection, ...)`` in a thread."""
        return await self._trip(lambda: work(self._opened(), *args, **kwargs))

    async def begin(self) -> None:
        """Open and begin now. Raises ``sqlalchemy.exc.OperationalError`` when SQLite is too busy."""
        await self._trip(self._opened)

    async def finish(self, *, commit: bool) -> None:
        """End the transaction, if there is one, and give the connection back."""
        if self._open is not None:
            await self._trip(lambda: self._finish(commit=commit))

    def _opened(self) -> sa.Connection:
        if self._open is None:
            self._open = self._engine.connect()
            self._open.exec_driver_sql(self._begin)
        return self._open

    def _finish(self, *, commit: bool) -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        with opened as connection:  # gives it back, rolled back unless it is committed
            if commit:
                connection.commit()

    async def _trip(self, work: Callable[[], T]) -> T:
        working = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await _at_rest(working)
            raise


Connection: TypeAlias = AsyncConnection | ThreadConnection
"""What repositories use: ``execute`` and ``run_sync``."""


def _execute(
    connection: sa.Connection, statement: sa.Executable, parameters: Parameters | None
) -> sa.CursorResult[Any]:
    result = connection.execute(statement, parameters)
    if not result.returns_rows:
        return result
    # Rows of an open cursor would be fetched where they are read: in the event loop.
    return cast("sa.CursorResult[Any]", result.freeze()())


async def _at_rest(working: asyncio.Future[Any]) -> None:
    """Wait for the thread, however often the waiting is cancelled: a statement ends by SQLite's busy timeout."""
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError:
            continue
