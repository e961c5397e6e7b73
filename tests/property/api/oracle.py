"""What a few operations do, told as simply as possible: the measure for the real service.

An oracle knows one account. It is a value: a step gives a new one, so a test can follow several that are possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

OK = "OK"
ZONES = ("local-1a", "local-1b", "local-1c")
SUBNETS = {"subnet-0000000a": "local-1a", "subnet-000000a2": "local-1a", "subnet-0000000b": "local-1b"}
"""The zones of the subnets of the VPC."""

DEFAULT_GROUP, OTHER_GROUP = "sg-00000001", "sg-00000002"
COOKIE_PROTOCOLS = ("HTTP",)
CONFLICT = "InvalidConfigurationRequest"


@dataclass(frozen=True, slots=True)
class Step:
    """A call: the operation in boto3's spelling, and its parameters."""

    operation: str
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """``subnets`` are by zone, there are none outside a VPC. ``policies`` are the periods of cookies by name, with None
    for those that turn on the Proxy Protocol; ``attached`` to listeners' ports, ``behind`` instance ports.
    """

    name: str
    listeners: Mapping[int, tuple[str, int]]
    zones: frozenset[str]
    tags: Mapping[str, str]
    subnets: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    policies: Mapping[str, int | None] = field(default_factory=dict)
    attached: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    behind: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    instances: frozenset[str] = frozenset()
    target: str = ""
    idle_s: int = 60
    cross_zone: bool = False
    draining: tuple[bool, int] = (False, 300)

    def view(self) -> dict[str, Any]:
        """What users see of it, in the oracle's words."""
        return {
            "name": self.name,
            "listeners": {
                port: (*listener, tuple(sorted(self.attached.get(port, ()))))
                for port, listener in self.listeners.items()
            },
            "zones": set(self.zones),
            "tags": dict(self.tags),
            "subnets": set(self.subnets.values()),
            "groups": self.groups,
            "policies": dict(self.policies),
            "behind": {port: tuple(sorted(names)) for port, names in self.behind.items() if names},
            "instances": set(self.instances),
            "target": self.target,
            "idle_s": self.idle_s,
            "cross_zone": self.cross_zone,
            "draining": self.draining,
        }


Outcome: TypeAlias = tuple["Oracle", str]
"""What is there after a step, and the step's code."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """The account's load balancers by lower-case name."""

    known: Mapping[str, LoadBalancer] = field(default_factory=dict)

    def step(self, step: Step) -> Outcome:
        """The account after the step, and how the step is answered."""
        return _STEPS[step.operation](self, step.given)

    def view(self) -> dict[str, dict[str, Any]]:
        return {name: lb.view() for name, lb in self.known.items()}

    def put(self, lb: LoadBalancer) -> Oracle:
        return Oracle({**self.known, lb.name.lower(): lb})

    def drop(self, name: str) -> Oracle:
        return Oracle({key: lb for key, lb in self.known.items() if key != name.lower()})


def _create(oracle: Oracle, given: Mapping[str, Any]) -> Outcome:
    name = given["LoadBalancerName"]
    listeners = _listeners(given)
    first = listeners[min(listeners)][1]
    tags = {tag["Key"]: tag.get("Value", "") for tag in given.get("Tags", ())}
    subnets = _by_zone(given.get("Subnets", ()))
    if len(subnets) < len(given.get("Subnets", ())):
        return oracle, CONFLICT
    zones = frozenset(given.get("AvailabilityZones", subnets))
    groups = tuple(sorted(given.get("SecurityGroups", (DEFAULT_GROUP,)))) if subnets else ()
    wanted = LoadBalancer(name, listeners, zones, tags, target=f"TCP:{first}", subnets=subnets, groups=groups)
    found = oracle.known.get(name.lower())
    if found is None:
        return oracle.put(wanted), OK
    return oracle, OK if _asked(found) == _asked(wanted) else "DuplicateLoadBalancerName"


def _asked(lb: LoadBalancer) -> tuple[Any, ...]:
    """What a creation asks for."""
    return lb.name, lb.listeners, lb.zones, lb.tags, lb.subnets, lb.groups


def _by_zone(subnets: Iterable[str]) -> dict[str, str]:
    return {SUBNETS[subnet]: subnet for subnet in subnets}


def _delete(oracle: Oracle, given: Mapping[str, Any]) -> Outcome:
    return oracle.drop(given["LoadBalancerName"]), OK


Change: TypeAlias = Callable[[LoadBalancer, Mapping[str, Any]], LoadBalancer | str]
"""The load balancer as the change leaves it, or the code of the refusal."""


def _on_existing(change: Change) -> Callable[[Oracle, Mapping[str, Any]], Outcome]:
    def step(oracle: Oracle, given: Mapping[str, Any]) -> Outcome:
        lb = oracle.known.get(given["LoadBalancerName"].lower())
        if lb is None:
            return oracle, "LoadBalancerNotFound"
        changed = change(lb, given)
        return (oracle, changed) if isinstance(changed, str) else (oracle.put(changed), OK)

    return step


def _listeners(given: Mapping[str, Any]) -> dict[int, tuple[str, int]]:
    return {one["LoadBalancerPort"]: (one["Protocol"], one["InstancePort"]) for one in given["Listeners"]}


def _add_listeners(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    wanted = _listeners(given)
    if any(lb.listeners.get(port, listener) != listener for port, listener in wanted.items()):
        return "DuplicateListener"
    return replace(lb, listeners={**lb.listeners, **wanted})


def _delete_listeners(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    gone = set(given["LoadBalancerPorts"])
    return replace(
        lb,
        listeners={port: one for port, one in lb.listeners.items() if port not in gone},
        attached={port: names for port, names in lb.attached.items() if port not in gone},
    )


def _enable(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    return CONFLICT if lb.subnets else replace(lb, zones=lb.zones | set(given["AvailabilityZones"]))


def _disable(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    left = lb.zones - set(given["AvailabilityZones"])
    return replace(lb, zones=left) if left and not lb.subnets else CONFLICT


def _attach_subnets(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    wanted = _by_zone(given["Subnets"])
    twice = len(wanted) < len(given["Subnets"])
    if not lb.subnets or twice or any(lb.subnets.get(zone, one) != one for zone, one in wanted.items()):
        return CONFLICT
    return replace(lb, subnets={**lb.subnets, **wanted}, zones=lb.zones | wanted.keys())


def _detach_subnets(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    left = {zone: one for zone, one in lb.subnets.items() if one not in given["Subnets"]}
    return replace(lb, subnets=left, zones=frozenset(left)) if left else CONFLICT


def _apply_groups(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    return replace(lb, groups=tuple(sorted(given["SecurityGroups"]))) if lb.subnets else CONFLICT


def _register(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    return replace(lb, instances=lb.instances | {one["InstanceId"] for one in given["Instances"]})


def _deregister(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    gone = {one["InstanceId"] for one in given["Instances"]}
    return replace(lb, instances=lb.instances - gone) if gone <= lb.instances else "InvalidInstance"


def _check(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    return replace(lb, target=given["HealthCheck"]["Target"])


def _cookie(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    return _add_policy(lb, given["PolicyName"], given["CookieExpirationPeriod"])


def _proxy(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    return _add_policy(lb, given["PolicyName"], None)


def _add_policy(lb: LoadBalancer, name: str, period: int | None) -> LoadBalancer | str:
    return "DuplicatePolicyName" if name in lb.policies else replace(lb, policies={**lb.policies, name: period})


def _attach(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    port, names = given["LoadBalancerPort"], tuple(given["PolicyNames"])
    if port not in lb.listeners:
        return "ListenerNotFound"
    if not set(names) <= lb.policies.keys():
        return "PolicyNotFound"
    proxies = any(lb.policies[name] is None for name in names)
    if proxies or (names and (lb.listeners[port][0] not in COOKIE_PROTOCOLS or len(names) > 1)):
        return CONFLICT
    return replace(lb, attached={**lb.attached, port: names})


def _set_behind(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    port, names = given["InstancePort"], tuple(given["PolicyNames"])
    protocols = {protocol for protocol, instance_port in lb.listeners.values() if instance_port == port}
    if not protocols and (names or not lb.behind.get(port)):
        return CONFLICT
    if not set(names) <= lb.policies.keys():
        return "PolicyNotFound"
    cookies = any(lb.policies[name] is not None for name in names)
    if cookies or len(names) > 1:
        return CONFLICT
    return replace(lb, behind={**lb.behind, port: names})


def _drop_policy(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    name = given["PolicyName"]
    if any(name in names for names in (*lb.attached.values(), *lb.behind.values())):
        return CONFLICT
    return replace(lb, policies={one: period for one, period in lb.policies.items() if one != name})


def _modify(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    wanted = given["LoadBalancerAttributes"]
    draining = wanted.get("ConnectionDraining", {})
    return replace(
        lb,
        idle_s=wanted.get("ConnectionSettings", {}).get("IdleTimeout", lb.idle_s),
        cross_zone=wanted.get("CrossZoneLoadBalancing", {}).get("Enabled", lb.cross_zone),
        draining=(draining.get("Enabled", lb.draining[0]), draining.get("Timeout", lb.draining[1])),
    )


def _tag(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    return replace(lb, tags={**lb.tags, **{tag["Key"]: tag.get("Value", "") for tag in given["Tags"]}})


def _untag(lb: LoadBalancer, given: Mapping[str, Any]) -> LoadBalancer | str:
    gone = {tag["Key"] for tag in given["Tags"]}
    return replace(lb, tags={key: value for key, value in lb.tags.items() if key not in gone})


def _on_one_of_many(change: Change) -> Callable[[Oracle, Mapping[str, Any]], Outcome]:
    """Tagging names its load balancer in a list."""
    named = _on_existing(change)
    return lambda oracle, given: named(oracle, {**given, "LoadBalancerName": given["LoadBalancerNames"][0]})


_STEPS: Mapping[str, Callable[[Oracle, Mapping[str, Any]], Outcome]] = {
    "create_load_balancer": _create,
    "delete_load_balancer": _delete,
    "create_load_balancer_listeners": _on_existing(_add_listeners),
    "delete_load_balancer_listeners": _on_existing(_delete_listeners),
    "enable_availability_zones_for_load_balancer": _on_existing(_enable),
    "disable_availability_zones_for_load_balancer": _on_existing(_disable),
    "register_instances_with_load_balancer": _on_existing(_register),
    "deregister_instances_from_load_balancer": _on_existing(_deregister),
    "configure_health_check": _on_existing(_check),
    "create_lb_cookie_stickiness_policy": _on_existing(_cookie),
    "create_load_balancer_policy": _on_existing(_proxy),
    "set_load_balancer_policies_of_listener": _on_existing(_attach),
    "set_load_balancer_policies_for_backend_server": _on_existing(_set_behind),
    "attach_load_balancer_to_subnets": _on_existing(_attach_subnets),
    "detach_load_balancer_from_subnets": _on_existing(_detach_subnets),
    "apply_security_groups_to_load_balancer": _on_existing(_apply_groups),
    "delete_load_balancer_policy": _on_existing(_drop_policy),
    "modify_load_balancer_attributes": _on_existing(_modify),
    "add_tags": _on_one_of_many(_tag),
    "remove_tags": _on_one_of_many(_untag),
}
