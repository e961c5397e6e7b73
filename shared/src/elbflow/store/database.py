"""Connections and transactions. SQLite for one machine, PostgreSQL for many; the same code above both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import asyncpg  # type: ignore[import-untyped]
import orjson
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext import asyncio as sa_asyncio
from sqlalchemy.pool import ConnectionPoolEntry

from elbflow import errors
from elbflow.store import repositories, schema, urls
from elbflow.store.connections import Connection, ThreadConnection

_SQLITE_BUSY_TIMEOUT_MS = 10_000
_SQLITE_THREADS = 4
_MEMORY = ":memory:"
_LONGEST_TURN_S = 30.0
"""How long a writer waits for the writers before it in this process; afterwards SQLite's own timeout counts."""


_CONNECTIONS = 10
"""Of one process. Calls that wait for workflows hold none, so few are enough; the others queue for them."""
_CONNECT_S = 10.0
_SERVER_SETTINGS = {
    "lock_timeout": "10s",
    # A process that is gone without a word must not keep its locks for the hours that TCP takes to notice.
    "idle_in_transaction_session_timeout": "60s",
    # Statements here take less than their compilation would.
    "jit": "off",
}
_PASSING_STATES = ("08", "40", "53", "55P03", "57P")
"""SQLSTATE classes: no connection, deadlock and serialisation, no resources, a lock not had, a server that stops."""
_MIGRATED = asyncpg.exceptions.InvalidCachedStatementError
"""A migration changed what a statement is about; it is prepared anew the next time."""

_JSON: dict[str, Any] = {
    "json_serializer": lambda value: orjson.dumps(value).decode(),
    "json_deserializer": orjson.loads,
}


class SchemaOutdated(errors.Permanent):
    """The store's schema is older than this build needs, or there is no store; migrate it."""


class SchemaNewer(SchemaOutdated):
    """The store's schema is newer than this build: a newer one has migrated it. Run that one."""


class StoreUnusable(errors.Permanent):
    """What is at the store's place is none, or may not be read."""


class StoreBusy(errors.Retryable):
    """The store is busy with other writers; repeat the request."""


class Store:
    """The store of desired and observed state.

    Use it as an async context manager. ``transaction()`` and ``reading()`` hand out repositories bound to one
    connection; leaving the block commits, an exception (cancellation included) rolls everything back.
    """

    def __init__(self, url: str) -> None:
        """``url``: an SQLAlchemy URL, e.g. ``sqlite:////var/lib/elbflow/store.sqlite``. Raises ``BadStoreUrl``."""
        parsed = urls.parse(url)
        plain = parsed.set(drivername=parsed.get_backend_name()).difference_update_query(["password"])
        self._shown = plain.render_as_string()  # without a password
        self._database: _Database = _Sqlite(parsed) if urls.is_sqlite(parsed) else _Server(parsed)
        self._in_use = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database.close()

    async def require_current_schema(self) -> None:
        """Raise :class:`SchemaOutdated` unless the newest migration has been applied, and no newer one.

        Raises :class:`StoreUnusable` when there is something else than a store.
        """
        try:
            async with self._database.reading() as connection:
                current = await connection.run_sync(schema.current_revision)
        except sa.exc.DBAPIError as error:
            raise StoreUnusable(f"{self._shown} cannot be used as a store: {error.orig}") from error
        known = await asyncio.to_thread(schema.revisions)
        if current is not None and current not in known:
            raise SchemaNewer
        if current != known[0]:
            raise SchemaOutdated(
                f"The store is older than this build needs; bring it up to date: elbflow store migrate {self._shown}"
            )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[repositories.Repositories]:
        """A read-write transaction; on SQLite it takes the write lock at once, so it never fails to upgrade.

        Raises :class:`StoreBusy` when the write lock is not to be had. A transaction inside another one waits for it.
        """
        with self._counted():
            async with self._database.writing() as connection:
                yield repositories.Repositories(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[repositories.Repositories]:
        """A read-only snapshot."""
        with self._counted():
            async with self._database.reading() as connection:
                yield repositories.Repositories(connection)

    @property
    def in_use(self) -> int:
        """Blocks of ``transaction()`` and ``reading()`` that are open now, or wait to be."""
        return self._in_use

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1


class _Database(Protocol):
    """How to get at a connection. A block of ``writing`` commits, unless it raises; one of ``reading`` never does."""

    def writing(self) -> AbstractAsyncContextManager[Connection]: ...
    def reading(self) -> AbstractAsyncContextManager[Connection]: ...
    async def close(self) -> None: ...


class _Server:
    """A database with a server of its own."""

    def __init__(self, url: sa.URL) -> None:
        self._engine = sa_asyncio.create_async_engine(
            url,
            hide_parameters=True,  # errors must not tell keys
            pool_pre_ping=True,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_LONGEST_TURN_S,
            connect_args={"server_settings": _SERVER_SETTINGS, "timeout": _CONNECT_S},
            **_JSON,
        )
        # A load balancer is read in several statements: all of them must see the same moment.
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        async with _connected(self._engine) as connection:
            try:
                yield connection
            except BaseException:
                await connection.rollback()
                raise
            await connection.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        async with _connected(self._snapshots) as connection:
            try:
                yield connection
            finally:
                await connection.rollback()

    async def close(self) -> None:
        await self._engine.dispose()


@asynccontextmanager
async def _connected(engine: sa_asyncio.AsyncEngine) -> AsyncIterator[sa_asyncio.AsyncConnection]:
    """A connection. What a later attempt may get past (no connection, a lock, a restart) is :class:`StoreBusy`."""
    try:
        connection = await engine.connect()
    except sa.exc.TimeoutError as error:
        raise StoreBusy from error
    except (OSError, sa.exc.DBAPIError) as error:
        raise StoreBusy(f"The store does not let us in: {getattr(error, 'orig', error)}") from error
    try:
        yield connection
    except sa.exc.DBAPIError as error:
        if _may_pass(error):
            raise StoreBusy from error
        raise
    finally:
        await connection.close()


def _may_pass(error: sa.exc.DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(getattr(error.orig, "__cause__", None), _MIGRATED):
        return True
    return (getattr(error.orig, "sqlstate", None) or "").startswith(_PASSING_STATES)


class _Sqlite:
    """A file. SQLite has one writer at a time and lets those that wait for it starve; in here they queue."""

    def __init__(self, url: sa.URL) -> None:
        # Without an upper bound of connections: the pool would block the loop's threads when it is exhausted.
        self._engine = sa.create_engine(
            url.set(drivername="sqlite+pysqlite"),
            connect_args={"check_same_thread": False},
            hide_parameters=True,
            max_overflow=-1,
            **_JSON,
        )
        _tune_sqlite(self._engine)
        self._threads = ThreadPoolExecutor(_SQLITE_THREADS, thread_name_prefix="store")
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        async with self._my_turn(), self._connection("BEGIN IMMEDIATE") as connection:
            await _begun(connection)
            yield connection
            await connection.finish(commit=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        async with self._connection("BEGIN") as connection:
            yield connection

    async def close(self) -> None:
        await asyncio.to_thread(self._engine.dispose)
        self._threads.shutdown(wait=False)

    @asynccontextmanager
    async def _connection(self, begin: str) -> AsyncIterator[ThreadConnection]:
        """Rolled back at the end, unless it is finished then."""
        connection = ThreadConnection(self._engine, self._threads, begin)
        try:
            yield connection
        finally:
            await connection.finish(commit=False)

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        """First come, first served among this process's writers."""
        try:
            async with asyncio.timeout(_LONGEST_TURN_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreBusy from error
        try:
            yield
        finally:
            self._turn.release()


async def _begun(connection: ThreadConnection) -> None:
    try:
        await connection.begin()
    except sa.exc.OperationalError as error:
        raise StoreBusy from error


def _tune_sqlite(engine: sa.Engine) -> None:
    """Transactions are begun explicitly above, so the driver must not begin its own.

    Nor does it make a file that there is not: everybody could read it, and it would hold keys once it is migrated.
    """

    @event.listens_for(engine, "do_connect")
    def _require_file(*_: object) -> None:
        path = engine.url.database
        if path and path != _MEMORY and not Path(path).exists():
            raise SchemaOutdated(f"There is no store at {path}; make one: elbflow store migrate sqlite:///{path}")

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
