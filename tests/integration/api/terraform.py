"""The calls that Terraform's ``aws_elb`` makes, in the order in which its provider makes them.

Written from the provider's documented behaviour: what a change of each argument calls, which calls are repeated at
which refusals, and which members of answers are read without looking whether they are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from tests.integration.api.conftest import Elb

DESYNC = "elb.http.desyncmitigationmode"
_ENABLE = "enable_availability_zones_for_load_balancer"
_DISABLE = "disable_availability_zones_for_load_balancer"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Arguments of one ``aws_elb``; listeners are (protocol, port, instance protocol, instance port)."""

    name: str
    listeners: frozenset[tuple[str, int, str, int]]
    availability_zones: frozenset[str] = frozenset()
    subnets: frozenset[str] = frozenset()
    security_groups: frozenset[str] = frozenset()
    internal: bool = False
    instances: frozenset[str] = frozenset()
    cross_zone: bool = True
    idle_timeout: int = 60
    desync_mode: str = "defensive"
    draining: bool = False
    draining_timeout: int = 300
    health_check: tuple[str, int, int, int, int] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class AwsElb:
    """One resource. ``calls`` are the operations it called, in order."""

    def __init__(self, elb: Elb) -> None:
        self._elb = elb
        self.calls: list[str] = []

    async def create(self, wanted: Configuration) -> None:
        """Create it, then send everything once more and what the creation did not take."""
        given: dict[str, Any] = {"LoadBalancerName": wanted.name, "Listeners": _listeners(wanted.listeners)}
        if wanted.tags:
            given["Tags"] = _tags(wanted.tags)
        for member, values in (
            ("AvailabilityZones", wanted.availability_zones),
            ("SecurityGroups", wanted.security_groups),
            ("Subnets", wanted.subnets),
        ):
            if values:
                given[member] = sorted(values)
        if wanted.internal:
            given["Scheme"] = "internal"
        await self._call("create_load_balancer", **given)
        await self.update(Configuration(wanted.name, frozenset(), tags=wanted.tags), wanted, whole=True)

    async def update(self, old: Configuration, new: Configuration, *, whole: bool = False) -> None:
        """Bring the load balancer from one configuration to the other; with ``whole`` whatever it has."""
        await self._update_listeners(old, new)
        await self._update_instances(old, new)
        await self._update_attributes(old, new, whole=whole)
        if new.health_check is not None and new.health_check != old.health_check:
            await self._on(new, "configure_health_check", HealthCheck=_health_check(new.health_check))
        if new.security_groups != old.security_groups:
            groups = sorted(new.security_groups)
            await self._on(new, "apply_security_groups_to_load_balancer", SecurityGroups=groups)
        await self._update_places(old, new)
        await self._update_tags(old, new)

    async def read(self, name: str) -> Configuration | None:
        """What is there, as the provider reads it; None when the load balancer is gone."""
        try:
            answer = await self._call("describe_load_balancers", LoadBalancerNames=[name])
        except ClientError as error:
            if error.response["Error"]["Code"] != "LoadBalancerNotFound":
                raise
            return None
        shown = answer["LoadBalancerDescriptions"][0]
        attributes = await self._call("describe_load_balancer_attributes", LoadBalancerName=name)
        tags = (await self._call("describe_tags", LoadBalancerNames=[name]))["TagDescriptions"][0]["Tags"]
        return _configuration(shown, attributes["LoadBalancerAttributes"], tags)

    async def destroy(self, name: str) -> None:
        await self._call("delete_load_balancer", LoadBalancerName=name)

    async def _update_listeners(self, old: Configuration, new: Configuration) -> None:
        if removed := old.listeners - new.listeners:
            ports = sorted(listener[1] for listener in removed)
            await self._on(new, "delete_load_balancer_listeners", LoadBalancerPorts=ports)
        if added := new.listeners - old.listeners:
            await self._on(new, "create_load_balancer_listeners", Listeners=_listeners(added))

    async def _update_instances(self, old: Configuration, new: Configuration) -> None:
        for operation, changed in (
            ("register_instances_with_load_balancer", new.instances - old.instances),
            ("deregister_instances_from_load_balancer", old.instances - new.instances),
        ):
            if changed:
                await self._on(new, operation, Instances=[{"InstanceId": one} for one in sorted(changed)])

    async def _update_attributes(self, old: Configuration, new: Configuration, *, whole: bool) -> None:
        modify = "modify_load_balancer_attributes"
        if whole or _attributes(old) != _attributes(new):
            await self._on(new, modify, LoadBalancerAttributes=_attributes(new))
        if not whole and (old.draining, old.draining_timeout) == (new.draining, new.draining_timeout):
            return
        # A timeout alone could not be set, so draining is switched on with it, and then as it shall be.
        if whole or old.draining_timeout != new.draining_timeout:
            on = {"Enabled": True, "Timeout": new.draining_timeout}
            await self._on(new, modify, LoadBalancerAttributes={"ConnectionDraining": on})
        await self._on(new, modify, LoadBalancerAttributes={"ConnectionDraining": {"Enabled": new.draining}})

    async def _update_places(self, old: Configuration, new: Configuration) -> None:
        """Zones are enabled before others are disabled; of a zone's two subnets the old one has to go first."""
        for operation, member, changed in (
            (_ENABLE, "AvailabilityZones", new.availability_zones - old.availability_zones),
            (_DISABLE, "AvailabilityZones", old.availability_zones - new.availability_zones),
            ("detach_load_balancer_from_subnets", "Subnets", old.subnets - new.subnets),
            ("attach_load_balancer_to_subnets", "Subnets", new.subnets - old.subnets),
        ):
            if changed:
                await self._on(new, operation, **{member: sorted(changed)})

    async def _update_tags(self, old: Configuration, new: Configuration) -> None:
        if gone := old.tags.keys() - new.tags.keys():
            tags = [{"Key": key} for key in sorted(gone)]
            await self._call("remove_tags", LoadBalancerNames=[new.name], Tags=tags)
        if changed := {key: value for key, value in new.tags.items() if old.tags.get(key) != value}:
            await self._call("add_tags", LoadBalancerNames=[new.name], Tags=_tags(changed))

    async def _on(self, configuration: Configuration, operation: str, **given: Any) -> Any:
        return await self._call(operation, LoadBalancerName=configuration.name, **given)

    async def _call(self, operation: str, **given: Any) -> Any:
        self.calls.append(operation)
        return await getattr(self._elb, operation)(**given)


def _listeners(listeners: frozenset[tuple[str, int, str, int]]) -> list[dict[str, Any]]:
    return [
        {"Protocol": front, "LoadBalancerPort": port, "InstanceProtocol": back, "InstancePort": instance_port}
        for front, port, back, instance_port in sorted(listeners)
    ]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _health_check(check: tuple[str, int, int, int, int]) -> dict[str, Any]:
    return dict(zip(("Target", "Interval", "Timeout", "UnhealthyThreshold", "HealthyThreshold"), check, strict=True))


def _attributes(configuration: Configuration) -> dict[str, Any]:
    """Those that the provider always sends together."""
    return {
        "AdditionalAttributes": [{"Key": DESYNC, "Value": configuration.desync_mode}],
        "CrossZoneLoadBalancing": {"Enabled": configuration.cross_zone},
        "ConnectionSettings": {"IdleTimeout": configuration.idle_timeout},
        "AccessLog": {"Enabled": False},
    }


def _configuration(shown: dict[str, Any], attributes: dict[str, Any], tags: list[dict[str, str]]) -> Configuration:
    assert shown["CanonicalHostedZoneNameID"]
    assert shown["SourceSecurityGroup"]["GroupName"]
    check = shown["HealthCheck"]
    (mode,) = [one["Value"] for one in attributes["AdditionalAttributes"] if one["Key"] == DESYNC]
    listeners = (one["Listener"] for one in shown["ListenerDescriptions"])
    return Configuration(
        name=shown["LoadBalancerName"],
        listeners=frozenset(
            (one["Protocol"].lower(), one["LoadBalancerPort"], one["InstanceProtocol"].lower(), one["InstancePort"])
            for one in listeners
        ),
        availability_zones=frozenset(shown["AvailabilityZones"]),
        subnets=frozenset(shown["Subnets"]),
        security_groups=frozenset(shown["SecurityGroups"]),
        internal=shown["Scheme"] == "internal",
        instances=frozenset(one["InstanceId"] for one in shown["Instances"]),
        cross_zone=attributes["CrossZoneLoadBalancing"]["Enabled"],
        idle_timeout=attributes["ConnectionSettings"]["IdleTimeout"],
        desync_mode=mode,
        draining=attributes["ConnectionDraining"]["Enabled"],
        draining_timeout=attributes["ConnectionDraining"]["Timeout"],
        health_check=(
            check["Target"],
            check["Interval"],
            check["Timeout"],
            check["UnhealthyThreshold"],
            check["HealthyThreshold"],
        ),
        tags={tag["Key"]: tag.get("Value", "") for tag in tags},
    )
