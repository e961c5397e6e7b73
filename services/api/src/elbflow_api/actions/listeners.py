"""CreateLoadBalancerListeners and DeleteLoadBalancerListeners (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from elbflow import store
from elbflow.contract import document, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.actions import certificates
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import limits, listeners


async def create_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Add listeners and wait until their ports are open. A listener that exists just so is no error.

    HTTPS and SSL listeners begin with the default security policy. When the workflow fails it removes the listeners
    again.
    """
    wanted = listeners.read(call.params.structures("Listeners"), room.settings.restricted_ports)
    ports = {listener.port for listener in wanted}
    async with mutation.settled(workflows.CREATE_LISTENERS, call, room, concerns=_overlaps(ports)) as (tx, lb):
        new = _new(lb, wanted, limits.of(call.quotas, room.settings)[limits.LISTENERS])
        if not new:
            return {}
        await certificates.require(tx, lb.key.account, new)
        new, policies = listeners.with_default_policy(new, lb.policies, room.security_policies)
        for policy in policies:
            await tx.load_balancers.add_policy(lb.id, policy)
        await tx.load_balancers.add_listeners(lb.id, new)
        value = workflows.ListenersInput(lb.key, tuple(listener.port for listener in new))
        written = await mutation.order(tx, lb, workflows.CREATE_LISTENERS, "create-listeners", value, room, push=True)
    await mutation.carry_out(workflows.CREATE_LISTENERS, written, call, room)
    return {}


async def delete_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Remove listeners and wait until their ports are closed. Ports without a listener are ignored."""
    ports = set(call.params.integers("LoadBalancerPorts"))
    async with mutation.settled(workflows.DELETE_LISTENERS, call, room, concerns=_overlaps(ports)) as (tx, lb):
        gone = tuple(listener.port for listener in lb.listeners if listener.port in ports)
        if not gone:
            return {}
        await tx.load_balancers.delete_listeners(lb.id, gone)
        value = workflows.ListenersInput(lb.key, gone)
        written = await mutation.order(tx, lb, workflows.DELETE_LISTENERS, "delete-listeners", value, room, push=True)
    await mutation.carry_out(workflows.DELETE_LISTENERS, written, call, room)
    return {}


def _overlaps(ports: set[int]) -> Callable[[workflows.ListenersInput], bool]:
    return lambda value: not ports.isdisjoint(value.ports)


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
