"""PollInstanceStatus: one per load balancer, hears of the health of its instances (spec/elb-control-plane 4.11).

::

    look up VMs ──> per VM: { wait for its news ──> store them } over and over

One long activity per VM completes when something changed; its heartbeat is the VM's lease. Without a health check there
is just nothing to report (11.1 no. 12).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from elbflow import flow
from elbflow.contract import activities, vm_activities, workflows
from elbflow_decider.workflows import vm_line, vm_loops

NOTHING_KNOWN = ""
ASK_ALL_EVERY = timedelta(seconds=30)  # A request that is given up occupies its VM until the next heartbeat.


@flow.workflow(workflows.POLL_INSTANCE_STATUS)
class PollInstanceStatus:
    """``pollImmediately`` has the VMs looked up and all of them asked for their whole report."""

    def __init__(self) -> None:
        self._news, self._ask_all = vm_loops.Counter(), False
        self._rested_at = datetime.min.replace(tzinfo=UTC)

    @flow.signal(workflows.POLL_IMMEDIATELY)
    def poll_immediately(self, value: None) -> None:
        self._ask_all = True
        self._news.add()

    async def run(self, request: workflows.LoadBalancerInput) -> None:
        self._key = request.key
        async with vm_loops.VmLoops(self._watch) as loops:
            while not loops.worn_out():
                seen = self._news.value
                vms = await activities.lookup_vms(self._key)
                if self._ask_all and flow.now() >= self._rested_at:
                    self._ask_all, self._rested_at = False, flow.now() + ASK_ALL_EVERY
                    loops.cancel()
                loops.assign(vms)
                rest = self._rested_at - flow.now() if self._ask_all else vm_loops.REFRESH
                await self._news.beyond(seen, rest, or_when=loops.worn_out)
        raise flow.continue_as_new(request)

    async def _watch(self, vm: activities.ServingVm) -> None:
        line = vm_line.VmLine(self._key, vm.instance_id)
        wait, known = vm_activities.get_instance_status.using(task_list=vm.instance_id), NOTHING_KNOWN
        while True:
            asked_at = flow.now()
            report = await line.ask(wait(known))
            if report is None:
                known = NOTHING_KNOWN
                await line.rest(self._news)
                continue
            await activities.update_instance_status(self._key, vm.instance_id, report)
            if report.digest == known and flow.now() - asked_at < vm_line.LONGEST_PAUSE:
                await flow.sleep(vm_line.LONGEST_PAUSE)  # A VM that does not wait for news must not keep us busy.
            known = report.digest
