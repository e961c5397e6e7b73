"""The schema's versions."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from elbflow import store
from elbflow.store import tables


async def test_an_empty_database_is_refused(tmp_path: Path) -> None:
    async with store.Store(f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite'}") as db:
        with pytest.raises(store.SchemaOutdated):
            await db.require_current_schema()


async def test_a_migrated_one_is_not_and_migrating_again_is_harmless(url: str) -> None:
    await asyncio.gather(store.migrate(url), store.migrate(url))
    async with store.Store(url) as db:
        await db.require_current_schema()


async def test_only_the_owner_can_read_the_file(url: str) -> None:
    path = sa.make_url(url).database
    assert path is not None
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def test_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    asyncio.run(store.migrate(f"sqlite+aiosqlite:///{path}"))
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    finally:
        engine.dispose()
