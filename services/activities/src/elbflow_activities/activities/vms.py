"""Keeping the rows of load-balancer VMs true (spec/elb-control-plane 2.9, 5.8)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import structlog

from elbflow import store
from elbflow.contract import document
from elbflow_activities import changes, leftovers, vm_rows
from elbflow_activities.cloud import base
from elbflow_activities.environment import Environment

log = structlog.get_logger()

FAILURE_WINDOW_S = 3600.0

_OVER = frozenset({store.VmState.RETIRED, store.VmState.ERROR})


class Vms:
    """Sweeps over all VMs."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def check_vms(self) -> None:
        await self._env.cloud.maintain_scaling_groups()
        asked_at = self._env.clock.now()
        groups: dict[document.LoadBalancerKey, list[base.ScalingGroup]] = {}
        for group in await self._env.cloud.scaling_groups():
            groups.setdefault(group.key, []).append(group)
        async for lb in changes.everything(self._env):
            found = groups.get(lb.key, [])
            if lb.state is store.LoadBalancerState.ACTIVE and any(self._differences(lb, found, asked_at)):
                await self._reconcile(lb.key, [group.name for group in found], asked_at)

    async def _reconcile(self, key: document.LoadBalancerKey, names: Iterable[str], asked_at: float) -> None:
        """Judge by a fresh answer: the one that showed a difference is as old as the sweep."""
        fresh = [await self._env.cloud.scaling_group(name) for name in names]
        groups = [group for group in fresh if group is not None]
        with contextlib.suppress(*changes.GONE):
            async with changes.changing(self._env, key) as change:
                moved, lost = self._differences(change.lb, groups, asked_at)
                for vm in moved:
                    log.info("vm_state", instance_id=vm.instance_id, state=vm.state.value)
                    await change.tx.vms.save(change.lb.id, vm)
                if lost:
                    log.warning("vms_lost", load_balancer=key.name, instance_ids=lost)
                    await change.tx.vms.set_state(lost, store.VmState.ERROR)

    def _differences(
        self, lb: store.LoadBalancer, groups: Iterable[base.ScalingGroup], asked_at: float
    ) -> tuple[tuple[store.Vm, ...], tuple[str, ...]]:
        """The rows to save, and the VMs that are lost: of those only that were there when the groups were listed.

        A VM launched since may belong to a group that is in no list yet.
        """
        members = [vm for group in groups for vm in group.vms]
        listed = [vm for vm in lb.vms if vm.launched_at <= asked_at]
        return vm_rows.of_members(lb.vms, members, self._env.clock.now()), vm_rows.lost(listed, members)

    async def cleanup_vms(self) -> None:
        groups = await self._env.cloud.scaling_groups()  # Before the rows: a row is there before its groups are.
        known: set[document.LoadBalancerKey] = set()
        gone: list[str] = []
        async for lb in changes.everything(self._env):
            known.add(lb.key)
            gone += [vm.instance_id for vm in lb.vms if vm.state in _OVER]
        for group in groups:
            if group.key not in known:
                await self._remove_orphan(group)
        if gone:
            existing = await self._env.cloud.existing_vms()
            async with self._env.db.transaction() as tx:
                await tx.vms.remove(one for one in gone if one not in existing)

    async def _remove_orphan(self, group: base.ScalingGroup) -> None:
        """A workflow that outlived its load balancer may have built something after the deletion went by."""
        async with self._env.db.reading() as tx:
            lb = await tx.load_balancers.find(group.key)
        if lb is None:
            log.warning("orphan_removed", scaling_group=group.name)
            await leftovers.remove_all(self._env, group.key)

    async def recycle_failed_vms(self) -> None:
        threshold = self._env.policy.failures_to_recycle
        if threshold <= 0:
            return
        async for lb in changes.everything(self._env):
            for vm in lb.vms:
                if vm.state is store.VmState.IN_SERVICE and vm.failures > 0:
                    await self._judge(lb, vm, threshold)

    async def _judge(self, lb: store.LoadBalancer, vm: store.Vm, threshold: int) -> None:
        """Terminate a VM with too many failures; forgive fewer ones after an hour."""
        window_at = vm.failure_window_at
        now = self._env.clock.now()
        if vm.failures >= threshold:
            log.warning("vm_recycled", instance_id=vm.instance_id, failures=vm.failures)
            await self._env.cloud.terminate_vm(vm.instance_id)
            with contextlib.suppress(*changes.GONE):
                async with changes.changing(self._env, lb.key) as change:
                    await change.tx.vms.set_state([vm.instance_id], store.VmState.ERROR)
        elif window_at is not None and now - window_at > FAILURE_WINDOW_S:
            async with self._env.db.transaction() as tx:
                await tx.vms.set_failures(vm.instance_id, 0, None)
