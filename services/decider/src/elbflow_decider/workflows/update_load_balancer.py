"""UpdateLoadBalancer: one per load balancer, brings documents to its VMs (spec/elb-control-plane 4.10).

Edge-triggered: at the start, on every ``updateImmediately`` (latched and coalesced: each VM looks up the newest
document when its turn comes), and every 15 minutes. A failing VM is retried by itself.
"""

from __future__ import annotations

from datetime import timedelta

from elbflow import flow
from elbflow.contract import activities, vm_activities, workflows
from elbflow.contract.activities import ServingVm
from elbflow_decider.workflows import vm_loops

REFRESH = timedelta(minutes=15)
MOST_ROUNDS = 20
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
SETTLE_S = 30.0
"""How long a run that ends waits for pushes in flight; a new signal ends that wait."""


@flow.workflow(workflows.UPDATE_LOAD_BALANCER)
class UpdateLoadBalancer:
    """A round begins with a look-up of the VMs; each VM's loop serves the newest round."""

    def __init__(self) -> None:
        self._signals = vm_loops.Counter()
        self._rounds = vm_loops.Counter()
        self._pushing: set[str] = set()

    @flow.signal(workflows.UPDATE_IMMEDIATELY)
    def update_immediately(self, generation: int) -> None:
        self._signals.add()

    async def run(self, request: workflows.LoadBalancerInput) -> None:
        self._key = request.key
        async with vm_loops.VmLoops(self._serve) as loops:
            while self._rounds.value < MOST_ROUNDS and not vm_loops.worn_out():
                seen = self._signals.value
                loops.assign(await activities.lookup_vms(self._key))
                self._rounds.add()
                await self._signals.beyond(seen, REFRESH, or_when=vm_loops.worn_out)
            await self._signals.beyond(seen, SETTLE_S, or_when=lambda: not self._pushing)
        raise flow.continue_as_new(request)

    async def _serve(self, vm: ServingVm) -> None:
        """Push once per round; after a failure again, after a growing pause or with the next round."""
        failures = 0
        served = 0
        while True:
            await self._rounds.beyond(served)
            tried = self._rounds.value
            if await self._push(vm.instance_id):
                served, failures = tried, 0
                continue
            failures += 1
            await self._rounds.beyond(tried, vm_loops.pause(failures, FIRST_PAUSE_S, LONGEST_PAUSE_S))

    async def _push(self, instance_id: str) -> bool:
        """One attempt to have the VM serve what it should; False when the VM failed."""
        self._pushing.add(instance_id)
        try:
            document = await activities.lookup_document(self._key, instance_id)
            if document is None:  # It went out of service since it was looked up.
                return True
            try:
                applied = await vm_activities.set_load_balancer.using(task_list=instance_id)(document)
            except flow.ActivityError as error:
                await vm_loops.record_failure(self._key, instance_id, error)
                return False
            await activities.record_applied(self._key, instance_id, applied)
            return True
        finally:
            self._pushing.discard(instance_id)
