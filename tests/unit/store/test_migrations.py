"""Stores that earlier builds made and filled: migrations keep every row, and what belongs together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from elbflow import store
from elbflow.store import schema

T = TypeVar("T")
Rows: TypeAlias = Mapping[str, Mapping[str, Any]]


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}"


async def test_every_row_of_the_first_schema_is_kept(empty_url: str, may_block: None) -> None:
    before = await _within(empty_url, _first_schema_with_a_row_in_every_table)
    await asyncio.gather(*(store.migrate(empty_url) for _ in range(2)))
    assert len(before) == 12
    assert {table: _row(kept, before[table]) for table, kept in (await _within(empty_url, _rows)).items() if kept} == (
        before
    )
    async with store.Store(empty_url) as db:
        await db.require_current_schema()
        async with db.transaction() as tx:
            await tx.load_balancers.delete(1)
        async with db.reading() as tx:
            left = await tx.row_counts()
    assert {table for table, count in left.items() if count} == {
        *("access_keys", "cloud_resources", "datapoints", "instances", "outbox")
    }


async def test_a_store_that_a_newer_build_made_is_left_alone(empty_url: str, may_block: None) -> None:
    await store.migrate(empty_url)
    newer = sa.text("UPDATE alembic_version SET version_num = '9999'")
    await _within(empty_url, lambda connection: connection.execute(newer))
    with pytest.raises(store.NotMigrated, match="schema 9999"):
        await store.migrate(empty_url)
    async with store.Store(empty_url) as db:
        with pytest.raises(store.SchemaNewer):
            await db.require_current_schema()


async def test_a_migration_that_fails_leaves_the_store_as_it_was(
    empty_url: str, may_block: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, in the last of several."""
    before = await _within(empty_url, _first_schema_with_a_row_in_every_table)
    upgrade = command.upgrade

    def cut_off(config: Config, revision: str) -> None:
        upgrade(config, revision)
        config.attributes["connection"].exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    with monkeypatch.context() as broken:
        broken.setattr(command, "upgrade", cut_off)
        with pytest.raises(store.NotMigrated, match="nowhere"):
            await store.migrate(empty_url)
    assert await _within(empty_url, _rows) == before
    assert await _within(empty_url, schema.current_revision) == "0001"
    await store.migrate(empty_url)
    async with store.Store(empty_url) as db:
        await db.require_current_schema()


def _first_schema_with_a_row_in_every_table(connection: sa.Connection) -> Rows:
    config = schema._config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    metadata = sa.MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name != "alembic_version":
            connection.execute(sa.insert(table).values({column.name: _value(column) for column in table.columns}))
    return {table: row for table, row in _rows(connection).items() if row}


def _value(column: sa.Column[Any]) -> object:
    values: dict[type, object] = {int: 1, float: 1.5, bool: True, str: column.name[:8], dict: ["kept"]}
    return ["kept"] if isinstance(column.type, sa.JSON) else values[column.type.python_type]


def _rows(connection: sa.Connection) -> Rows:
    """The one row of each table."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return {
        table.name: dict(connection.execute(sa.select(table)).mappings().one_or_none() or {})
        for table in metadata.sorted_tables
        if table.name != "alembic_version"
    }


def _row(kept: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: kept.get(name) for name in before}


async def _within(url: str, work: Callable[[sa.Connection], T]) -> T:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
