"""The security group of a load balancer's VMs and its ingress rules (spec/elb-control-plane 5.3, 5.5, 5.6)."""

from __future__ import annotations

from elbflow import store
from elbflow.contract import activities, document, names
from elbflow_activities import changes
from elbflow_activities.environment import Environment


class SecurityGroups:
    """One group per load balancer; its open ports are those of the listeners."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def security_group_setup(self, key: document.LoadBalancerKey) -> activities.SecurityGroup:
        lb = await changes.read(self._env, key)
        name = names.security_group_name(lb.key)
        group_id = await self._env.cloud.ensure_security_group(name)
        return activities.SecurityGroup(name, group_id, created=lb.state is store.LoadBalancerState.PROVISIONING)

    async def security_group_setup_rollback(
        self, key: document.LoadBalancerKey, group: activities.SecurityGroup
    ) -> None:
        if group.created:
            await self._env.cloud.delete_security_group(group.name)

    async def tag_creator(self, key: document.LoadBalancerKey, group: activities.SecurityGroup) -> None:
        await self._env.cloud.tag_security_group(group.name, *names.SERVICE_TAG)

    async def delete_security_group(self, key: document.LoadBalancerKey) -> None:
        if await changes.require_deleting(self._env, key) is not None:
            await self._env.cloud.delete_security_group(names.security_group_name(key))

    async def listener_authorize_ingress(
        self, key: document.LoadBalancerKey, ports: tuple[int, ...]
    ) -> tuple[int, ...]:
        lb = await changes.read(self._env, key)
        await self._env.cloud.authorize_ingress(names.security_group_name(lb.key), ports)
        return ports

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
