"""DeleteLoadBalancer (spec/elb-control-plane 1.8)."""

from __future__ import annotations

import structlog

from elbflow import store
from elbflow.contract import workflows
from elbflow_api import mutation, orders, query
from elbflow_api.dependencies import Call, Dependencies

log = structlog.get_logger()


async def delete_load_balancer(call: Call, room: Dependencies) -> query.Response:
    """Delete the load balancer and wait until nothing of it is left. Deleting what is not there succeeds.

    A failed deletion leaves the load balancer invisible and its row in place: call again.
    """
    lb = await _find(call, room)
    while lb is not None:
        if lb.state is store.LoadBalancerState.PROVISIONING:
            await _wait_for_creation(lb, call, room)
        ordered, lb = await _order(lb, call, room)
        if ordered is not None:
            mutation.require_success(await mutation.conclude(workflows.DELETE_LOAD_BALANCER, [ordered], call, room))
    return {}


async def _find(call: Call, room: Dependencies) -> store.LoadBalancer | None:
    async with room.db.reading() as tx:
        return await tx.load_balancers.find(call.key)


async def _wait_for_creation(lb: store.LoadBalancer, call: Call, room: Dependencies) -> None:
    """Let the creation end first; how does not matter, for what is left of it is deleted next."""
    await room.workflows.outcome(
        workflows.CREATE_LOAD_BALANCER,
        orders.create_workflow_id(lb),
        not_before=lb.created_at,
        deadline=call.deadline,
    )


async def _order(
    seen: store.LoadBalancer, call: Call, room: Dependencies
) -> tuple[store.OutboxRow | None, store.LoadBalancer | None]:
    """Mark the load balancer and order its deletion; neither when there is none any more.

    When another one has taken the name since ``seen`` and is being created now, it is given back to be waited for.
    """
    async with room.db.transaction() as tx:
        lb = await tx.load_balancers.find(call.key, for_update=True)
        if lb is None:
            return None, None
        # Row ids are used again where they became free, so the time of creation tells load balancers apart.
        if lb.state is store.LoadBalancerState.PROVISIONING and lb.created_at != seen.created_at:
            return None, lb
        if lb.state is not store.LoadBalancerState.DELETING:
            log.info("deletion_requested", account=lb.key.account, load_balancer=lb.key.name)
        return await orders.delete(tx, lb, now=room.clock.now()), None
