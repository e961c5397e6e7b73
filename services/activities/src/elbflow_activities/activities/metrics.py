"""Publishing VMs' counters and the health of instances (spec/elb-control-plane 5.8, 9)."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import store
from elbflow.contract import activities, document
from elbflow_activities import changes, measurements
from elbflow_activities.cloud import base
from elbflow_activities.environment import Environment

_AT_ONCE = 400
"""Data of so many at least are published together: few calls, and no sweep holds all there are."""


class Metrics:
    """Aggregates nothing across calls: each report is published by itself, so no process holds counts."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def put_cloudwatch_metrics(
        self, key: document.LoadBalancerKey, metrics: tuple[activities.VmMetrics, ...]
    ) -> None:
        """Publish what was not published yet, each report once (twice if this dies before it could note the sequence).

        The report is a sign of life of its VM, noted before publishing: whether CloudWatch works says nothing of VMs.
        """
        lb = await changes.read(self._env, key)
        vms = {vm.instance_id: vm for vm in lb.vms}
        known = [(vms[one.instance_id], one.report) for one in metrics if one.instance_id in vms]
        now = self._env.clock.now()
        async with self._env.db.transaction() as tx:
            for vm, _ in known:
                await tx.vms.set_reported(vm.instance_id, now)
        new = [(vm, report) for vm, report in known if vm.metrics_sequence != report.sequence]
        if new:
            await self._publish(lb, new, now)

    async def _publish(
        self, lb: store.LoadBalancer, reports: Sequence[tuple[store.Vm, document.MetricsReport]], now: float
    ) -> None:
        data = [datum for vm, report in reports for datum in measurements.traffic(lb, vm.zone, report, now)]
        await self._put(lb.key.account, data)
        async with self._env.db.transaction() as tx:
            for vm, report in reports:
                await tx.vms.set_metrics_sequence(vm.instance_id, report.sequence)

    async def put_cloudwatch_instance_health(self) -> None:
        """How many instances are healthy, of all load balancers: the store knows, no VM need be asked."""
        now = self._env.clock.now()
        waiting: dict[str, list[base.Datum]] = {}
        async for lb in changes.everything(self._env):
            if lb.state is store.LoadBalancerState.ACTIVE:
                data = waiting.setdefault(lb.key.account, [])
                data += measurements.hosts(lb, now)
                if len(data) >= _AT_ONCE:
                    await self._put(lb.key.account, waiting.pop(lb.key.account))
        for account, data in waiting.items():
            await self._put(account, data)

    async def _put(self, account: str, data: Sequence[base.Datum]) -> None:
        await self._env.cloud.put_metrics(account, measurements.NAMESPACE, data)
