"""PutCloudWatchMetric: one per load balancer, carries its VMs' counters to CloudWatch (spec/elb-control-plane 4.12).

A VM collects for a minute and keeps its counts until they are acknowledged, so no count is lost on the way and none is
counted twice. A VM that served nobody has nothing to publish and reports every fourth minute; how many instances are
healthy is published for all load balancers by the service's health check.
"""

from __future__ import annotations

from datetime import timedelta

from elbflow import flow
from elbflow.contract import activities, vm_activities, workflows
from elbflow.contract.activities import ServingVm, VmMetrics
from elbflow_decider.workflows import vm_loops

PERIOD_S = 60.0
MOST_REPORTS = 30
MOST_EVENTS = 500
"""Beyond what so many reports take: a run should end behind a report, not amid one."""

REFRESH = timedelta(minutes=30)
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


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
            while not self._worn_out():
                seen = self._news.value
                loops.assign(await activities.lookup_vms(self._key))
                await self._news.beyond(seen, REFRESH, or_when=self._worn_out)
        raise flow.continue_as_new(request)

    def _worn_out(self) -> bool:
        return self._reports >= MOST_REPORTS or vm_loops.worn_out(MOST_EVENTS)

    async def _measure(self, vm: ServingVm) -> None:
        """Fetch, publish, acknowledge with the next request."""
        acknowledged, failures = vm.metrics_sequence, 0
        while True:
            collect = vm_activities.get_cloudwatch_metrics.using(task_list=vm.instance_id)
            try:
                report = await collect(PERIOD_S, acknowledged)
            except flow.ActivityError as error:
                failures += 1
                await vm_loops.record_failure(self._key, vm.instance_id, error)
                await flow.sleep(vm_loops.pause(failures, FIRST_PAUSE_S, LONGEST_PAUSE_S))
                self._news.add()  # It may be gone: have the VMs looked up.
                continue
            await activities.put_cloudwatch_metrics(self._key, (VmMetrics(vm.instance_id, report),))
            acknowledged, failures = report.sequence, 0
            self._reports += 1
