"""PutCloudWatchMetric: one per load balancer, carries its VMs' counters to CloudWatch (spec/elb-control-plane 4.12).

::

    look up VMs ──> per VM: { collect for a minute ──> put } over and over

A VM keeps its counts until they are acknowledged, with the next request: none is lost on the way and none is counted
twice. One that served nobody reports every fourth minute. How many instances are healthy is published for all load
balancers by the service's health check.
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, vm_activities, workflows
from elbflow_decider.workflows import vm_line, vm_loops

PERIOD_S = 60.0
MOST_REPORTS, MOST_EVENTS = 30, 500  # More events than so many reports take: a run should end behind a report.


@flow.workflow(workflows.PUT_CLOUDWATCH_METRIC)
class PutCloudWatchMetric:
    """The VMs are looked up at the start, on ``pollImmediately`` and after failures, not in every round."""

    def __init__(self) -> None:
        self._news = vm_loops.Counter()
        self._reports = 0

    @flow.signal(workflows.POLL_IMMEDIATELY)
    def poll_immediately(self, value: None) -> None:
        self._news.add()

    async def run(self, request: workflows.LoadBalancerInput) -> None:
        self._key = request.key
        async with vm_loops.VmLoops(self._measure) as loops:
            while not self._worn_out(loops):
                seen = self._news.value
                loops.assign(await activities.lookup_vms(self._key))
                await self._news.beyond(seen, vm_loops.REFRESH, or_when=lambda: self._worn_out(loops))
        raise flow.continue_as_new(request)

    def _worn_out(self, loops: vm_loops.VmLoops) -> bool:
        return loops.reached(self._reports, MOST_REPORTS) or loops.worn_out(MOST_EVENTS)

    async def _measure(self, vm: activities.ServingVm) -> None:
        line = vm_line.VmLine(self._key, vm.instance_id)
        collect = vm_activities.get_cloudwatch_metrics.using(task_list=vm.instance_id)
        acknowledged = vm.metrics_sequence
        while True:
            report = await line.ask(collect(PERIOD_S, acknowledged))
            if report is None:
                await line.rest(self._news)
                continue
            noted = await activities.put_cloudwatch_metrics(self._key, (activities.VmMetrics(vm.instance_id, report),))
            acknowledged = noted[0] if noted else report.sequence
            self._reports += 1
