"""A PostgreSQL server of the tests' own, from the system's packages: a directory, a socket in it, no port."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

from elbflow import store
from elbflow.store import tables

MISSING = (
    "PostgreSQL is not installed (as root on Debian `make setup-tests` installs it; "
    "elsewhere install your system's package `postgresql`)"
)

_OPTIONS = (
    "listen_addresses=''",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=32MB",
    "max_connections=200",
)

ALONE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
"""Cuts all other connections to the database."""

_EMPTY = "DO $$ BEGIN {} END $$".format(
    "".join(f"DELETE FROM {table.name};" for table in reversed(tables.metadata.sorted_tables))
)


class Server:
    """A running server. Databases go with it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        self._emptied: str | None = None

    def url(self, name: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+asyncpg://elbflow@/{name}?host={self._directory}"

    async def new_database(self) -> str:
        """URL of a database of its own, without tables."""
        name = f"t{next(self._numbers)}"
        await _execute(self.url("postgres"), f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    async def emptied_database(self) -> str:
        """URL of the one database with the store's tables, all of them empty now and used by nobody.

        Deleting a test's few rows takes a twentieth of the time of a new database.
        """
        if self._emptied is None:
            self._emptied = await self.new_database()
            await store.migrate(self._emptied)
        await _execute(self._emptied, ALONE, _EMPTY)
        return self._emptied


def is_installed() -> bool:
    return _program("initdb") is not None and _program("pg_ctl") is not None


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server until the block ends; nothing is left of it. As root it runs as ``postgres``: it refuses to be root."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        raise RuntimeError(MISSING)
    user = "postgres" if os.getuid() == 0 else None
    # Directly below /tmp: the path of a socket may have 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="elbflow-pg-", dir="/tmp"))
    if user:
        shutil.chown(directory, user)
    data = str(directory / "data")

    def run(*command: str) -> None:
        subprocess.run(command, user=user, cwd=directory, check=True, capture_output=True, timeout=60)

    try:
        run(initdb, "-D", data, "-A", "trust", "-U", "elbflow", "-E", "UTF8", "--locale=C", "--no-sync")
        options = " ".join(f"-c {option}" for option in (f"unix_socket_directories={directory}", *_OPTIONS))
        run(pg_ctl, "-D", data, "-o", options, "-l", str(directory / "log"), "-w", "start")
        try:
            yield Server(directory)
        finally:
            run(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory)


async def _execute(url: str, *statements: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()


def _program(name: str) -> str | None:
    """Debian keeps servers of several versions beside each other, outside the path."""
    versions = Path("/usr/lib/postgresql").glob(f"[0-9]*/bin/{name}")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    return str(newest) if newest else shutil.which(name)
