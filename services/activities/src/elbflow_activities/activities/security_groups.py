"""The security groups of a load balancer's VMs and their ingress rules (spec/elb-control-plane 5.3, 5.5, 5.6, 5.7)."""

from __future__ import annotations

from collections.abc import Iterable

from elbflow import store
from elbflow.contract import activities, cloud, document, names
from elbflow_activities import changes
from elbflow_activities.environment import Environment


class SecurityGroups:
    """A classic load balancer has one group, whose open ports are those of its listeners.

    One in a VPC has groups of the user's, who opens their ports; or else one that the service makes for all of an
    account's load balancers in the VPC, and that is never deleted.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def security_group_setup(self, key: document.LoadBalancerKey) -> activities.SecurityGroup:
        lb = await changes.read(self._env, key)
        if lb.vpc_id is not None:
            group = (lb.security_groups or await self._default(lb.key, lb.vpc_id))[0]
            return activities.SecurityGroup(group.name, group.group_id, created=False)
        name = names.security_group_name(lb.key)
        group_id = await self._env.cloud.ensure_security_group(name)
        return activities.SecurityGroup(name, group_id, created=lb.state is store.LoadBalancerState.PROVISIONING)

    async def _default(self, key: document.LoadBalancerKey, vpc_id: str) -> tuple[document.SecurityGroup, ...]:
        group = await self._env.cloud.ensure_default_elb_group(key.account, vpc_id)
        async with changes.changing(self._env, key) as change:
            chosen = change.lb.security_groups or (group,)
            await change.tx.load_balancers.set_security_groups(change.lb.id, chosen)
        return chosen

    async def security_group_setup_rollback(
        self, key: document.LoadBalancerKey, group: activities.SecurityGroup
    ) -> None:
        if group.created:
            await self._env.cloud.delete_security_group(group.name)

    async def tag_creator(self, key: document.LoadBalancerKey, group: activities.SecurityGroup) -> None:
        if group.name == names.security_group_name(key):
            await self._env.cloud.tag_security_group(group.name, *names.SERVICE_TAG)

    async def delete_security_group(self, key: document.LoadBalancerKey) -> None:
        if await changes.require_deleting(self._env, key) is not None:
            await self._env.cloud.delete_security_group(names.security_group_name(key))

    # --- ingress rules ---------------------------------------------------------------------------------

    async def listener_authorize_ingress(
        self, key: document.LoadBalancerKey, ports: tuple[int, ...]
    ) -> tuple[int, ...]:
        lb = await changes.read(self._env, key)
        if lb.vpc_id is not None:
            await self._open_default(lb, lb.vpc_id)
            return ()
        # Listeners may have gone since the execution was ordered, or was begun again: nobody would close their ports.
        wanted = tuple(port for port in ports if lb.listener_on(port) is not None)
        await self._env.cloud.authorize_ingress(names.security_group_name(lb.key), wanted)
        return wanted

    async def _open_default(self, lb: store.LoadBalancer, vpc_id: str) -> None:
        """Open the listeners' ports in the service's own group while it has no rules; later the user sees to them."""
        own = cloud.default_elb_group(lb.key.account, vpc_id)
        if lb.security_groups == (own,) and not await self._env.cloud.open_ports(own.group_id):
            await self._env.cloud.authorize_ingress(own.group_id, [listener.port for listener in lb.listeners])

    async def listener_authorize_ingress_rollback(self, key: document.LoadBalancerKey, ports: tuple[int, ...]) -> None:
        await self._env.cloud.revoke_ingress(names.security_group_name(key), ports)

    async def listener_revoke_ingress(self, key: document.LoadBalancerKey, ports: tuple[int, ...]) -> None:
        async with self._env.db.reading() as tx:
            lb = await tx.load_balancers.find(key)
        deleting = lb is None or lb.state is store.LoadBalancerState.DELETING
        used = set() if lb is None or deleting else {listener.port for listener in lb.listeners}
        group = names.security_group_name(key)
        closing = set(ports or await self._env.cloud.open_ports(group)) - used
        await self._env.cloud.revoke_ingress(group, sorted(closing))

    # --- groups of a load balancer in a VPC ------------------------------------------------------------

    async def apply_security_groups(
        self, key: document.LoadBalancerKey, groups: tuple[document.SecurityGroup, ...]
    ) -> None:
        await self._apply(await changes.read(self._env, key), groups)

    async def apply_security_groups_rollback(self, key: document.LoadBalancerKey) -> None:
        lb = await changes.read(self._env, key)
        await self._apply(lb, lb.security_groups)

    async def persist_security_groups(
        self, key: document.LoadBalancerKey, groups: tuple[document.SecurityGroup, ...]
    ) -> int:
        """The VMs prove the generation although it changes nothing for HAProxy."""
        async with changes.changing(self._env, key) as change:
            change.push = True
            await change.tx.load_balancers.set_security_groups(change.lb.id, groups)
        return change.generation

    async def _apply(self, lb: store.LoadBalancer, groups: Iterable[document.SecurityGroup]) -> None:
        """To the VMs of all zones, enabled or not: what is enabled later keeps them."""
        group_ids = [group.group_id for group in groups]
        for zone in lb.zones:
            await self._env.cloud.set_group_ids(names.scaling_group_name(lb.key, zone.name), group_ids)
