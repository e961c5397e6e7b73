"""PollInstanceStatus: one per load balancer, hears of the health of its instances (spec/elb-control-plane 4.11).

Edge-triggered: one long activity per VM that completes when something changed; its heartbeat is the VM's lease. It
also runs while no health check is configured: then there is just nothing to report (11.1 no. 12).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from elbflow import flow
from elbflow.contract import activities, vm_activities, workflows
from elbflow.contract.activities import ServingVm
from elbflow_decider.workflows import vm_loops

REFRESH = timedelta(minutes=30)
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0
NOTHING_KNOWN = ""
ASK_ALL_EVERY = timedelta(seconds=30)
"""A request that is given up occupies its VM until the next heartbeat: at most one at a time."""


@flow.workflow(workflows.POLL_INSTANCE_STATUS)
class PollInstanceStatus:
    """``pollImmediately`` has the VMs looked up and all of them asked for their whole report."""

    def __init__(self) -> None:
        self._news = vm_loops.Counter()
        self._ask_all = False
        self._asked_all_at: datetime | None = None

    @flow.signal(workflows.POLL_IMMEDIATELY)
    def poll_immediately(self, value: None) -> None:
        self._ask_all = True
        self._news.add()

    async def run(self, request: workflows.LoadBalancerInput) -> None:
        self._key = request.key
        async with vm_loops.VmLoops(self._watch) as loops:
            while not vm_loops.worn_out():
                seen = self._news.value
                vms = await activities.lookup_vms(self._key)
                if self._ask_all and self._rest() == timedelta(0):
                    self._ask_all, self._asked_all_at = False, flow.now()
                    loops.cancel()
                loops.assign(vms)
                await self._news.beyond(seen, self._rest() if self._ask_all else REFRESH, or_when=vm_loops.worn_out)
        raise flow.continue_as_new(request)

    def _rest(self) -> timedelta:
        """How long until all VMs may be asked again."""
        if self._asked_all_at is None:
            return timedelta(0)
        return max(timedelta(0), self._asked_all_at + ASK_ALL_EVERY - flow.now())

    async def _watch(self, vm: ServingVm) -> None:
        """Wait for the VM's news and store it, over and over."""
        digest, failures = NOTHING_KNOWN, 0
        while True:
            asked_at = flow.now()
            try:
                report = await vm_activities.get_instance_status.using(task_list=vm.instance_id)(digest)
            except flow.ActivityError as error:
                failures += 1
                digest = NOTHING_KNOWN
                await vm_loops.record_failure(self._key, vm.instance_id, error)
                await flow.sleep(vm_loops.pause(failures, FIRST_PAUSE_S, LONGEST_PAUSE_S))
                self._news.add()  # It may be gone: have the VMs looked up.
                continue
            await activities.update_instance_status(self._key, vm.instance_id, report)
            if report.digest == digest and flow.now() - asked_at < timedelta(seconds=LONGEST_PAUSE_S):
                await flow.sleep(LONGEST_PAUSE_S)  # A VM that does not wait for news must not keep us busy.
            digest, failures = report.digest, 0
