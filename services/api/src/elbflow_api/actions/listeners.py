"""CreateLoadBalancerListeners and DeleteLoadBalancerListeners (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from elbflow import flow, store
from elbflow.contract import document, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.actions import certificates
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import limits, listeners


async def create_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Add listeners and wait until their ports are open. A listener that exists just so is no error.

    HTTPS and SSL listeners begin with the default security policy. When the workflow fails it removes the listeners
    again. Where one was cut off, which leaves listeners half-done, the repeated call does its work anew.
    """
    wanted = listeners.read(call.params.structures("Listeners"), room.settings.restricted_ports)
    existing = await certificates.known(call, room, wanted)
    cut_off: Collection[int] | None = None
    while True:
        written, lb = await _order_creation(wanted, existing, cut_off, call, room)
        if lb is None:
            break
        cut_off = await _cut_off(workflows.CREATE_LISTENERS, lb, {listener.port for listener in wanted}, room)
    if written:
        await mutation.carry_out(workflows.CREATE_LISTENERS, written, call, room)
    return {}


async def _order_creation(
    wanted: Sequence[document.Listener],
    existing: certificates.Known,
    cut_off: Collection[int] | None,
    call: Call,
    room: Dependencies,
) -> tuple[list[store.OutboxRow], store.LoadBalancer | None]:
    """Add what is not there yet and order what it needs, and what those need whose creation was ``cut_off``.

    When some are there and None says of them, nothing is done and the load balancer is given back to look. It works on
    the same ports and permissions as deletions and changes of certificates: one after the other.
    """
    ports = {listener.port for listener in wanted}
    encrypted = any(listener.certificate_arn for listener in wanted)
    async with mutation.settled(
        workflows.CREATE_LISTENERS,
        call,
        room,
        concerns=lambda value: not ports.isdisjoint(value.ports) or (encrypted and value.certificates),
        against=[workflows.DELETE_LISTENERS, workflows.SET_CERTIFICATE],
    ) as (tx, lb):
        new = _new(lb, wanted, limits.of(call.quotas, room.settings)[limits.LISTENERS])
        if len(new) < len(wanted) and cut_off is None:
            return [], lb
        again = [listener for listener in lb.listeners if listener.port in ports and listener.port in (cut_off or ())]
        if not new and not again:
            return [], None
        await certificates.require(tx, lb.key.account, new, existing)
        new, policies = listeners.with_default_policy(new, lb.policies, room.security_policies)
        for policy in policies:
            await tx.load_balancers.add_policy(lb.id, policy)
        await tx.load_balancers.add_listeners(lb.id, new)
        value = _input(lb, (*new, *again))
        # The workflow pushes listeners with certificates: when the VMs may fetch them.
        written = await mutation.order(
            tx, lb, workflows.CREATE_LISTENERS, "create-listeners", value, room, push=not value.certificates
        )
    return written, None


async def _cut_off(
    signature: flow.WorkflowSignature[workflows.ListenersInput, workflows.Outcome],
    lb: store.LoadBalancer,
    ports: Collection[int],
    room: Dependencies,
) -> frozenset[int]:
    """Those of the ports whose last workflow of the type was cut off."""
    left, found = set(ports), set()
    async for cut_off, value in room.workflows.closed(signature, lb.key, lb.created_at):
        if cut_off:
            found |= left.intersection(value.ports)
        left.difference_update(value.ports)
    return frozenset(found)


async def delete_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Remove listeners and wait until their ports are closed. Ports without a listener are ignored.

    Where a deletion was cut off, which leaves ports open, the repeated call does its work anew.
    """
    ports = frozenset(call.params.integers("LoadBalancerPorts"))
    written, lb = await _order_deletion(ports, frozenset(), call, room)
    if lb is not None and (cut_off := await _cut_off(workflows.DELETE_LISTENERS, lb, ports, room)):
        written, _ = await _order_deletion(ports, cut_off, call, room)
    if written:
        await mutation.carry_out(workflows.DELETE_LISTENERS, written, call, room)
    return {}


async def _order_deletion(
    ports: Collection[int], cut_off: Collection[int], call: Call, room: Dependencies
) -> tuple[list[store.OutboxRow], store.LoadBalancer | None]:
    """Remove the listeners on the ports and order that those are closed, and those whose deletion was ``cut_off``.

    When there is nothing to do the load balancer is given back.
    """
    async with mutation.settled(
        workflows.DELETE_LISTENERS,
        call,
        room,
        concerns=lambda value: not set(ports).isdisjoint(value.ports),
        against=[workflows.CREATE_LISTENERS, workflows.SET_CERTIFICATE],
    ) as (tx, lb):
        gone = [listener for listener in lb.listeners if listener.port in ports]
        if not gone and not cut_off:
            return [], lb
        value = _input(lb, gone)
        if cut_off:  # What they had is not known any more.
            value = replace(value, ports=tuple({*value.ports, *cut_off}), certificates=True)
        await tx.load_balancers.delete_listeners(lb.id, value.ports)
        written = await mutation.order(tx, lb, workflows.DELETE_LISTENERS, "delete-listeners", value, room, push=True)
    return written, None


def _input(lb: store.LoadBalancer, concerned: Collection[document.Listener]) -> workflows.ListenersInput:
    return workflows.ListenersInput(
        lb.key,
        tuple(listener.port for listener in concerned),
        certificates=any(listener.certificate_arn for listener in concerned),
        health_check=lb.health_check is None,
    )


def _new(lb: store.LoadBalancer, wanted: Iterable[document.Listener], most: int) -> tuple[document.Listener, ...]:
    """The wanted listeners that are not there yet; raises ``DuplicateListener`` for one that differs."""
    new: list[document.Listener] = []
    for listener in wanted:
        existing = lb.listener_on(listener.port)
        if existing is None:
            new.append(listener)
        elif not listeners.same(existing, listener):
            raise faults.duplicate_listener(lb.key.name, listener.port)
    if new and len(lb.listeners) + len(new) > most:
        raise listeners.too_many(most)
    listeners.check_instance_ports((*lb.listeners, *new))
    return tuple(new)
