"""Publishing VMs' counters (spec/elb-control-plane 5.8, 9)."""

from __future__ import annotations

from elbflow import store
from elbflow.contract import activities, document
from elbflow_activities import changes, measurements
from elbflow_activities.environment import Environment


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
        now = self._env.clock.now()
        for one in metrics:
            if (vm := vms.get(one.instance_id)) is None:
                continue
            async with self._env.db.transaction() as tx:
                await tx.vms.set_reported(vm.instance_id, now)
            if vm.metrics_sequence != one.report.sequence:
                await self._publish(lb, vm, one.report, now)

    async def _publish(self, lb: store.LoadBalancer, vm: store.Vm, report: document.MetricsReport, now: float) -> None:
        for batch in measurements.batches(measurements.data_of(lb, vm.zone, report, now)):
            await self._env.cloud.put_metrics(lb.key.account, measurements.NAMESPACE, batch)
        async with self._env.db.transaction() as tx:
            await tx.vms.set_metrics_sequence(vm.instance_id, report.sequence)
