"""Policies of load balancers, and the predefined ones (spec/elb-control-plane 1.8, 3).

The VMs learn of a policy when a listener or back end gets it: until then nothing that is served changes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from elbflow import store
from elbflow.contract import document
from elbflow_api import faults, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import attachments, naming, policies, policy_types

T = TypeVar("T")


async def create_lb_cookie_stickiness_policy(call: Call, room: Dependencies) -> query.Response:
    """Define a stickiness policy. Without a period its cookie lives as long as the browser's session."""
    name = naming.policy_name(call.params.text("PolicyName"))
    period_s = call.params.optional_integer("CookieExpirationPeriod")
    if period_s is not None and not 1 <= period_s <= policies.LONGEST_PERIOD_S:
        raise query.validation_error(
            f"CookieExpirationPeriod must be between 1 and {policies.LONGEST_PERIOD_S} seconds"
        )
    attributes = () if period_s is None else ((policy_types.COOKIE_PERIOD, str(period_s)),)
    return await _create(call, room, name, lambda _: document.Policy(name, policy_types.LB_COOKIE, attributes))


async def create_app_cookie_stickiness_policy(call: Call, room: Dependencies) -> query.Response:
    """Define a stickiness policy that follows a cookie of the application."""
    name = naming.policy_name(call.params.text("PolicyName"))
    cookie = call.params.text("CookieName")
    policies.check_cookie_name(cookie)
    attributes = ((policy_types.COOKIE_NAME, cookie),)
    return await _create(call, room, name, lambda _: document.Policy(name, policy_types.APP_COOKIE, attributes))


async def create_load_balancer_policy(call: Call, room: Dependencies) -> query.Response:
    """Define a policy of any type."""
    name = naming.policy_name(call.params.text("PolicyName"))
    return await _create(
        call, room, name, lambda lb: policies.read(name, call.params, lb.policies, room.security_policies)
    )


async def _create(
    call: Call, room: Dependencies, name: str, read: Callable[[store.LoadBalancer], document.Policy]
) -> query.Response:
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        if any(existing.name == name for existing in lb.policies):
            raise faults.duplicate_policy(name)
        policy = read(lb)
        if len(lb.policies) >= room.settings.max_policies:
            raise query.modelled(
                "TooManyPoliciesException",
                f"A Load Balancer cannot have more than {room.settings.max_policies} policies",
            )
        await tx.load_balancers.add_policy(lb.id, policy)
    return {}


async def delete_load_balancer_policy(call: Call, room: Dependencies) -> query.Response:
    """Forget a policy that nothing uses. Deleting what is not there succeeds."""
    name = call.params.text("PolicyName")
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        if name in attachments.in_use(lb):
            raise faults.invalid_configuration(
                f"You cannot delete policy [{name}] since it is enabled or referred by other enabled policy."
            )
        await tx.load_balancers.delete_policy(lb.id, name)
    return {}


async def describe_load_balancer_policies(call: Call, room: Dependencies) -> query.Response:
    """A load balancer's policies, or without one the predefined ones; all of them, or the named ones.

    ``PolicyNotFound`` for a name that is not among them.
    """
    not_found: Callable[[str], query.Fault]
    if "LoadBalancerName" in call.params:
        async with room.db.reading() as tx:
            lb = await active(tx, call.key)
        available = {policy.name: policy for policy in lb.policies}
        not_found = functools.partial(faults.policy_not_found, lb.key.name)
    else:
        available = dict(room.security_policies.policies)
        not_found = faults.predefined_policy_not_found
    chosen = _named(available, call.params.texts("PolicyNames"), not_found, room)
    return {"PolicyDescriptions": [_described(policy) for policy in chosen]}


async def describe_load_balancer_policy_types(call: Call, room: Dependencies) -> query.Response:
    """All policy types, or the named ones; ``PolicyTypeNotFound`` for a name that is none."""
    wanted = call.params.texts("PolicyTypeNames")
    chosen = _named(policy_types.TYPES, wanted, faults.policy_type_not_found, room)
    return {"PolicyTypeDescriptions": [_described_type(one) for one in chosen]}


def _named(
    available: Mapping[str, T], wanted: Iterable[str], not_found: Callable[[str], query.Fault], room: Dependencies
) -> Sequence[T]:
    """The wanted ones in the order of all; all when none is named."""
    names = frozenset(wanted)
    if not room.settings.compatibility_unknown_policies_ignored:
        for name in sorted(names - available.keys()):
            raise not_found(name)
    return [one for name, one in available.items() if not names or name in names]


def _described(policy: document.Policy) -> dict[str, query.Value]:
    return {
        "PolicyName": policy.name,
        "PolicyTypeName": policy.type_name,
        "PolicyAttributeDescriptions": [
            {"AttributeName": name, "AttributeValue": value} for name, value in policy_types.shown(policy)
        ],
    }


def _described_type(policy_type: policy_types.PolicyType) -> dict[str, query.Value]:
    return {
        "PolicyTypeName": policy_type.name,
        "Description": policy_type.description,
        "PolicyAttributeTypeDescriptions": [
            {"AttributeName": one.name, "AttributeType": one.kind.value, "Cardinality": one.cardinality.value}
            for one in policy_type.attributes.values()
        ],
    }
