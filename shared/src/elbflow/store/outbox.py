"""Starts and signals that must follow a commit, whoever is alive to deliver them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from elbflow.store import model, tables
from elbflow.store.connections import Connection

_T = tables.outbox

# Built once: SQLAlchemy takes longer to build a statement than SQLite to carry it out.
_ADD = sa.insert(_T).returning(_T.c.id)
_REMOVE = sa.delete(_T).where(_T.c.id == sa.bindparam("row"))


class Outbox:
    """Repository of undelivered workflow starts and signals.

    Deliver after the commit, then remove the row. A row belongs to one process at a time: to the one that wrote it
    until ``claimed_until``, then to whoever claims it first.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self,
        kind: model.OutboxKind,
        *,
        workflow_id: str,
        name: str,
        payload: str,
        tags: Sequence[str] = (),
        created_at: float,
        claimed_until: float = 0.0,
    ) -> model.OutboxRow:
        result = await self._connection.execute(
            _ADD,
            {
                "kind": kind.value,
                "workflow_id": workflow_id,
                "name": name,
                "payload": payload,
                "tags": list(tags),
                "created_at": created_at,
                "claimed_until": claimed_until,
            },
        )
        return model.OutboxRow(result.scalar_one(), kind, workflow_id, name, payload, tuple(tags), created_at)

    async def unclaimed(self, now: float, *, after_id: int = 0, limit: int = 100) -> Sequence[model.OutboxRow]:
        """Undelivered rows behind row ``after_id`` that belong to nobody at ``now``, oldest first."""
        result = await self._connection.execute(
            sa.select(_T).where(_T.c.claimed_until <= now, _T.c.id > after_id).order_by(_T.c.id).limit(limit)
        )
        return [
            model.OutboxRow(
                row["id"],
                model.OutboxKind(row["kind"]),
                row["workflow_id"],
                row["name"],
                row["payload"],
                tuple(row["tags"]),
                row["created_at"],
            )
            for row in result.mappings()
        ]

    async def claim(self, row_id: int, *, now: float, until: float) -> bool:
        """Make the row this process's own until ``until``; False when it is another's, or delivered."""
        claimed = await self._connection.execute(
            sa.update(_T).where(_T.c.id == row_id, _T.c.claimed_until <= now).values(claimed_until=until)
        )
        return claimed.rowcount > 0

    async def release(self, row_id: int, *, until: float) -> None:
        """Give up the claim until ``until``, if it still holds: the row may be delivered by anyone, at once."""
        await self._connection.execute(
            sa.update(_T).where(_T.c.id == row_id, _T.c.claimed_until == until).values(claimed_until=0.0)
        )

    async def is_start_waiting(self, names: Sequence[str], tags: Sequence[str]) -> bool:
        """Whether a start of one of these workflow types with just these tags is still to be delivered."""
        result = await self._connection.execute(
            sa.select(_T.c.tags).where(_T.c.kind == model.OutboxKind.START.value, _T.c.name.in_(names))
        )
        return any(tuple(found) == tuple(tags) for found in result.scalars())

    async def give_up_starts(self, tags: Sequence[str]) -> None:
        """Remove the starts with just these tags: whoever has not begun to deliver them does not."""
        result = await self._connection.execute(
            sa.select(_T.c.id, _T.c.tags).where(_T.c.kind == model.OutboxKind.START.value)
        )
        if given_up := [row.id for row in result if tuple(row.tags) == tuple(tags)]:
            await self._connection.execute(sa.delete(_T).where(_T.c.id.in_(given_up)))

    async def remove(self, row_id: int) -> None:
        await self._connection.execute(_REMOVE, {"row": row_id})

    async def size(self) -> int:
        """How many rows wait to be delivered."""
        result = await self._connection.execute(sa.select(sa.func.count()).select_from(_T))
        return int(result.scalar_one())
