"""CreateLoadBalancerListeners and DeleteLoadBalancerListeners (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from elbflow import store
from elbflow.contract import document, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.actions import certificates
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import limits, listeners


async def create_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Add listeners and wait until their ports are open. A listener that exists just so is no error.

    HTTPS and SSL listeners begin with the default security policy. When the workflow fails it removes the listeners
    again. It works on the same ports and permissions as deletions and changes of certificates: one after the other.
    """
    wanted = listeners.read(call.params.structures("Listeners"), room.settings.restricted_ports)
    ports = {listener.port for listener in wanted}
    existing = await certificates.known(call, room, wanted)
    encrypted = any(listener.certificate_arn for listener in wanted)
    async with mutation.settled(
        workflows.CREATE_LISTENERS,
        call,
        room,
        concerns=lambda value: not ports.isdisjoint(value.ports) or (encrypted and value.certificates),
        against=[workflows.DELETE_LISTENERS, workflows.SET_CERTIFICATE],
    ) as (tx, lb):
        new = _new(lb, wanted, limits.of(call.quotas, room.settings)[limits.LISTENERS])
        if not new:
            return {}
        await certificates.require(tx, lb.key.account, new, existing)
        new, policies = listeners.with_default_policy(new, lb.policies, room.security_policies)
        for policy in policies:
            await tx.load_balancers.add_policy(lb.id, policy)
        await tx.load_balancers.add_listeners(lb.id, new)
        value = _input(lb, new)
        written = await mutation.order(tx, lb, workflows.CREATE_LISTENERS, "create-listeners", value, room, push=True)
    await mutation.carry_out(workflows.CREATE_LISTENERS, written, call, room)
    return {}


async def delete_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Remove listeners and wait until their ports are closed. Ports without a listener are ignored."""
    ports = set(call.params.integers("LoadBalancerPorts"))
    async with mutation.settled(
        workflows.DELETE_LISTENERS,
        call,
        room,
        concerns=lambda value: not ports.isdisjoint(value.ports),
        against=[workflows.CREATE_LISTENERS, workflows.SET_CERTIFICATE],
    ) as (tx, lb):
        gone = [listener for listener in lb.listeners if listener.port in ports]
        if not gone:
            return {}
        value = _input(lb, gone)
        await tx.load_balancers.delete_listeners(lb.id, value.ports)
        written = await mutation.order(tx, lb, workflows.DELETE_LISTENERS, "delete-listeners", value, room, push=True)
    await mutation.carry_out(workflows.DELETE_LISTENERS, written, call, room)
    return {}


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
