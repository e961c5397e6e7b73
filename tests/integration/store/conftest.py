"""A PostgreSQL server of our own, where PostgreSQL is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from blockbuster import BlockBuster
from sqlalchemy.ext.asyncio import create_async_engine
from tests.unit.store import conftest as plain

from elbflow import store

backend, db, make, vm = plain.backend, plain.db, plain.make, plain.vm


@pytest.fixture(autouse=True)
def asyncpg_reads_its_own_files(blockbuster: BlockBuster) -> None:
    """Opening a connection looks for password files and the like: a library's affair, once per connection."""
    for function in blockbuster.functions.values():
        function.can_block_in("asyncpg/connect_utils.py", {"_parse_connect_arguments", "_parse_connect_dsn_and_args"})


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="session")
def server() -> Iterator[Path]:
    """The directory of a running server's socket. It runs as ``postgres`` when we are root, which it refuses to be."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.getuid() == 0 else None
    where = Path(tempfile.mkdtemp(prefix="elbflow-pg-", dir="/tmp"))
    if user:
        shutil.chown(where, user)
    data = where / "data"

    def run(*command: str) -> None:
        subprocess.run(command, user=user, cwd=where, check=True, capture_output=True, timeout=60)

    try:
        run(initdb, "-D", str(data), "-A", "trust", "-U", "elbflow", "-E", "UTF8", "--no-sync")
        options = f"-k {where} -c listen_addresses='' -c fsync=off"
        run(pg_ctl, "-D", str(data), "-o", options, "-l", str(where / "log"), "-w", "start")
        try:
            yield where
        finally:
            run(pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(where)


@pytest.fixture
async def empty_url(server: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An empty database of its own for each test."""
    name = f"t{abs(hash(request.node.nodeid))}"
    root = create_async_engine(f"postgresql+asyncpg://elbflow@/postgres?host={server}", isolation_level="AUTOCOMMIT")
    try:
        async with root.connect() as connection:
            await connection.execute(sa.text(f"CREATE DATABASE {name}"))
        yield f"postgresql+asyncpg://elbflow@/{name}?host={server}"
        async with root.connect() as connection:
            await connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await root.dispose()


@pytest.fixture
async def url(empty_url: str) -> str:
    await store.migrate(empty_url)
    return empty_url
