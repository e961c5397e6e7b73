"""The host: all VMs of one process, found again after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import weakref
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import structlog

from elbflow import errors, tasks
from elbflow.contract import document
from elbflow_agent.haproxy import preview, safe
from elbflow_agent.host import addresses, records
from elbflow_agent.host.records import VmRecord
from elbflow_agent.host.vm import HostedVm, VmShared, VmState, VmView

_log = structlog.get_logger(__name__)
_SOON_S = 1.0
"""A VM without connections ends within this time, and whoever deletes it finds it gone."""


class VmConflict(errors.Permanent):
    """The instance id belongs to a VM of another zone or load balancer."""


class Host:
    """Async context manager; entering it brings up every recorded VM, leaving it leaves their HAProxys serving.

    A VM that is deleted accepts no connection any more at once. What it serves has until its load balancer's draining
    timeout, ``stop_soft_s`` seconds while draining is off; meanwhile its instance id and its address are free.
    """

    def __init__(self, network: ipaddress.IPv4Network, shared: VmShared, *, stop_soft_s: float) -> None:
        self._network = network
        self._shared = shared
        self._run_dir: Path = shared.run_dir
        self._stop_soft_s = stop_soft_s
        self._vms: dict[str, HostedVm] = {}
        self._ending: dict[str, tuple[HostedVm, asyncio.Task[None]]] = {}  # by the name of their directories
        self._farewells = tasks.Supervisor()
        # Weak: a lock lives as long as somebody holds it or waits for it.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._closing = False

    async def __aenter__(self) -> Host:
        await asyncio.to_thread(self._run_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
        for record in await asyncio.to_thread(records.load_all, self._run_dir):
            if record.ends_at is None:
                self._launch(record)
            else:
                self._see_off(self._made(record))
        self._count()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """End all VMs' part of this process. Idempotent."""
        self._closing = True
        await asyncio.gather(*(vm.leave() for vm in self._all()))
        await asyncio.gather(*(task for _, task in self._ending.values()), return_exceptions=True)
        self._count()

    def vms(self) -> list[VmView]:
        """All VMs by instance id; one that ends is not told of when there is another one of its id."""
        found = {vm.record.instance_id: vm for vm in self._all()}
        return [found[instance_id].view() for instance_id in sorted(found)]

    def vm(self, instance_id: str) -> VmView | None:
        """One VM, or None; one that ends is told of while there is no other one of its id."""
        found = [vm for vm in self._all() if vm.record.instance_id == instance_id]
        return found[-1].view() if found else None

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
        safe.server_name(instance_id)
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
        """Have the VM accept no connection any more, and end it with its last one; one that is not there is fine."""
        async with self._turn(instance_id):
            if self._closing:
                raise errors.Retryable("the host is stopping")
            found = self._vms.get(instance_id)
            if found is not None:
                # Shielded: half-deleted is the one state that must not be left by a caller that hangs up.
                await asyncio.shield(asyncio.ensure_future(self._retire(found)))
        if ending := [task for vm, task in self._ending.values() if vm.record.instance_id == instance_id]:
            await asyncio.wait(ending, timeout=_SOON_S)

    def _turn(self, instance_id: str) -> asyncio.Lock:
        return self._turns.setdefault(instance_id, asyncio.Lock())

    async def _create(self, instance_id: str, zone: str, account: str, load_balancer: str) -> HostedVm:
        again = await self._next_of(instance_id)
        record = VmRecord(instance_id, self._address(instance_id), zone, account, load_balancer, again=again)
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
        vm = self._made(record, start=start)
        self._vms[record.instance_id] = vm
        return vm

    def _made(self, record: VmRecord, *, start: bool = True) -> HostedVm:
        vm = HostedVm(record, records.directory(self._run_dir, record), self._shared)
        if start:
            vm.start()
        return vm

    def _address(self, instance_id: str) -> str:
        """A free one; that of a VM that ends only if there is no other, though nothing listens there any more."""
        with contextlib.suppress(addresses.AddressesExhausted):
            return addresses.choose(self._network, instance_id, {vm.record.address for vm in self._all()})
        return addresses.choose(self._network, instance_id, {vm.record.address for vm in self._vms.values()})

    async def _next_of(self, instance_id: str) -> int:
        """Number of a new VM beside those of its instance id that end; they are asked nothing any more."""
        former = [vm for vm, _ in self._ending.values() if vm.record.instance_id == instance_id]
        for vm in former:
            await vm.leave_lane()
        return max((vm.record.again + 1 for vm in former), default=0)

    async def _retire(self, vm: HostedVm) -> None:
        await vm.started()
        if vm.record.ends_at is not None:
            return  # somebody else who hung up has begun it
        ends_at = self._shared.time.now() + vm.farewell_s(self._stop_soft_s)
        record = replace(vm.record, ends_at=ends_at)
        await asyncio.to_thread(records.save, self._run_dir, record)  # whatever happens now, it will not come back
        if vm.state is VmState.FAILED:  # its task ended long ago, and a HAProxy that it once had may serve on
            vm = self._made(record)
            await vm.started()
        else:
            await vm.retire(record)
        if self._vms.pop(record.instance_id, None) is not None:
            self._see_off(vm)
        self._count()
        _log.info("vm_draining", instance=record.instance_id, until=ends_at)

    def _see_off(self, vm: HostedVm) -> None:
        """Have the VM forgotten once its HAProxy has ended."""
        task = self._farewells.start(self._forget(vm), f"farewell-{vm.record.name}")
        self._ending[vm.record.name] = vm, task

    async def _forget(self, vm: HostedVm) -> None:
        if not await vm.ended():
            return  # the process ends before it, and the next one goes on
        await vm.forget()
        await asyncio.to_thread(records.forget, self._run_dir, vm.record)
        del self._ending[vm.record.name]
        self._count()
        _log.info("vm_deleted", instance=vm.record.instance_id)

    def _all(self) -> list[HostedVm]:
        """Those that end first."""
        return [*(vm for vm, _ in self._ending.values()), *self._vms.values()]

    def _count(self) -> None:
        counts = Counter(vm.state for vm in self._all())
        for state in VmState:
            self._shared.instruments.vms.labels(state.value).set(counts[state])
