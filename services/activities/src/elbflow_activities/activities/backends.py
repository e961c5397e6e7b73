"""Keeping the rows of users' instances true (spec/elb-control-plane 10.3, 10.4)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import structlog

from elbflow import store
from elbflow_activities import changes, reconciliation
from elbflow_activities.cloud import base
from elbflow_activities.environment import Environment

log = structlog.get_logger()


class Backends:
    """The sweep over all backend instances; it does not replace probing."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def check_backends(self) -> None:
        async for lb in changes.everything(self._env):
            if lb.state is store.LoadBalancerState.ACTIVE and lb.backends:
                found = await self._env.cloud.instances(lb.key.account, (one.instance_id for one in lb.backends))
                if self._corrections(lb, found):
                    with contextlib.suppress(*changes.GONE):
                        await self._correct(lb, found)

    def _corrections(
        self, lb: store.LoadBalancer, found: Mapping[str, base.UserInstance]
    ) -> list[reconciliation.Correction]:
        now = self._env.clock.now()
        possible = (reconciliation.correction(lb, one, found.get(one.instance_id), now) for one in lb.backends)
        return [one for one in possible if one is not None]

    async def _correct(self, lb: store.LoadBalancer, found: Mapping[str, base.UserInstance]) -> None:
        async with changes.changing(self._env, lb.key) as change:
            rows = {backend.instance_id: backend for backend in change.lb.backends}
            for one in self._corrections(change.lb, found):
                log.info("instance_corrected", load_balancer=lb.key.name, **_shown(one))
                if one.remove:
                    await change.tx.backends.remove(change.lb.id, [one.instance_id])
                if one.location is not None:
                    address, zone = one.location
                    await change.tx.backends.set_location(change.lb.id, one.instance_id, address=address, zone=zone)
                if one.condition is not None:
                    await change.set_condition(rows[one.instance_id], one.condition)
                change.ask_vms |= one.ask_vms


def _shown(one: reconciliation.Correction) -> dict[str, object]:
    return {
        "instance_id": one.instance_id,
        "removed": one.remove,
        "condition": one.condition.description if one.condition else None,
        "location": one.location,
    }
