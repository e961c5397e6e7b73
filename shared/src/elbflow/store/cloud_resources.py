"""What the local cloud remembers of itself: roles, profiles, security groups, scaling groups."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from elbflow.store import tables
from elbflow.store.connections import Connection

_T = tables.cloud_resources


class CloudResources:
    """Repository of named resources; ``data`` is a JSON object whose shape its kind's owner defines."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, kind: str, name: str, *, for_update: bool = False) -> Mapping[str, object] | None:
        """The resource's data, or None. ``for_update`` keeps others from changing it until the transaction ends."""
        query = sa.select(_T.c.data).where(_T.c.kind == kind, _T.c.name == name)
        result = await self._connection.execute(query.with_for_update() if for_update else query)
        row = result.one_or_none()
        return row[0] if row else None

    async def of_kind(self, kind: str) -> Mapping[str, Mapping[str, object]]:
        result = await self._connection.execute(
            sa.select(_T.c.name, _T.c.data).where(_T.c.kind == kind).order_by(_T.c.name)
        )
        return {row["name"]: row["data"] for row in result.mappings()}

    async def add(self, kind: str, name: str, data: Mapping[str, object]) -> bool:
        """Insert it; False when it was there before, or came from another transaction meanwhile."""
        dialect = postgresql if await self._connection.run_sync(_is_postgresql) else sqlite
        insertion = dialect.insert(_T).values(kind=kind, name=name, data=dict(data)).on_conflict_do_nothing()
        return (await self._connection.execute(insertion)).rowcount > 0

    async def save(self, kind: str, name: str, data: Mapping[str, object]) -> bool:
        """Insert or replace; True when it was not there before."""
        updated = await self._connection.execute(
            sa.update(_T).where(_T.c.kind == kind, _T.c.name == name).values(data=dict(data))
        )
        if updated.rowcount:
            return False
        await self._connection.execute(sa.insert(_T).values(kind=kind, name=name, data=dict(data)))
        return True

    async def remove(self, kind: str, name: str) -> bool:
        """Remove it; False when it was not there."""
        removed = await self._connection.execute(sa.delete(_T).where(_T.c.kind == kind, _T.c.name == name))
        return removed.rowcount > 0


def _is_postgresql(connection: sa.Connection) -> bool:
    return connection.dialect.name == "postgresql"
