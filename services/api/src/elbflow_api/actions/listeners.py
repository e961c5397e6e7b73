"""CreateLoadBalancerListeners and DeleteLoadBalancerListeners (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from elbflow import store
from elbflow.contract import document, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import listeners


async def create_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Add listeners and wait until their ports are open. A listener that exists just so is no error.

    When the workflow fails it removes the listeners again.
    """
    wanted = listeners.read(call.params.structures("Listeners"), room.settings.restricted_ports)
    ports = {listener.port for listener in wanted}
    async with mutation.settled(workflows.CREATE_LISTENERS, call, room, concerns=_overlaps(ports)) as (tx, lb):
        new = _new(lb, wanted)
        if not new:
            return {}
        await tx.load_balancers.add_listeners(lb.id, new)
        value = _input(lb, new)
        written = await mutation.order(tx, lb, workflows.CREATE_LISTENERS, "create-listeners", value, room, push=True)
    await mutation.carry_out(workflows.CREATE_LISTENERS, written, call, room)
    return {}


async def delete_load_balancer_listeners(call: Call, room: Dependencies) -> query.Response:
    """Remove listeners and wait until their ports are closed. Ports without a listener are ignored."""
    ports = set(call.params.integers("LoadBalancerPorts"))
    async with mutation.settled(workflows.DELETE_LISTENERS, call, room, concerns=_overlaps(ports)) as (tx, lb):
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


def _overlaps(ports: set[int]) -> Callable[[workflows.ListenersInput], bool]:
    return lambda value: not ports.isdisjoint(value.ports)


def _new(lb: store.LoadBalancer, wanted: Iterable[document.Listener]) -> list[document.Listener]:
    """The wanted listeners that are not there yet; raises ``DuplicateListener`` for one that differs."""
    new: list[document.Listener] = []
    for listener in wanted:
        existing = lb.listener_on(listener.port)
        if existing is None:
            new.append(listener)
        elif not listeners.same(existing, listener):
            raise faults.duplicate_listener(lb.key.name, listener.port)
    if len(lb.listeners) + len(new) > listeners.MOST_LISTENERS:
        raise listeners.too_many()
    return new
