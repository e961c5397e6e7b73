"""Publishing VMs' counters and the health of instances (spec/elb-control-plane 5.8, 9)."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from elbflow import store
from elbflow.contract import activities, document
from elbflow_activities import changes, measurements
from elbflow_activities.cloud import base
from elbflow_activities.environment import Environment

_log = structlog.get_logger(__name__)
_AT_ONCE = 400
"""Data of so many at least are published together: few calls, and no sweep holds all there are."""


class Metrics:
    """Aggregates nothing across calls: each report is published by itself, so no process holds counts."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def put_cloudwatch_metrics(
        self, key: document.LoadBalancerKey, metrics: tuple[activities.VmMetrics, ...]
    ) -> tuple[int, ...]:
        """Publish what was not published yet; what each VM is to be told as acknowledged.

        Nothing is published twice, however often and by however many this is carried out: a report is published only
        directly after the one that it goes on from. One that does not fit is not lost, for its VM keeps the counts.
        The report is a sign of life of its VM, noted before publishing: whether CloudWatch works says nothing of VMs.
        """
        lb = await changes.read(self._env, key)
        vms = {vm.instance_id: vm for vm in lb.vms}
        known = [(vms[one.instance_id], one.report) for one in metrics if one.instance_id in vms]
        now = self._env.clock.now()
        async with self._env.db.transaction() as tx:
            for vm, _ in known:
                await tx.vms.set_reported(vm.instance_id, now)
        noted = {vm.instance_id: await self._publish(lb, vm, report, now) for vm, report in known}
        return tuple(noted.get(one.instance_id, one.report.sequence) for one in metrics)

    async def _publish(self, lb: store.LoadBalancer, vm: store.Vm, report: document.MetricsReport, now: float) -> int:
        if vm.metrics_sequence == report.sequence:
            return report.sequence
        data = measurements.traffic(lb, vm.zone, report, now)
        which = base.VmReport(vm.instance_id, report.sequence, report.since)
        noted = await self._env.cloud.put_vm_metrics(lb.key.account, measurements.NAMESPACE, data, which)
        if noted != report.sequence:
            _log.warning("metrics_report_overlaps", instance=vm.instance_id, report=report.sequence, noted=noted)
        return noted

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
