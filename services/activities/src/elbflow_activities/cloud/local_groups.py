"""The local cloud's Auto Scaling: records in the store, VMs at the agent host."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from elbflow import store
from elbflow_activities.cloud import base, host_client
from elbflow_activities.cloud.local_vms import GroupRecord

log = structlog.get_logger()

KIND = "scaling-group"
LAUNCHES_AT_ONCE = 8

_FAILED = frozenset({"failed", "error", "stopped", "terminated"})
_PHASES = {
    "pending": base.VmPhase.PENDING,
    "starting": base.VmPhase.PENDING,
    "running": base.VmPhase.IN_SERVICE,
    "draining": base.VmPhase.TERMINATING,
    "stopping": base.VmPhase.TERMINATING,
    "terminating": base.VmPhase.TERMINATING,
}


class LocalScalingGroups:
    """Scaling groups whose VMs are agents of one host.

    Every change is written down first and then carried out by :meth:`_settle`, which finishes whatever an earlier
    process left open.
    """

    def __init__(self, db: store.Store, host: host_client.HostClient, rng: random.Random) -> None:
        self._db = db
        self._host = host
        self._rng = rng
        self._slots = asyncio.Semaphore(LAUNCHES_AT_ONCE)

    async def ensure_scaling_group(self, plan: base.ScalingGroupPlan) -> base.ScalingGroup:
        async with self._db.transaction() as tx:
            record = GroupRecord.planned(plan, await _read(tx, plan.name, for_update=True), self._new_id)
            await tx.cloud_resources.save(KIND, plan.name, record.to_data())
        await self._settle(plan.name)
        return await self._described(plan.name)

    async def set_capacity(self, name: str, capacity: int) -> base.ScalingGroup | None:
        if not await self._change(name, lambda record: record.resized(capacity, self._new_id)):
            return None
        await self._settle(name)
        return await self._described(name)

    async def set_group_ids(self, name: str, group_ids: Iterable[str]) -> None:
        chosen = tuple(group_ids)
        await self._change(name, lambda record: replace(record, group_ids=chosen))

    async def delete_scaling_group(self, name: str) -> None:
        if await self._change(name, GroupRecord.deleted):
            await self._settle(name)

    async def scaling_groups(self) -> Sequence[base.ScalingGroup]:
        running = await self._host.vms()
        return [_group(name, record, running) for name, record in (await self._records()).items()]

    async def scaling_group(self, name: str) -> base.ScalingGroup | None:
        async with self._db.reading() as tx:
            record = await _read(tx, name)
        if record is None:
            return None
        members = await asyncio.gather(*map(self._host.vm, record.members))
        return _group(name, record, {vm.instance_id: vm for vm in members if vm is not None})

    async def terminate_vm(self, instance_id: str) -> None:
        for name, record in (await self._records()).items():
            if instance_id in record.members:
                await self._change(name, lambda record: record.without(instance_id))
                await self._settle(name)

    async def existing_vms(self) -> frozenset[str]:
        return frozenset(await self._host.vms())

    async def maintain_scaling_groups(self) -> None:
        """Replace failed and missing members, finish what is open, and end VMs that no group knows."""
        running = await self._host.vms()
        failed = {vm.instance_id for vm in running.values() if vm.state in _FAILED}
        records = await self._records()  # Read after the host: what runs and is in no record now was never in one.
        for name, record in records.items():
            if record.repaired(running, failed, self._new_id) != record:
                log.warning("scaling_group_repaired", group=name, members=sorted(record.members))
                await self._change(name, lambda record: record.repaired(running, failed, self._new_id))
        await _all(self._settle(name) for name, record in (await self._records()).items() if record.is_open)
        known = {one for record in records.values() for one in (*record.members, *record.doomed)}
        # One that drains was terminated, and ends with its last connection.
        for stray in {one for one, vm in running.items() if vm.state != "draining"} - known:
            log.warning("stray_vm_terminated", instance_id=stray)
            await self._host.terminate(stray)

    # --- between the record and the host ---------------------------------------------------------------

    async def _settle(self, name: str) -> None:
        """Launch and terminate what the record asks for, write down what succeeded, then raise what failed."""
        async with self._db.reading() as tx:
            record = await _read(tx, name)
        if record is None or not record.is_open:
            return
        launched: set[str] = set()
        terminated: set[str] = set()

        async def launch(instance_id: str) -> None:
            async with self._slots:
                await self._host.launch(instance_id, zone=record.zone, key=record.key)
            launched.add(instance_id)

        async def terminate(instance_id: str) -> None:
            async with self._slots:
                await self._host.terminate(instance_id)
            terminated.add(instance_id)

        try:
            await _all([*map(launch, record.unlaunched), *map(terminate, record.doomed)])
        finally:
            await self._change(name, lambda current: current.settled(launched, terminated))

    async def _change(self, name: str, change: Callable[[GroupRecord], GroupRecord]) -> bool:
        """Rewrite the record, removing a deleting one that is empty; False when there is none."""
        async with self._db.transaction() as tx:
            before = await _read(tx, name, for_update=True)
            if before is None:
                return False
            after = change(before)
            if after.deleting and not after.doomed:
                await tx.cloud_resources.remove(KIND, name)
            elif after != before:
                await tx.cloud_resources.save(KIND, name, after.to_data())
            return True

    async def _described(self, name: str) -> base.ScalingGroup:
        group = await self.scaling_group(name)
        if group is None:
            raise base.CloudUnavailable(f"scaling group {name} was deleted meanwhile")
        return group

    async def _records(self) -> dict[str, GroupRecord]:
        async with self._db.reading() as tx:
            rows = await tx.cloud_resources.of_kind(KIND)
        return {name: GroupRecord.from_data(data) for name, data in rows.items()}

    def _new_id(self) -> str:
        return f"i-{self._rng.getrandbits(68):017x}"


async def _read(tx: store.Repositories, name: str, *, for_update: bool = False) -> GroupRecord | None:
    data = await tx.cloud_resources.get(KIND, name, for_update=for_update)
    return GroupRecord.from_data(data) if data is not None else None


def _group(name: str, record: GroupRecord, running: Mapping[str, host_client.HostVm]) -> base.ScalingGroup:
    vms = tuple(
        base.CloudVm(one, vm.zone, vm.address, _PHASES.get(vm.state, base.VmPhase.UNHEALTHY))
        for one in record.members
        if (vm := running.get(one)) is not None
    )
    return base.ScalingGroup(name, record.key, record.zone, record.capacity, vms)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Let all of it end, then raise the first failure."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
