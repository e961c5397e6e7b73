"""The common course of calls that change a load balancer: settle, write with its orders, deliver, wait.

What differs between the calls is in :mod:`elbflow_api.actions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from elbflow import flow, store
from elbflow.contract import workflows
from elbflow_api import faults, orders
from elbflow_api.dependencies import Call, Dependencies, active

log = structlog.get_logger()

In = TypeVar("In")


def require_success(outcome: workflows.Outcome) -> None:
    """Raise the fault that a failed outcome means for the caller."""
    if outcome.state is not workflows.OutcomeState.SUCCESS:
        raise faults.workflow_failed(outcome)


async def settle(
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    call: Call,
    room: Dependencies,
    *,
    concerns: Callable[[In], bool],
) -> None:
    """Wait for running workflows of the type whose input ``concerns`` this request.

    After that the state says whether the request is still news: a repeated call thus joins the first one's workflow,
    and changes that would overwrite each other come one after the other. Raises ``LoadBalancerNotFound``, or the
    fault 503 when SWF cannot be asked or the deadline passes; nothing was written then.
    """
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    for running in await room.workflows.running(signature, lb.key):
        if concerns(running.value):
            execution = running.execution
            outcome = await room.workflows.outcome(
                signature, execution.workflow_id, run_id=execution.run_id, deadline=call.deadline
            )
            log.info("workflow_joined", workflow_id=execution.workflow_id, outcome=outcome.state.value)


async def order(
    tx: store.Repositories,
    lb: store.LoadBalancer,
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    kind: str,
    value: In,
    room: Dependencies,
    *,
    push: bool,
) -> list[store.OutboxRow]:
    """Begin a new generation and order the workflow that realises it; with ``push`` the VMs get it at once too."""
    now = room.clock.now()
    generation = await tx.load_balancers.bump_generation(lb.id)
    workflow_id = orders.mutation_workflow_id(kind, lb.key, generation)
    written = [await orders.start(tx, signature, workflow_id, lb.key, value, now=now)]
    if push:
        written.append(await orders.update_immediately(tx, lb.key, generation, now=now))
    log.info("change_ordered", workflow_id=workflow_id, generation=generation)
    return written


async def order_push(tx: store.Repositories, lb: store.LoadBalancer, room: Dependencies) -> list[store.OutboxRow]:
    """Begin a new generation that needs no workflow of its own, and order that the VMs get it at once."""
    generation = await tx.load_balancers.bump_generation(lb.id)
    log.info("change_ordered", account=lb.key.account, load_balancer=lb.key.name, generation=generation)
    return [await orders.update_immediately(tx, lb.key, generation, now=room.clock.now())]


async def carry_out(
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    written: Sequence[store.OutboxRow],
    call: Call,
    room: Dependencies,
) -> None:
    """Deliver the orders, the workflow's start first, and wait for its success. Raises the fault to answer with."""
    run_id = await room.workflows.announce(written)
    start = written[0]
    outcome = await room.workflows.outcome(
        signature, start.workflow_id, run_id=run_id, not_before=start.created_at, deadline=call.deadline
    )
    require_success(outcome)
