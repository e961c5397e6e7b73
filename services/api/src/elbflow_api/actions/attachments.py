"""Which policies listeners and back ends carry (spec/elb-control-plane 1.8, 3.1)."""

from __future__ import annotations

from elbflow.contract import document
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import attachments


async def set_load_balancer_policies_of_listener(call: Call, room: Dependencies) -> query.Response:
    """Replace the policies of a listener; no names clears them."""
    port = call.params.integer("LoadBalancerPort")
    names = _names(call)
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        listener = lb.listener_on(port)
        if listener is None:
            raise faults.listener_not_found(lb.key.name, port)
        attachments.for_listener(lb, listener, names)
        if listener.policy_names == names:
            return {}
        await tx.load_balancers.set_listener_policies(lb.id, port, names)
        written = await mutation.order_push(tx, lb, room)
    await room.workflows.announce(written)
    return {}


async def set_load_balancer_policies_for_backend_server(call: Call, room: Dependencies) -> query.Response:
    """Replace the policies of the back ends behind an instance port; no names clears them."""
    port = call.params.integer("InstancePort")
    names = _names(call)
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        attachments.for_backend(lb, port, names)
        if lb.policies_of_backend(port) == names:
            return {}
        others = [one for one in lb.backend_policies if one.instance_port != port]
        wanted = [*others, document.BackendServerPolicies(port, names)] if names else others
        await tx.load_balancers.set_backend_policies(lb.id, sorted(wanted, key=lambda one: one.instance_port))
        written = await mutation.order_push(tx, lb, room)
    await room.workflows.announce(written)
    return {}


def _names(call: Call) -> tuple[str, ...]:
    return tuple(dict.fromkeys(call.params.texts("PolicyNames")))
