"""Orders: workflow starts and signals, written in the transaction of the change that needs them (design section 6).

Workflow ids of one-shots name the mutation, so whoever repeats a call joins the execution that already runs.
"""

from __future__ import annotations

from typing import TypeVar

from elbflow import flow, store
from elbflow.contract import document, names, workflows
from elbflow_api import outbox

In = TypeVar("In")


def create_workflow_id(lb: store.LoadBalancer) -> str:
    return names.create_workflow_id(lb.key, lb.created_at)


def delete_workflow_id(lb: store.LoadBalancer) -> str:
    return names.delete_workflow_id(lb.key, lb.created_at)


def mutation_workflow_id(kind: str, key: document.LoadBalancerKey, generation: int) -> str:
    """Id of a one-shot that realises one generation; ``kind`` is e.g. ``create-listeners``."""
    return f"{kind}-{key.account}-{key.name}-g{generation}"


async def start(
    tx: store.Repositories,
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    workflow_id: str,
    key: document.LoadBalancerKey,
    value: In,
    *,
    now: float,
) -> store.OutboxRow:
    """Order the start of a one-shot workflow."""
    return await tx.outbox.add(
        store.OutboxKind.START,
        workflow_id=workflow_id,
        name=signature.name,
        payload=flow.encode(value, signature.input_type),
        tags=names.workflow_tags(key),
        created_at=now,
        claimed_until=now + outbox.LATE_AFTER_S,
    )


async def delete(tx: store.Repositories, lb: store.LoadBalancer, *, now: float) -> store.OutboxRow:
    """Mark the load balancer as being deleted, unless it is, and order its deletion.

    One that is marked already is ordered again under the same workflow id: that joins a running deletion and repeats
    one that failed. Workflows that were ordered and did not start yet are given up: started late, they would change the
    next load balancer of this name.
    """
    if lb.state is not store.LoadBalancerState.DELETING:
        await tx.load_balancers.set_state(lb.id, store.LoadBalancerState.DELETING)
        await tx.load_balancers.bump_generation(lb.id)
        await tx.outbox.give_up_starts(names.workflow_tags(lb.key))
    return await start(
        tx,
        workflows.DELETE_LOAD_BALANCER,
        delete_workflow_id(lb),
        lb.key,
        workflows.LoadBalancerInput(lb.key),
        now=now,
    )


async def update_immediately(
    tx: store.Repositories, key: document.LoadBalancerKey, generation: int, *, now: float
) -> store.OutboxRow:
    """Order that the load balancer's VMs get ``generation`` at once."""
    signal = workflows.UPDATE_IMMEDIATELY
    return await tx.outbox.add(
        store.OutboxKind.SIGNAL,
        workflow_id=names.update_workflow_id(key),
        name=signal.name,
        payload=flow.encode(generation, signal.input_type),
        created_at=now,
        claimed_until=now + outbox.LATE_AFTER_S,
    )
