"""Cookie policies and their listeners (spec/elb-control-plane 1.8, 3.1)."""

from __future__ import annotations

from collections.abc import Iterable

from elbflow import store
from elbflow.contract import document
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import listeners, naming, policy_types

_LONGEST_PERIOD_S = 2_147_483
"""Nearly 25 days: what the VMs' agent can write into HAProxy's configuration."""


async def create_lb_cookie_stickiness_policy(call: Call, room: Dependencies) -> query.Response:
    """Define a stickiness policy. Without a period its cookie lives as long as the browser's session.

    The VMs learn of it when a listener gets it: until then nothing that is served changes.
    """
    name = naming.policy_name(call.params.text("PolicyName"))
    period_s = call.params.optional_integer("CookieExpirationPeriod")
    if period_s is not None and not 1 <= period_s <= _LONGEST_PERIOD_S:
        raise query.validation_error(f"CookieExpirationPeriod must be between 1 and {_LONGEST_PERIOD_S} seconds")
    attributes = () if period_s is None else (("CookieExpirationPeriod", str(period_s)),)
    policy = document.Policy(name, policy_types.LB_COOKIE, attributes)
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        if any(existing.name == name for existing in lb.policies):
            raise faults.duplicate_policy(name)
        if len(lb.policies) >= room.settings.max_policies:
            raise query.modelled(
                "TooManyPoliciesException",
                f"A Load Balancer cannot have more than {room.settings.max_policies} policies",
            )
        await tx.load_balancers.add_policy(lb.id, policy)
    return {}


async def set_load_balancer_policies_of_listener(call: Call, room: Dependencies) -> query.Response:
    """Replace the policies of a listener; no names clears them."""
    port = call.params.integer("LoadBalancerPort")
    names = tuple(dict.fromkeys(call.params.texts("PolicyNames")))
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        listener = lb.listener_on(port)
        if listener is None:
            raise faults.listener_not_found(lb.key.name, port)
        _check(lb, listener, names)
        if listener.policy_names == names:
            return {}
        await tx.load_balancers.set_listener_policies(lb.id, port, names)
        written = await mutation.order_push(tx, lb, room)
    await room.workflows.announce(written)
    return {}


def _check(lb: store.LoadBalancer, listener: document.Listener, names: Iterable[str]) -> None:
    """Raise unless the load balancer has the policies and the listener can carry them together."""
    known = {policy.name: policy for policy in lb.policies}
    chosen: list[document.Policy] = []
    for name in names:
        if name not in known:
            raise faults.policy_not_found(lb.key.name, name)
        chosen.append(known[name])
    cookies = [policy for policy in chosen if policy.type_name in policy_types.COOKIE_TYPES]
    if others := [policy.name for policy in chosen if policy.type_name not in policy_types.LISTENER_TYPES]:
        raise faults.invalid_configuration(f"Policies of this type cannot be set on a listener: {', '.join(others)}")
    if cookies and not listeners.is_application_layer(listener):
        raise faults.invalid_configuration("Cookie stickiness is possible on HTTP and HTTPS listeners only")
    if len(cookies) > 1:
        raise faults.invalid_configuration("A listener can have only one cookie stickiness policy")
