"""Where a new load balancer lives: outside any VPC, in subnets, or in the default VPC by its zones.

Spec/elb-control-plane 1.8, checks 11 to 18.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from elbflow import store
from elbflow.contract import cloud, document
from elbflow_api import faults, query
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import vpc, zones

_ONE_OF = "Only one of SubnetIds or AvailabilityZones parameter may be specified"


@dataclass(frozen=True, slots=True)
class Placement:
    """The answer. ``subnets`` are by zone: None for a zone of a classic load balancer.

    No ``security_groups`` in a VPC: the service makes one.
    """

    scheme: str
    subnets: dict[str, str | None]
    vpc_id: str | None = None
    security_groups: tuple[document.SecurityGroup, ...] = ()

    def zones(self) -> tuple[store.Zone, ...]:
        """As rows. Not enabled yet, the workflow does that; until then they tell what was asked for."""
        state = store.ZoneState.OUT_OF_SERVICE
        return tuple(store.Zone(zone, state, subnet_id) for zone, subnet_id in self.subnets.items())


async def of(call: Call, room: Dependencies) -> Placement:
    """What the request asks for; raises the fault of the first check that fails. Asks the cloud."""
    params = call.params
    existing = await room.cloud.zones()
    wanted_zones = zones.read(params.texts("AvailabilityZones"), existing)
    wanted_subnets = params.texts("Subnets")
    if not wanted_zones and not wanted_subnets:
        raise query.validation_error("Either AvailabilityZones or SubnetIds must be specified")
    if wanted_subnets:
        return await _in_subnets(call, room, wanted_subnets, wanted_zones)
    home = await room.cloud.default_vpc(call.caller.account)
    if home is None:
        return _classic(params, wanted_zones)
    known = await room.cloud.default_subnets(call.caller.account, home.vpc_id)
    return await _in_vpc(call, room, home, vpc.default_subnets(wanted_zones, known, home.vpc_id), by_zone=True)


def _classic(params: query.Params, wanted_zones: Iterable[str]) -> Placement:
    scheme = vpc.scheme(params.optional_text("Scheme"), in_vpc=False)
    if params.texts("SecurityGroups"):
        raise faults.invalid_configuration("Security groups can only be given to a Load Balancer in a VPC")
    return Placement(scheme, dict.fromkeys(wanted_zones))


async def _in_subnets(
    call: Call, room: Dependencies, wanted: tuple[str, ...], wanted_zones: tuple[str, ...]
) -> Placement:
    if wanted_zones and not room.settings.compatibility_zones_beside_subnets:
        raise query.validation_error(_ONE_OF)
    account = call.caller.account
    found = vpc.found_subnets(wanted, await room.cloud.subnets(account, wanted))
    vpc_id = vpc.same_vpc(found)
    if wanted_zones and set(wanted_zones) != {subnet.zone for subnet in found}:
        raise faults.invalid_configuration("The Availability Zones are not those of the subnets")
    home = await room.cloud.vpc(account, vpc_id)
    if home is None:
        raise query.modelled("InvalidSubnetException", f"VPC {vpc_id} does not exist")
    return await _in_vpc(call, room, home, {subnet.zone: subnet.subnet_id for subnet in found}, by_zone=False)


async def _in_vpc(
    call: Call, room: Dependencies, home: cloud.Vpc, subnets: dict[str, str], *, by_zone: bool
) -> Placement:
    scheme = vpc.scheme(call.params.optional_text("Scheme"), in_vpc=True)
    if scheme == vpc.INTERNET_FACING:
        vpc.require_internet_gateway(home)
    groups = await _groups(call, room, home, by_zone=by_zone)
    return Placement(scheme, {**subnets}, home.vpc_id, groups)


async def _groups(
    call: Call, room: Dependencies, home: cloud.Vpc, *, by_zone: bool
) -> tuple[document.SecurityGroup, ...]:
    """The given ones; else the VPC's own default one, or none yet where only zones are given."""
    account = call.caller.account
    ids = vpc.read_group_ids(call.params.texts("SecurityGroups"), room.settings.max_security_groups)
    if ids:
        return vpc.found_groups(ids, await room.cloud.security_groups(account, ids), home.vpc_id)
    if by_zone:
        return ()
    default = await room.cloud.default_security_group(account, home.vpc_id)
    if default is None:
        raise faults.invalid_configuration(f"VPC {home.vpc_id} has no security group named default")
    return (default,)
