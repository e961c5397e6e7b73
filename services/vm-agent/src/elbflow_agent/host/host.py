"""The host: all VMs of one process, found again after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import weakref
from collections import Counter
from pathlib import Path
from types import TracebackType

import structlog

from elbflow import errors
from elbflow.contract import document
from elbflow_agent.haproxy import preview
from elbflow_agent.host import addresses, records
from elbflow_agent.host.records import VmRecord
from elbflow_agent.host.vm import HostedVm, VmShared, VmState, VmView

_log = structlog.get_logger(__name__)


class VmConflict(errors.Permanent):
    """The instance id belongs to a VM of another zone or load balancer."""


class Host:
    """Async context manager; entering it brings up every recorded VM, leaving it leaves their HAProxys serving."""

    def __init__(self, network: ipaddress.IPv4Network, shared: VmShared, *, stop_soft_s: float) -> None:
        self._network = network
        self._shared = shared
        self._run_dir: Path = shared.run_dir
        self._stop_soft_s = stop_soft_s
        self._vms: dict[str, HostedVm] = {}
        # Weak: a lock lives as long as somebody holds it or waits for it.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._closing = False

    async def __aenter__(self) -> Host:
        await asyncio.to_thread(self._run_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
        for record in await asyncio.to_thread(records.load_all, self._run_dir):
            self._launch(record)
        self._count()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """End all VMs' part of this process. Idempotent."""
        self._closing = True
        await asyncio.gather(*(vm.leave() for vm in self._vms.values()))
        self._count()

    def vms(self) -> list[VmView]:
        """All VMs by instance id."""
        return [self._vms[instance_id].view() for instance_id in sorted(self._vms)]

    def vm(self, instance_id: str) -> VmView | None:
        """One VM, or None."""
        found = self._vms.get(instance_id)
        return found.view() if found is not None else None

    async def preview(self, instance_id: str, wanted: document.LoadBalancerDocument) -> preview.Preview | None:
        """What ``wanted`` would change on a VM, or None for a VM that is not there."""
        found = self._vms.get(instance_id)
        return await found.preview(wanted) if found is not None else None

    def look_at_certificates(self, instance_id: str) -> bool:
        """Have a VM look at its certificates now; False when there is no such VM."""
        found = self._vms.get(instance_id)
        if found is not None:
            found.look_at_certificates()
        return found is not None

    async def put(self, instance_id: str, *, zone: str, account: str, load_balancer: str) -> VmView:
        """Launch the VM, or find it; returns when it runs or has failed.

        Cancelled, the VM may have been launched. Raises :class:`VmConflict` and
        :class:`addresses.AddressesExhausted`.
        """
        records.directory(self._run_dir, instance_id)
        async with self._turn(instance_id):
            if self._closing:
                raise errors.Retryable("the host is stopping")
            found = self._vms.get(instance_id)
            if found is None:
                found = await self._create(instance_id, zone, account, load_balancer)
            wanted = (zone, account, load_balancer)
            if (found.record.zone, found.record.account, found.record.load_balancer) != wanted:
                raise VmConflict
            await found.started()
            self._count()
            return found.view()

    async def delete(self, instance_id: str) -> None:
        """Stop the VM with its HAProxy and forget it; one that is not there is fine."""
        async with self._turn(instance_id):
            found = self._vms.get(instance_id)
            if found is None:
                return
            # Shielded: half-deleted is the one state that must not be left by a caller that hangs up.
            await asyncio.shield(asyncio.ensure_future(self._destroy(instance_id, found)))

    def _turn(self, instance_id: str) -> asyncio.Lock:
        return self._turns.setdefault(instance_id, asyncio.Lock())

    async def _create(self, instance_id: str, zone: str, account: str, load_balancer: str) -> HostedVm:
        used = {vm.record.address for vm in self._vms.values()}
        address = addresses.choose(self._network, instance_id, used)
        record = VmRecord(instance_id, address, zone, account, load_balancer)
        # Taken before the disk is written, or a concurrent creation could take the same address.
        vm = self._launch(record, start=False)
        try:
            await asyncio.to_thread(records.save, self._run_dir, record)
        except BaseException:
            del self._vms[instance_id]
            raise
        vm.start()
        return vm

    def _launch(self, record: VmRecord, *, start: bool = True) -> HostedVm:
        vm = HostedVm(record, records.directory(self._run_dir, record.instance_id), self._shared)
        self._vms[record.instance_id] = vm
        if start:
            vm.start()
        return vm

    async def _destroy(self, instance_id: str, vm: HostedVm) -> None:
        await vm.destroy(self._stop_soft_s)
        await asyncio.to_thread(records.forget, self._run_dir, instance_id)
        with contextlib.suppress(KeyError):
            del self._vms[instance_id]
        self._count()
        _log.info("vm_deleted", instance=instance_id)

    def _count(self) -> None:
        counts = Counter(vm.state for vm in self._vms.values())
        for state in VmState:
            self._shared.instruments.vms.labels(state.value).set(counts[state])
