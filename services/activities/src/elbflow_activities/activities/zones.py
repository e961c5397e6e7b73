"""Enabling and disabling availability zones (spec/elb-control-plane 5.3, 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from elbflow import store
from elbflow.contract import activities, document, names
from elbflow.store import conditions
from elbflow_activities import changes, vm_rows
from elbflow_activities.cloud import base
from elbflow_activities.environment import Environment


class Zones:
    """Scaling groups, VM rows, zone rows and backend rows of zones."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    # --- scaling groups --------------------------------------------------------------------------------

    async def scaling_group_setup(
        self, key: document.LoadBalancerKey, profile: str, group_name: str, zones: tuple[str, ...]
    ) -> activities.ScalingGroups:
        lb = await changes.read(self._env, key)
        subnets = {zone.name: zone.subnet_id for zone in lb.zones}
        for zone in zones:
            plan = base.ScalingGroupPlan(
                names.scaling_group_name(lb.key, zone),
                lb.key,
                zone,
                self._env.policy.vms_per_zone,
                instance_profile=profile,
                security_group=group_name,
                subnet_id=subnets.get(zone),
                group_ids=tuple(group.group_id for group in lb.security_groups),
            )
            await self._record_vms(lb.key, await self._env.cloud.ensure_scaling_group(plan))
        return activities.ScalingGroups(tuple(zone for zone in zones if zone not in lb.enabled_zones))

    async def scaling_group_setup_rollback(
        self, key: document.LoadBalancerKey, groups: activities.ScalingGroups
    ) -> None:
        lb = await changes.read(self._env, key)
        zones = [zone for zone in groups.created_zones if zone not in lb.enabled_zones]
        for zone in zones:
            await self._env.cloud.delete_scaling_group(names.scaling_group_name(lb.key, zone))
        async with self._env.db.transaction() as tx:
            await tx.vms.remove(vm.instance_id for vm in lb.vms if vm.zone in zones)

    async def disable_zones_scale_in(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        for zone in zones:
            await self._env.cloud.set_capacity(names.scaling_group_name(key, zone), 0)

    async def disable_zones_scale_in_rollback(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        for zone in zones:
            name = names.scaling_group_name(key, zone)
            group = await self._env.cloud.set_capacity(name, self._env.policy.vms_per_zone)
            if group is not None:
                await self._record_vms(key, group)

    async def _record_vms(self, key: document.LoadBalancerKey, group: base.ScalingGroup) -> None:
        async with changes.changing(self._env, key) as change:
            for vm in vm_rows.of_members(change.lb.vms, group.vms, self._env.clock.now()):
                await change.tx.vms.save(change.lb.id, vm)

    # --- VM rows ---------------------------------------------------------------------------------------

    async def disable_zones_retire_vms(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> tuple[str, ...]:
        async with changes.changing(self._env, key) as change:
            vms = tuple(vm.instance_id for vm in change.lb.vms if vm.zone in zones)
            await change.tx.vms.set_state(vms, store.VmState.RETIRED)
        return vms

    async def disable_zones_retire_vms_rollback(
        self, key: document.LoadBalancerKey, instance_ids: tuple[str, ...]
    ) -> None:
        async with changes.changing(self._env, key) as change:
            await change.tx.vms.set_state(
                [
                    vm.instance_id
                    for vm in change.lb.vms
                    if vm.instance_id in instance_ids and vm.state is store.VmState.RETIRED
                ],
                store.VmState.IN_SERVICE,
            )

    # --- zone rows -------------------------------------------------------------------------------------

    async def enable_zones_persist(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._set(key, zones, store.ZoneState.IN_SERVICE)

    async def enable_zones_persist_rollback(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._set(key, zones, store.ZoneState.OUT_OF_SERVICE)

    async def disable_zones_persist(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._set(key, zones, store.ZoneState.OUT_OF_SERVICE)

    async def _set(self, key: document.LoadBalancerKey, zones: Iterable[str], state: store.ZoneState) -> None:
        async with changes.changing(self._env, key) as change:
            change.push = True
            await change.tx.load_balancers.set_zones(change.lb.id, zones, state)

    # --- backend rows ----------------------------------------------------------------------------------

    async def enable_zones_reset_backends(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._mark(key, zones, conditions.REGISTERING, conditions.ZONE_DISABLED.describes)

    async def disable_zones_mark_backends(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        await self._mark(key, zones, conditions.ZONE_DISABLED, lambda backend: True)

    async def _mark(
        self,
        key: document.LoadBalancerKey,
        zones: tuple[str, ...],
        condition: conditions.Condition,
        concerns: Callable[[store.Backend], bool],
    ) -> None:
        async with changes.changing(self._env, key) as change:
            for backend in change.lb.backends:
                if backend.zone in zones and concerns(backend):
                    await change.set_condition(backend, condition)
