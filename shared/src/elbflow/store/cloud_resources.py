"""What the local cloud remembers of itself: roles, profiles, security groups, scaling groups."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from elbflow.store import tables, upserts
from elbflow.store.connections import Connection

_T = tables.cloud_resources
_KEY = ("kind", "name")


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
        """Insert it unless it is there, which leaves it as it is; whether it was not there."""
        row = {"kind": kind, "name": name, "data": dict(data)}
        return await upserts.add(self._connection, _T, row, unique=_KEY)

    async def save(self, kind: str, name: str, data: Mapping[str, object]) -> None:
        """Insert or replace."""
        row = {"kind": kind, "name": name, "data": dict(data)}
        await upserts.write(self._connection, _T, [row], unique=_KEY, changed=("data",))

    async def remove(self, kind: str, name: str) -> bool:
        """Remove it; False when it was not there."""
        removed = await self._connection.execute(sa.delete(_T).where(_T.c.kind == kind, _T.c.name == name))
        return removed.rowcount > 0
