"""Schema versions. Migrations live in ``migrations/versions`` and only ever go forward."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from elbflow import errors
from elbflow.store import urls


class NotMigrated(errors.Permanent):
    """The store was not migrated; nothing of it was changed."""


_MIGRATION_LOCK = 0x656C62666C6F77
"""Key of PostgreSQL's advisory lock for migrations: any number that nobody else uses."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@functools.cache
def revisions() -> tuple[str, ...]:
    """The revisions this build knows, the one it needs first. Reads files, once."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def current_revision(connection: sa.Connection) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


async def migrate(url: str) -> None:
    """Bring the database at ``url`` to the newest revision.

    A new SQLite file is created readable by its owner alone: it holds secret keys. Two processes may call this at
    once; the second one finds nothing to do. Reads files on the loop: it belongs into the set-up, not into a service.

    Raises :class:`NotMigrated` when the store cannot be reached or is locked, and ``BadStoreUrl``.
    """
    parsed = urls.parse(url)
    try:
        await _migrate(parsed)
    except (OSError, sa.exc.DBAPIError) as error:
        raise NotMigrated(f"The store was not migrated: {getattr(error, 'orig', error)}") from error


async def _migrate(url: sa.URL) -> None:
    if urls.is_sqlite(url) and url.database:
        os.close(os.open(url.database, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            await connection.run_sync(_upgrade)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: sa.Connection) -> None:
    current = current_revision(connection)
    if current is not None and current not in revisions():
        raise NotMigrated(f"The store is at schema {current}, which a newer build made. Run that build's migration")
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
