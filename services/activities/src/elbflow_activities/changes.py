"""Changing a load balancer so that its VMs hear of it exactly when it concerns them.

The rule of design section 6, kept in one place: a change that alters what some VM should serve bumps the generation
in its own transaction and signals the update workflow after the commit; a change of the set of VMs has the loops look
it up again. A change of neither, such as a health transition that a VM has acted upon by itself, signals nothing.

A process that dies between commit and signal leaves VMs that lag behind the generation: the service's health check
signals again within a minute.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from elbflow import errors, flow, store
from elbflow.contract import document, names
from elbflow.store import conditions, documents
from elbflow_activities.environment import Environment

log = structlog.get_logger()

BATCH = 20
"""Load balancers that a sweep reads at once: some milliseconds of work."""

REST = 4.0
"""A sweep rests this many times as long as it worked: changes that users wait for share its thread and the store."""

LONGEST_REST_S = 1.0

MOST_REST_S = 180.0
"""All rests of a sweep together: it has ten minutes for everything."""


class LoadBalancerDeleting(errors.Permanent):
    """The load balancer is being deleted."""

    def __init__(self, key: document.LoadBalancerKey) -> None:
        super().__init__(f"Load balancer {key.name} in account {key.account} is being deleted")


class NotDeleting(errors.Permanent):
    """The load balancer is in use."""

    def __init__(self, key: document.LoadBalancerKey) -> None:
        super().__init__(f"Load balancer {key.name} in account {key.account} is in use")


GONE = (store.LoadBalancerMissing, LoadBalancerDeleting)
"""What a sweep over all load balancers passes over: one may go while it walks."""


class Change:
    """An open change: ``lb`` as it was found, and the transaction ``tx`` to alter it with.

    Set ``push`` when the API began a generation for this change and left the signal to the activity: the VMs have to
    prove it even where it changes nothing for them. Set ``ask_vms`` to have all VMs asked for their health report.

    Afterwards ``documents_changed`` tells whether some VM has something else to serve; ``generation`` is the newest.
    """

    def __init__(self, lb: store.LoadBalancer, tx: store.Repositories) -> None:
        self.lb = lb
        self.tx = tx
        self.generation = lb.generation
        self.documents_changed = False
        self.push = False
        self.ask_vms = False

    async def set_condition(self, backend: store.Backend, condition: conditions.Condition) -> None:
        await self.tx.backends.set_state(
            self.lb.id,
            backend.instance_id,
            condition.state,
            reason_code=condition.reason_code,
            description=condition.description,
            reported_at=None,
        )


@asynccontextmanager
async def changing(env: Environment, key: document.LoadBalancerKey) -> AsyncIterator[Change]:
    """Change a load balancer in one transaction, then signal whom it concerns.

    Raises :class:`store.LoadBalancerMissing` and :class:`LoadBalancerDeleting`. Failed or cancelled inside the block,
    nothing is changed; later, everything is but signals may be missing.
    """
    async with env.db.transaction() as tx:
        change = await _opened(tx, key)
        lb = change.lb
        yield change
        now = await tx.load_balancers.get(key)
        before, after = documents.hashes(lb), documents.hashes(now)
        change.generation = now.generation
        if any(after[vm] != before[vm] for vm in before.keys() & after.keys()):
            change.documents_changed = True
            change.generation = await tx.load_balancers.bump_generation(lb.id)
    if change.push or change.documents_changed or after.keys() - before.keys():
        log.info("update_signalled", account=key.account, load_balancer=key.name, generation=change.generation)
        await env.executions.update_immediately(lb.key, change.generation)
    if change.ask_vms or after.keys() != before.keys():
        await env.executions.poll_immediately(lb.key)


@asynccontextmanager
async def unchanging(env: Environment, key: document.LoadBalancerKey) -> AsyncIterator[Change]:
    """Like :func:`changing`, for what alters neither a document nor the set of VMs, and so need not look for that."""
    async with env.db.transaction() as tx:
        change = await _opened(tx, key)
        yield change
    if change.ask_vms:
        await env.executions.poll_immediately(change.lb.key)


async def read(env: Environment, key: document.LoadBalancerKey) -> store.LoadBalancer:
    """A load balancer that lives. Raises :class:`store.LoadBalancerMissing` and :class:`LoadBalancerDeleting`."""
    async with env.db.reading() as tx:
        lb = await tx.load_balancers.get(key)
    if lb.state is store.LoadBalancerState.DELETING:
        raise LoadBalancerDeleting(key)
    return lb


async def _opened(tx: store.Repositories, key: document.LoadBalancerKey) -> Change:
    lb = await tx.load_balancers.get(key, for_update=True)
    if lb.state is store.LoadBalancerState.DELETING:
        raise LoadBalancerDeleting(key)
    return Change(lb, tx)


def is_own(lb: store.LoadBalancer) -> bool:
    """Whether the execution that asks is the one that creates or deletes this load balancer.

    Two requests may order one deletion; the second order then starts after the first has finished, and the name may
    have begun another life by then.
    """
    own = names.create_workflow_id(lb.key, lb.created_at), names.delete_workflow_id(lb.key, lb.created_at)
    return flow.activity_context().execution.workflow_id in own


async def find_own(env: Environment, key: document.LoadBalancerKey) -> store.LoadBalancer | None:
    """The load balancer that this execution creates or deletes; None when it is gone.

    Rows go last, so nothing of it is left then, and what carries its names is another one's.
    """
    async with env.db.reading() as tx:
        lb = await tx.load_balancers.find(key)
    return lb if lb is not None and is_own(lb) else None


async def require_deleting(env: Environment, key: document.LoadBalancerKey) -> store.LoadBalancer | None:
    """The load balancer that this execution deletes, or None when it is gone. Raises :class:`NotDeleting`."""
    lb = await find_own(env, key)
    if lb is not None and lb.state is not store.LoadBalancerState.DELETING:
        raise NotDeleting(key)
    return lb


async def everything(env: Environment) -> AsyncIterator[store.LoadBalancer]:
    """All load balancers in batches, so that a sweep never holds more than one in memory.

    Between batches it rests, so a sweep takes seconds to minutes: what was read before it began may be old news by its
    end.
    """
    last_id, rest_left_s = 0, MOST_REST_S
    while True:
        began = env.clock.monotonic()
        async with env.db.reading() as tx:
            batch = await tx.load_balancers.batch(last_id, limit=BATCH)
        for lb in batch:
            yield lb
        if len(batch) < BATCH:
            return
        last_id = batch[-1].id
        rest_s = min(REST * (env.clock.monotonic() - began), LONGEST_REST_S, rest_left_s)
        rest_left_s -= rest_s
        await env.clock.sleep(rest_s)
