"""Admission, commit and rollback of a load balancer (spec/elb-control-plane 5.3)."""

from __future__ import annotations

import contextlib

import structlog

from elbflow import flow, store
from elbflow.contract import document, names
from elbflow_activities import changes, leftovers
from elbflow_activities.cloud import base
from elbflow_activities.environment import Environment

log = structlog.get_logger()


class Creation:
    """From the first check to the load balancer's own workflows, and back."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def admission_control(self, key: document.LoadBalancerKey, zones: tuple[str, ...]) -> None:
        lb = await changes.read(self._env, key)
        known = await self._env.cloud.zones()
        if unknown := [zone for zone in zones if zone not in known]:
            raise base.ZoneUnknown(f"Availability Zone not found: {', '.join(unknown)}")
        wanted = [zone.subnet_id for zone in lb.zones if zone.name in zones and zone.subnet_id is not None]
        there = await self._env.cloud.subnets(key.account, wanted)
        if gone := [subnet_id for subnet_id in wanted if subnet_id not in there]:
            raise base.SubnetUnknown(f"Subnet not found: {', '.join(gone)}")

    async def create_load_balancer_commit(self, key: document.LoadBalancerKey) -> None:
        """A deletion waits until the commit: where one has begun, this is a repetition."""
        with contextlib.suppress(*changes.GONE):
            async with changes.changing(self._env, key) as change:
                if change.lb.state is store.LoadBalancerState.PROVISIONING and changes.is_own(change.lb):
                    await change.tx.load_balancers.set_state(change.lb.id, store.LoadBalancerState.ACTIVE)
                    log.info("load_balancer_active", account=key.account, load_balancer=key.name)

    async def start_continuous_workflows(self, key: document.LoadBalancerKey) -> None:
        """A load balancer that was deleted as soon as it was active was created all the same, and needs none."""
        with contextlib.suppress(*changes.GONE):
            lb = await changes.read(self._env, key)
            await self._env.executions.start_continuous(lb.key)

    async def create_load_balancer_rollback(self, key: document.LoadBalancerKey) -> None:
        """First the intent, then the cloud, then the row: whoever finds it half-done knows how to go on."""
        lb = await self._mark(key)
        if lb is None:
            return
        await leftovers.remove_all(self._env, lb.key)
        async with self._env.db.transaction() as tx:
            current = await tx.load_balancers.find(key, for_update=True)
            if current is not None and current.created_at == lb.created_at:
                await tx.load_balancers.delete(lb.id)
        log.info("load_balancer_rolled_back", account=key.account, load_balancer=key.name)

    async def _mark(self, key: document.LoadBalancerKey) -> store.LoadBalancer | None:
        """The load balancer, marked as being deleted; None unless it is the one that this execution creates."""
        workflow_id = flow.activity_context().execution.workflow_id
        async with self._env.db.transaction() as tx:
            lb = await tx.load_balancers.find(key, for_update=True)
            if lb is None or names.create_workflow_id(lb.key, lb.created_at) != workflow_id:
                return None
            await tx.load_balancers.set_state(lb.id, store.LoadBalancerState.DELETING)
            return lb
