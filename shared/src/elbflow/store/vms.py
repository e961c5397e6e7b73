"""Load-balancer VMs and what they have proved to serve."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from elbflow.contract import document
from elbflow.store import model, tables
from elbflow.store.connections import Connection

_T = tables.vms


class Vms:
    """Repository of VMs; read them through the load balancer's aggregate."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save(self, lb_id: int, vm: model.Vm) -> None:
        """Insert the VM, or update where it is and its state; what it has applied is kept."""
        updated = await self._connection.execute(
            sa.update(_T)
            .where(_T.c.instance_id == vm.instance_id)
            .values(load_balancer_id=lb_id, zone=vm.zone, address=vm.address, state=vm.state.value)
        )
        if updated.rowcount == 0:
            await self._connection.execute(
                sa.insert(_T).values(
                    instance_id=vm.instance_id,
                    load_balancer_id=lb_id,
                    zone=vm.zone,
                    address=vm.address,
                    state=vm.state.value,
                    launched_at=vm.launched_at,
                    applied_generation=0,
                    applied_hash="",
                    problems=[],
                    failures=0,
                )
            )

    async def set_state(self, instance_ids: Iterable[str], state: model.VmState) -> None:
        await self._connection.execute(
            sa.update(_T).where(_T.c.instance_id.in_(list(instance_ids))).values(state=state.value)
        )

    async def set_applied(self, instance_id: str, applied: document.Applied) -> None:
        """Store a proof unless a newer one is there."""
        await self._connection.execute(
            sa.update(_T)
            .where(_T.c.instance_id == instance_id, _T.c.applied_generation <= applied.generation)
            .values(
                applied_generation=applied.generation,
                applied_hash=applied.content_hash,
                problems=_written(applied.problems),
            )
        )

    async def set_problems(self, instance_id: str, problems: Iterable[document.ListenerProblem]) -> None:
        await self._connection.execute(
            sa.update(_T).where(_T.c.instance_id == instance_id).values(problems=_written(problems))
        )

    async def set_reported(self, instance_id: str, at: float) -> None:
        await self._connection.execute(sa.update(_T).where(_T.c.instance_id == instance_id).values(reported_at=at))

    async def set_failures(self, instance_id: str, failures: int, window_at: float | None) -> None:
        await self._connection.execute(
            sa.update(_T).where(_T.c.instance_id == instance_id).values(failures=failures, failure_window_at=window_at)
        )

    async def count_failure(self, instance_id: str, failed_at: float) -> None:
        """Count a failure and open its window, unless one of that time or later is counted already."""
        await self._connection.execute(
            sa.update(_T)
            .where(_T.c.instance_id == instance_id, sa.func.coalesce(_T.c.failed_at, 0.0) < failed_at)
            .values(
                failures=_T.c.failures + 1,
                failure_window_at=sa.func.coalesce(_T.c.failure_window_at, failed_at),
                failed_at=failed_at,
            )
        )

    async def note_metrics(self, instance_id: str, sequence: int, since: int | None) -> bool:
        """Note metrics report ``sequence`` as the last published one; False, and nothing done, if it must not be.

        It must directly follow ``since``, which is 0 for the first; None stands for any earlier one.
        """
        noted = sa.func.coalesce(_T.c.metrics_sequence, 0)
        where = [_T.c.instance_id == instance_id, noted < sequence]
        if since is not None:
            where.append(noted == since)
        result = await self._connection.execute(sa.update(_T).where(*where).values(metrics_sequence=sequence))
        return bool(result.rowcount)

    async def noted_metrics(self, instance_id: str) -> int:
        """The last published metrics report; 0 without one."""
        found = await self._connection.execute(sa.select(_T.c.metrics_sequence).where(_T.c.instance_id == instance_id))
        return int(found.scalar() or 0)

    async def remove(self, instance_ids: Iterable[str]) -> None:
        await self._connection.execute(sa.delete(_T).where(_T.c.instance_id.in_(list(instance_ids))))


def _written(problems: Iterable[document.ListenerProblem]) -> list[list[object]]:
    return [[problem.port, problem.reason, problem.is_served] for problem in problems]
