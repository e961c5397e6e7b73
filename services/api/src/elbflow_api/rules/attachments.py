"""Which policies listeners and back ends may carry, and which policies are in use (spec/elb-control-plane 1.8, 3.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from elbflow import store
from elbflow.contract import document
from elbflow_api import faults
from elbflow_api.rules import listeners, policy_types

MOST_KEY_CHARACTERS = 50_000
"""Public keys of all back ends together, a hundred of usual ones: more might not reach the VMs."""


def for_listener(lb: store.LoadBalancer, listener: document.Listener, names: Sequence[str]) -> None:
    """Raise unless the load balancer has the policies and the listener can carry them together."""
    chosen = _chosen(lb, names, policy_types.LISTENER_TYPES, "a listener")
    types = Counter(policy.type_name for policy in chosen)
    cookies = sum(types[name] for name in policy_types.COOKIE_TYPES)
    if cookies and not listeners.is_application_layer(listener):
        raise faults.invalid_configuration("Cookie stickiness is possible on HTTP and HTTPS listeners only")
    if cookies > 1:
        raise faults.invalid_configuration("A listener can have only one cookie stickiness policy")
    negotiations = types[policy_types.SSL_NEGOTIATION]
    if negotiations and not listeners.is_encrypted(listener):
        raise faults.invalid_configuration("SSL negotiation policies are possible on HTTPS and SSL listeners only")
    if negotiations > 1:
        raise faults.invalid_configuration("A listener can have only one SSL negotiation policy")


def for_backend(lb: store.LoadBalancer, instance_port: int, names: Sequence[str]) -> None:
    """Raise unless back ends on the port can carry the policies.

    Policies outlive the listeners of their port, as AWS keeps them, and can then still be taken away. Like AWS, back
    ends that speak HTTP or HTTPS may have the Proxy Protocol; it has no effect there.
    """
    protocols = {one.instance_protocol for one in lb.listeners if one.instance_port == instance_port}
    if not protocols and (names or not lb.policies_of_backend(instance_port)):
        raise faults.invalid_configuration(
            f"No listener of Load Balancer '{lb.key.name}' sends requests to InstancePort {instance_port}"
        )
    types = Counter(policy.type_name for policy in _chosen(lb, names, policy_types.BACKEND_TYPES, "back ends"))
    if types[policy_types.BACKEND_AUTHENTICATION] and not protocols & listeners.ENCRYPTED:
        raise faults.invalid_configuration("Only back ends that speak HTTPS or SSL can be authenticated")
    if types[policy_types.PROXY_PROTOCOL] > 1:
        raise faults.invalid_configuration("Back ends can have only one Proxy Protocol policy")
    _check_size(lb, instance_port, names)


def in_use(lb: store.LoadBalancer) -> frozenset[str]:
    """Names of the policies that are set somewhere, and of the public keys that those refer to."""
    enabled = {name for listener in lb.listeners for name in listener.policy_names}
    enabled |= {name for backend in lb.backend_policies for name in backend.policy_names}
    return frozenset(enabled | _keys(lb, enabled))


def _chosen(
    lb: store.LoadBalancer, names: Iterable[str], types: frozenset[str], carrier: str
) -> tuple[document.Policy, ...]:
    known = {policy.name: policy for policy in lb.policies}
    for name in names:
        if name not in known:
            raise faults.policy_not_found(lb.key.name, name)
    chosen = tuple(known[name] for name in names)
    for policy in chosen:
        if policy.type_name not in types:
            raise faults.invalid_configuration(
                f"{policy.name} cannot be enabled: policies of type {policy.type_name} cannot be set on {carrier}"
            )
    return chosen


def _check_size(lb: store.LoadBalancer, instance_port: int, names: Iterable[str]) -> None:
    others = (one for one in lb.backend_policies if one.instance_port != instance_port)
    keys = _keys(lb, {*names, *(name for one in others for name in one.policy_names)})
    size = sum(len(value) for policy in lb.policies if policy.name in keys for _, value in policy.attributes)
    if size > MOST_KEY_CHARACTERS:
        raise faults.invalid_configuration(
            f"The public keys of all back ends together cannot be longer than {MOST_KEY_CHARACTERS} characters"
        )


def _keys(lb: store.LoadBalancer, names: set[str]) -> set[str]:
    """The public key policies that the named policies refer to."""
    return {
        value
        for policy in lb.policies
        if policy.name in names and policy.type_name == policy_types.BACKEND_AUTHENTICATION
        for _, value in policy.attributes
    }
