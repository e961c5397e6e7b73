"""Deleting a load balancer (spec/elb-control-plane 5.6). Every step may be repeated, also when the row is gone.

The row goes last. Where it is gone, or is that of a later life of the name, the steps leave everything alone.
"""

from __future__ import annotations

import structlog

from elbflow import store
from elbflow.contract import document
from elbflow_activities import changes, leftovers
from elbflow_activities.environment import Environment

log = structlog.get_logger()


class Deletion:
    """From the first cancelled workflow to the last row."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def stop_continuous_workflows(self, key: document.LoadBalancerKey) -> None:
        if await changes.find_own(self._env, key) is not None:
            await self._env.executions.stop_all(key)

    async def delete_deactivate_dns(self, key: document.LoadBalancerKey) -> None:
        """Only VMs in service are in DNS answers, so retiring them takes them out."""
        lb = await changes.require_deleting(self._env, key)
        if lb is not None:
            async with self._env.db.transaction() as tx:
                await tx.vms.set_state((vm.instance_id for vm in lb.vms), store.VmState.RETIRED)

    async def delete_scaling_groups(self, key: document.LoadBalancerKey) -> None:
        lb = await changes.require_deleting(self._env, key)
        if lb is not None:
            await leftovers.remove_scaling_groups(self._env, key)
            async with self._env.db.transaction() as tx:
                await tx.vms.remove(vm.instance_id for vm in lb.vms)

    async def delete_load_balancer_remove(self, key: document.LoadBalancerKey) -> None:
        async with self._env.db.transaction() as tx:
            lb = await tx.load_balancers.find(key, for_update=True)
            if lb is None or not changes.is_own(lb):
                return
            if lb.state is not store.LoadBalancerState.DELETING:
                raise changes.NotDeleting(key)
            await tx.load_balancers.delete(lb.id)
        log.info("load_balancer_removed", account=key.account, load_balancer=key.name)
