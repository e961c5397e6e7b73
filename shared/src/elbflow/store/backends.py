"""Registered backend instances."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from elbflow.store import model, tables
from elbflow.store.connections import Connection

_T = tables.backends


class Backends:
    """Repository of one load balancer's registered instances; read them through the aggregate."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, lb_id: int, backends: Iterable[model.Backend]) -> None:
        values = [
            {
                "load_balancer_id": lb_id,
                "instance_id": one.instance_id,
                "address": one.address,
                "zone": one.zone,
                "state": one.state.value,
                "reason_code": one.reason_code,
                "description": one.description,
                "registered_at": one.registered_at,
                "reported_at": one.reported_at,
            }
            for one in backends
        ]
        if values:
            await self._connection.execute(sa.insert(_T), values)

    async def remove(self, lb_id: int, instance_ids: Iterable[str]) -> None:
        """Remove the rows; ids that are not registered are ignored."""
        await self._connection.execute(
            sa.delete(_T).where(_T.c.load_balancer_id == lb_id, _T.c.instance_id.in_(list(instance_ids)))
        )

    async def set_state(
        self,
        lb_id: int,
        instance_id: str,
        state: model.BackendState,
        *,
        reason_code: str,
        description: str,
        reported_at: float | None,
    ) -> None:
        """Write an instance's state; ``reported_at`` None keeps the time of its last report."""
        values: dict[str, object] = {
            "state": state.value,
            "reason_code": reason_code,
            "description": description,
        }
        if reported_at is not None:
            values["reported_at"] = reported_at
        await self._where(lb_id, instance_id, values)

    async def set_location(self, lb_id: int, instance_id: str, *, address: str, zone: str | None) -> None:
        await self._where(lb_id, instance_id, {"address": address, "zone": zone})

    async def touch(self, lb_id: int, instance_ids: Iterable[str], reported_at: float) -> None:
        """Note that a VM has reported on the instances."""
        await self._connection.execute(
            sa.update(_T)
            .where(_T.c.load_balancer_id == lb_id, _T.c.instance_id.in_(list(instance_ids)))
            .values(reported_at=reported_at)
        )

    async def _where(self, lb_id: int, instance_id: str, values: dict[str, object]) -> None:
        await self._connection.execute(
            sa.update(_T).where(_T.c.load_balancer_id == lb_id, _T.c.instance_id == instance_id).values(**values)
        )
