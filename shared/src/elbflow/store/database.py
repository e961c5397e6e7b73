"""Connections and transactions. SQLite for one machine, PostgreSQL for many; the same code above both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext import asyncio as sa_asyncio
from sqlalchemy.pool import ConnectionPoolEntry

from elbflow import errors
from elbflow.store import repositories, schema

_SQLITE_BUSY_TIMEOUT_MS = 10_000
_LONGEST_TURN_S = 30.0
"""How long a writer waits for the writers before it in this process; afterwards SQLite's own timeout counts."""


class SchemaOutdated(errors.Permanent):
    """The store's schema is not the one this build needs; run ``elbflow store migrate``."""


class StoreBusy(errors.Retryable):
    """The store is busy with other writers; repeat the request."""


class Store:
    """The store of desired and observed state.

    Use it as an async context manager. ``transaction()`` and ``reading()`` hand out repositories bound to one
    connection; leaving the block commits, an exception (cancellation included) rolls everything back.
    """

    def __init__(self, url: str) -> None:
        """``url``: an SQLAlchemy URL, e.g. ``sqlite+aiosqlite:////var/lib/elbflow/store.sqlite``."""
        self._engine = sa_asyncio.create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        self._turn: asyncio.Lock | None = None
        if self._engine.dialect.name == "sqlite":
            # SQLite has one writer at a time and lets those that wait for it starve; in here they queue.
            self._turn = asyncio.Lock()
            _tune_sqlite(self._engine.sync_engine)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    async def require_current_schema(self) -> None:
        """Raise :class:`SchemaOutdated` unless the newest migration has been applied."""
        async with self._engine.connect() as connection:
            current = await connection.run_sync(schema.current_revision)
        if current != await asyncio.to_thread(schema.head_revision):
            raise SchemaOutdated

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[repositories.Repositories]:
        """A read-write transaction; on SQLite it takes the write lock at once, so it never fails to upgrade.

        Raises :class:`StoreBusy` when the write lock is not to be had. A transaction inside another one waits for it.
        """
        async with self._my_turn(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                await _begin(connection)
            try:
                yield repositories.Repositories(connection)
            except BaseException:
                await connection.rollback()
                raise
            await connection.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[repositories.Repositories]:
        """A read-only snapshot."""
        async with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN")
            try:
                yield repositories.Repositories(connection)
            finally:
                await connection.rollback()

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        """First come, first served among this process's writers."""
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(_LONGEST_TURN_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreBusy from error
        try:
            yield
        finally:
            self._turn.release()


async def _begin(connection: sa_asyncio.AsyncConnection) -> None:
    try:
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
    except sa.exc.OperationalError as error:
        raise StoreBusy from error


def _tune_sqlite(engine: sa.Engine) -> None:
    """Transactions are begun explicitly above, so the driver must not begin its own."""

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_SQLITE_BUSY_TIMEOUT_MS}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
