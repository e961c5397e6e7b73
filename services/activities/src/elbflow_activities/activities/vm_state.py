"""What VMs should serve and what they prove to serve (spec/elb-control-plane 5.8)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import orjson
import structlog

from elbflow import store
from elbflow.contract import activities, document, transport
from elbflow.store import conditions, documents
from elbflow_activities import changes
from elbflow_activities.environment import Environment

log = structlog.get_logger()

_MOST_DOCUMENTS = 16 * 1024
"""Bytes of documents that travel with the VMs' names: all in one payload, uncompressed. Larger ones go one by one."""


class VmState:
    """Desired and proven state of load-balancer VMs."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def lookup_vms(self, key: document.LoadBalancerKey) -> tuple[activities.ServingVm, ...]:
        return _serving(documents.talking_vms(await changes.read(self._env, key)))

    async def lookup_zones(self, key: document.LoadBalancerKey) -> tuple[activities.ServingZone, ...]:
        lb = await changes.read(self._env, key)
        vms = documents.talking_vms(lb)
        found = {zone: documents.of_zone(lb, zone) for zone in sorted({vm.zone for vm in vms})}
        together = len(orjson.dumps(tuple(found.values()))) <= _MOST_DOCUMENTS
        return tuple(
            activities.ServingZone(_serving(vm for vm in vms if vm.zone == zone), document if together else None)
            for zone, document in found.items()
        )

    async def lookup_document(
        self, key: document.LoadBalancerKey, instance_id: str
    ) -> document.LoadBalancerDocument | transport.Parcel | None:
        wanted = await self._wanted(key, instance_id)
        return await asyncio.to_thread(_as_it_travels, wanted) if wanted is not None else None

    async def lookup_document_part(
        self, key: document.LoadBalancerKey, instance_id: str, parcel: transport.Parcel, index: int
    ) -> transport.Part | None:
        wanted = await self._wanted(key, instance_id)
        if wanted is None:
            return None
        parts = await asyncio.to_thread(transport.split, wanted)
        return parts[index] if parts[0].parcel == parcel else None

    async def _wanted(self, key: document.LoadBalancerKey, instance_id: str) -> document.LoadBalancerDocument | None:
        lb = await changes.read(self._env, key)
        vm = next((vm for vm in documents.talking_vms(lb) if vm.instance_id == instance_id), None)
        return documents.of_zone(lb, vm.zone) if vm is not None else None

    async def record_applied(self, key: document.LoadBalancerKey, instance_id: str, applied: document.Applied) -> None:
        """Store the proof, and ask the VM for its health report when it may know an instance the store waits for.

        A VM reports changes only. An instance that was deregistered and registered again may never have been anything
        but healthy to the VM, so nothing would ever change its row. Problems of listeners may have changed since the
        proof, and been reported before it came here.
        """
        async with changes.unchanging(self._env, key) as change:
            vm = _find(change.lb, instance_id)
            if vm is None:
                return
            await change.tx.vms.set_applied(instance_id, applied)
            await change.tx.vms.set_reported(instance_id, self._env.clock.now())
            if vm.state is store.VmState.PENDING:
                await change.tx.vms.set_state([instance_id], store.VmState.IN_SERVICE)
            if applied.generation > vm.applied_generation:
                change.ask_vms = _any_registering(change.lb, vm.zone)
            if applied.generation >= vm.applied_generation and applied.problems != vm.problems:
                change.ask_vms = True
        if applied.problems:
            log.warning("listener_problems", instance_id=instance_id, ports=[one.port for one in applied.problems])

    async def record_vm_failure(
        self, key: document.LoadBalancerKey, instance_id: str, reason: str, failed_at: float
    ) -> None:
        async with self._env.db.transaction() as tx:
            await tx.vms.count_failure(instance_id, failed_at)
        log.warning("vm_failure_recorded", load_balancer=key.name, instance_id=instance_id, reason=reason)


def _as_it_travels(wanted: document.LoadBalancerDocument) -> document.LoadBalancerDocument | transport.Parcel:
    return wanted if transport.fits_alone(wanted) else transport.split(wanted)[0].parcel


def _serving(vms: Iterable[store.Vm]) -> tuple[activities.ServingVm, ...]:
    return tuple(activities.ServingVm(vm.instance_id, vm.metrics_sequence or 0) for vm in vms)


def _find(lb: store.LoadBalancer, instance_id: str) -> store.Vm | None:
    return next((vm for vm in lb.vms if vm.instance_id == instance_id), None)


def _any_registering(lb: store.LoadBalancer, zone: str) -> bool:
    return any(one.zone in (zone, None) and conditions.REGISTERING.describes(one) for one in lb.backends)
