"""Starts and signals that must follow a commit, whoever is alive to deliver them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from elbflow.store import model, tables
from elbflow.store.connections import Connection

_T = tables.outbox


class Outbox:
    """Repository of undelivered workflow starts and signals.

    Deliver after the commit, then remove the row. A delivery that happened twice does no harm: a second start meets
    AlreadyStarted, a second signal asks for a generation that is already served.
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
    ) -> model.OutboxRow:
        result = await self._connection.execute(
            sa.insert(_T)
            .values(
                kind=kind.value,
                workflow_id=workflow_id,
                name=name,
                payload=payload,
                tags=list(tags),
                created_at=created_at,
            )
            .returning(_T.c.id)
        )
        return model.OutboxRow(result.scalar_one(), kind, workflow_id, name, payload, tuple(tags), created_at)

    async def older_than(
        self, created_before: float, *, after_id: int = 0, limit: int = 100
    ) -> Sequence[model.OutboxRow]:
        """Rows behind row ``after_id`` that nobody delivered yet, oldest first."""
        result = await self._connection.execute(
            sa.select(_T).where(_T.c.created_at <= created_before, _T.c.id > after_id).order_by(_T.c.id).limit(limit)
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

    async def is_start_waiting(self, name: str, tags: Sequence[str]) -> bool:
        """Whether a start of this workflow type with just these tags is still to be delivered."""
        result = await self._connection.execute(
            sa.select(_T.c.tags).where(_T.c.kind == model.OutboxKind.START.value, _T.c.name == name)
        )
        return any(tuple(found) == tuple(tags) for found in result.scalars())

    async def remove(self, row_id: int) -> None:
        await self._connection.execute(sa.delete(_T).where(_T.c.id == row_id))

    async def size(self) -> int:
        """How many rows wait to be delivered."""
        result = await self._connection.execute(sa.select(sa.func.count()).select_from(_T))
        return int(result.scalar_one())
