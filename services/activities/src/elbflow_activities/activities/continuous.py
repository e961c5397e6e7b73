"""Keeping what should run running (spec/elb-control-plane 4.13, 5.8).

Together with the deterministic ids of one-shot executions this makes every kill converge: whatever died, the rows say
what was wanted, and this sweep starts what realises it.
"""

from __future__ import annotations

import structlog

from elbflow import store
from elbflow.contract import names
from elbflow.store import documents
from elbflow_activities import changes
from elbflow_activities.environment import Environment

log = structlog.get_logger()

START_GRACE_S = 60.0
"""Age below which a creation is left to the API that ordered it."""

LOST_S = 3600.0
"""Age at which a creation that no execution knows of is given up."""

_NOT_FINISHED = frozenset({"TIMED_OUT", "TERMINATED"})


class Continuous:
    """The sweep over all load balancers and their executions."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def run_continuous_workflows(self) -> int:
        running = await self._env.executions.open_ids()
        closed = await self._env.executions.cut_off.closed()
        touched = 0
        async for lb in changes.everything(self._env):
            match lb.state:
                case store.LoadBalancerState.ACTIVE:
                    touched += await self._keep_active(lb, running)
                    touched += bool(await self._env.executions.repeat_cut_off(lb, closed))
                case store.LoadBalancerState.PROVISIONING:
                    touched += await self._finish_creation(lb, running)
                case store.LoadBalancerState.DELETING:
                    touched += await self._finish_deletion(lb, running)
        return touched

    async def _keep_active(self, lb: store.LoadBalancer, running: frozenset[str]) -> bool:
        missing = [one for one in names.continuous_workflow_ids(lb.key) if one not in running]
        if missing:
            await self._env.executions.start_continuous(lb.key)
        lagging = any(vm.applied_generation < lb.generation for vm in documents.talking_vms(lb))
        if lagging and names.update_workflow_id(lb.key) in running:
            await self._env.executions.update_immediately(lb.key, lb.generation)
        return bool(missing) or lagging

    async def _finish_creation(self, lb: store.LoadBalancer, running: frozenset[str]) -> bool:
        """Create anew what an execution left unfinished; delete what an execution ended without removing."""
        workflow_id = names.create_workflow_id(lb.key, lb.created_at)
        age_s = self._env.clock.now() - lb.created_at
        if workflow_id in running or age_s < START_GRACE_S:
            return False
        status = await self._env.executions.last_close_status(workflow_id)
        if status is None and age_s < LOST_S:
            return False
        if status in _NOT_FINISHED and lb.zones:
            log.warning("creation_repeated", workflow_id=workflow_id, status=status)
            await self._env.executions.start_creation(lb)
            return True
        return await self._give_up(lb)

    async def _give_up(self, lb: store.LoadBalancer) -> bool:
        async with self._env.db.transaction() as tx:
            current = await tx.load_balancers.find(lb.key, for_update=True)
            if (
                current is None
                or current.created_at != lb.created_at
                or current.state is not store.LoadBalancerState.PROVISIONING
            ):
                return False
            await tx.load_balancers.set_state(current.id, store.LoadBalancerState.DELETING)
        log.warning("creation_given_up", account=lb.key.account, load_balancer=lb.key.name)
        await self._env.executions.start_deletion(lb)
        return True

    async def _finish_deletion(self, lb: store.LoadBalancer, running: frozenset[str]) -> bool:
        if names.delete_workflow_id(lb.key, lb.created_at) in running:
            return False
        if names.create_workflow_id(lb.key, lb.created_at) in running:
            return False  # It is being rolled back; should that fail, the next round deletes.
        await self._env.executions.start_deletion(lb)
        return True
