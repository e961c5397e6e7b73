"""UpdateLoadBalancer: one per load balancer, brings documents to its VMs (spec/elb-control-plane 4.10).

::

    round: look up VMs and documents ──> per VM: { push ──> record proof }

A round begins at the start, on ``updateImmediately`` and every 15 minutes. A busy VM gets the newest document in its
next turn; one that failed is tried again by itself, after a growing pause or with the next round, and so is one whose
document is too large to travel with the others: they look up their own, in parts when no payload can carry it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from elbflow import flow
from elbflow.contract import activities, document, transport, vm_activities, workflows
from elbflow_decider.workflows import vm_line, vm_loops

MOST_ROUNDS, MOST_EVENTS = 20, 1000  # A new run serves all VMs anew: better rarely, and replay is rare as well.
REFRESH, FIRST_PAUSE = timedelta(minutes=15), timedelta(seconds=2)
SETTLE = timedelta(seconds=30)  # How long a run that ends waits for pushes in flight; a new signal ends that wait.


@flow.workflow(workflows.UPDATE_LOAD_BALANCER)
class UpdateLoadBalancer:
    """Each VM's loop serves the newest round."""

    def __init__(self) -> None:
        self._signals, self._rounds, self._pushes = (vm_loops.Counter() for _ in range(3))
        self._documents: dict[str, document.LoadBalancerDocument] = {}

    @flow.signal(workflows.UPDATE_IMMEDIATELY)
    def update_immediately(self, generation: int) -> None:
        self._signals.add()

    async def run(self, request: workflows.LoadBalancerInput) -> None:
        self._key = request.key
        # Executions begun earlier look up each document by itself, the first of them after the VMs.
        together = flow.patched("look-up-together")
        at_once = together or flow.patched("push-at-once")
        most_events = MOST_EVENTS if at_once else vm_loops.MOST_EVENTS
        async with vm_loops.VmLoops(self._serve) as loops:
            while self._rounds.value < MOST_ROUNDS and not loops.worn_out(most_events):
                seen = self._signals.value
                if together:
                    await self._look_up(loops)
                else:
                    self._rounds.add(at_once)
                    loops.assign(await activities.lookup_vms(self._key))
                    self._rounds.add(not at_once)
                await self._signals.beyond(seen, REFRESH, or_when=lambda: loops.worn_out(most_events))
            await self._signals.beyond(seen, SETTLE, or_when=lambda: not self._pushes.value)
        raise flow.continue_as_new(request)

    async def _look_up(self, loops: vm_loops.VmLoops) -> None:
        zones = await activities.lookup_zones(self._key)
        self._documents = {vm.instance_id: zone.document for zone in zones if zone.document for vm in zone.vms}
        loops.assign(vm for zone in zones for vm in zone.vms)
        self._rounds.add()

    async def _serve(self, vm: activities.ServingVm) -> None:
        line, tried = vm_line.VmLine(self._key, vm.instance_id, FIRST_PAUSE), 0
        while True:
            await self._rounds.beyond(tried, line.pause or None)
            tried = self._rounds.value
            with self._pushes.one():
                await self._push(line)

    async def _push(self, line: vm_line.VmLine) -> None:
        found = self._documents.pop(line.instance_id, None)
        wanted = found or await activities.lookup_document(self._key, line.instance_id)
        if wanted is None:  # It went out of service since it was looked up.
            line.rested()
            return
        push = vm_activities.set_load_balancer.using(task_list=line.instance_id)
        asking = self._in_parts(line, wanted) if isinstance(wanted, transport.Parcel) else line.ask(push(wanted))
        if (applied := await asking) is not None:
            await activities.record_applied(self._key, line.instance_id, applied)

    async def _in_parts(self, line: vm_line.VmLine, parcel: transport.Parcel) -> document.Applied | None:
        parts = []
        for index in range(parcel.parts):
            part = await activities.lookup_document_part(self._key, line.instance_id, parcel, index)
            if part is None:  # What it should serve changed meanwhile.
                line.pause = FIRST_PAUSE
                return None
            parts.append(part)
        return await line.ask(_sent(line.instance_id, parts))


async def _sent(instance_id: str, parts: Iterable[transport.Part]) -> document.Applied | None:
    """What the VM answers to the last part; it takes them one after the other."""
    send, applied = vm_activities.set_load_balancer_part.using(task_list=instance_id), None
    for part in parts:
        applied = await send(part)
    return applied
