"""The common course of calls that change a load balancer: settle, write with its orders, deliver, wait.

What differs between the calls is in :mod:`elbflow_api.actions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

import structlog

from elbflow import flow, store
from elbflow.contract import names, workflows
from elbflow_api import faults, orders, waiting
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import transportable

log = structlog.get_logger()

In = TypeVar("In")
_State: TypeAlias = tuple[float, int]

_PAUSE_S = 0.05


def require_success(outcome: workflows.Outcome) -> None:
    """Raise the fault that a failed outcome means for the caller."""
    if outcome.state is not workflows.OutcomeState.SUCCESS:
        raise faults.workflow_failed(outcome)


@asynccontextmanager
async def settled(
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    call: Call,
    room: Dependencies,
    *,
    concerns: Callable[[In], bool],
    against: Sequence[waiting.AnyOneShot] = (),
) -> AsyncIterator[tuple[store.Repositories, store.LoadBalancer]]:
    """A transaction on the load balancer while no workflow of the type is under way that ``concerns`` this request.

    Nor any of the types in ``against``, which change the same things.
    Its state says whether the request is still news: a repeated call joins the first one's workflow, and changes that
    would overwrite each other come one after the other. A change that began since workflows were looked for began a
    generation too, so they are looked for again. Raises ``LoadBalancerNotFound``, or the fault 503 when SWF cannot be
    asked or the deadline passes; nothing was written then.
    """
    while True:
        seen = await _settle(signature, against, call, room, concerns)
        async with room.db.transaction() as tx:
            lb = await active(tx, call.key, for_update=True)
            if seen == _state(lb):
                yield tx, lb
                return
        if room.clock.monotonic() >= call.deadline:
            raise faults.unavailable("The Load Balancer is being changed by other requests. Repeat the request.")
        await room.clock.sleep(_PAUSE_S)


async def _settle(
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    against: Sequence[waiting.AnyOneShot],
    call: Call,
    room: Dependencies,
    concerns: Callable[[In], bool],
) -> _State | None:
    """Wait for running workflows; the load balancer's state before, None when one is about to start."""
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
        tags = names.workflow_tags(lb.key)
        is_starting = await tx.outbox.is_start_waiting([one.name for one in (signature, *against)], tags)
    for running in await room.workflows.running(signature, lb.key, against):
        if running.value is None or concerns(running.value):
            execution = running.execution
            outcome = await room.workflows.outcome(
                running.signature, execution.workflow_id, run_id=execution.run_id, deadline=call.deadline
            )
            log.info("workflow_joined", workflow_id=execution.workflow_id, outcome=outcome.state.value)
    return None if is_starting else _state(lb)


def _state(lb: store.LoadBalancer) -> _State:
    """Row ids are used again where they became free, so the time of creation tells load balancers apart."""
    return lb.created_at, lb.generation


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
    """Begin a new generation and order the workflow that realises it; with ``push`` the VMs get it at once too.

    Raises ``InvalidConfigurationRequest`` for what could not reach the VMs.
    """
    await _require_transportable(tx, lb)
    now = room.clock.now()
    generation = await tx.load_balancers.bump_generation(lb.id)
    workflow_id = orders.mutation_workflow_id(kind, lb.key, generation)
    written = [await orders.start(tx, signature, workflow_id, lb.key, value, now=now)]
    if push:
        written.append(await orders.update_immediately(tx, lb.key, generation, now=now))
    log.info("change_ordered", workflow_id=workflow_id, generation=generation)
    return written


async def order_push(tx: store.Repositories, lb: store.LoadBalancer, room: Dependencies) -> list[store.OutboxRow]:
    """Begin a new generation that needs no workflow of its own, and order that the VMs get it at once.

    Raises ``InvalidConfigurationRequest`` for what could not reach the VMs.
    """
    await _require_transportable(tx, lb)
    generation = await tx.load_balancers.bump_generation(lb.id)
    log.info("change_ordered", account=lb.key.account, load_balancer=lb.key.name, generation=generation)
    return [await orders.update_immediately(tx, lb.key, generation, now=room.clock.now())]


async def _require_transportable(tx: store.Repositories, before: store.LoadBalancer) -> None:
    """Look at what was written, unless what was there ``before`` tells that any change is possible.

    Compressing the largest takes a tenth of a second, during which other requests are answered.
    """
    if not transportable.is_sure(before):
        written = await tx.load_balancers.get(before.key)
        await asyncio.to_thread(transportable.require, written)


async def carry_out(
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    written: Sequence[store.OutboxRow],
    call: Call,
    room: Dependencies,
) -> None:
    """Deliver the orders, the workflow's start first, and wait for its success.

    Raises the fault to answer with: ``LoadBalancerNotFound`` when the change failed because of a deletion.
    """
    outcome = await conclude(signature, written, call, room)
    if outcome.state is not workflows.OutcomeState.SUCCESS:
        async with room.db.reading() as tx:
            await active(tx, call.key)
    require_success(outcome)


async def conclude(
    signature: flow.WorkflowSignature[In, workflows.Outcome],
    written: Sequence[store.OutboxRow],
    call: Call,
    room: Dependencies,
) -> workflows.Outcome:
    """Deliver the orders, the workflow's start first, and wait for its outcome."""
    run_id = await room.workflows.announce(written)
    start = written[0]
    return await room.workflows.outcome(
        signature, start.workflow_id, run_id=run_id, not_before=start.created_at, deadline=call.deadline
    )
