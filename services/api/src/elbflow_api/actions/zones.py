"""EnableAvailabilityZonesForLoadBalancer and DisableAvailabilityZonesForLoadBalancer (spec/elb-control-plane 1.8).

For classic load balancers, and for those in the account's default VPC, where a zone stands for its default subnet. The
zones' rows are the workflows': a zone is enabled when its VMs were asked for, and disabled when they are gone.
"""

from __future__ import annotations

from collections.abc import Mapping

from elbflow import store
from elbflow.contract import cloud, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import vpc, zones


async def enable_availability_zones(call: Call, room: Dependencies) -> query.Response:
    """Enable zones and wait until their VMs were asked for; answers all enabled zones."""
    wanted = zones.read(_named(call), await room.cloud.zones())
    home, defaults = await _default_vpc(call, room)
    async with mutation.settled(
        workflows.ENABLE_ZONE,
        call,
        room,
        concerns=lambda value: not set(wanted).isdisjoint(value.zones),
        against=[workflows.DISABLE_ZONE, workflows.APPLY_SECURITY_GROUPS],
    ) as (tx, lb):
        vpc_id = _vpc_of(lb, home)
        new = tuple(zone for zone in wanted if zone not in lb.enabled_zones)
        if not new:
            return {"AvailabilityZones": list(lb.enabled_zones)}
        if vpc_id is not None:
            await tx.load_balancers.set_subnets(lb.id, vpc.default_subnets(new, defaults, vpc_id))
        value = workflows.ZonesInput(lb.key, new)
        written = await mutation.order(tx, lb, workflows.ENABLE_ZONE, "enable-zones", value, room, push=False)
    await mutation.carry_out(workflows.ENABLE_ZONE, written, call, room)
    return await _enabled(call, room)


async def disable_availability_zones(call: Call, room: Dependencies) -> query.Response:
    """Disable zones and wait until their VMs are out of service; answers the zones still enabled.

    One zone has to remain. Two requests for one load balancer come one after the other, so that they cannot together
    disable all zones.
    """
    wanted = _named(call)
    home = await room.cloud.default_vpc(call.caller.account)
    async with mutation.settled(
        workflows.DISABLE_ZONE, call, room, concerns=lambda _: True, against=[workflows.ENABLE_ZONE]
    ) as (tx, lb):
        _vpc_of(lb, home)
        gone = tuple(zone for zone in lb.enabled_zones if zone in wanted)
        if not gone:
            return {"AvailabilityZones": list(lb.enabled_zones)}
        if len(gone) == len(lb.enabled_zones):
            raise faults.invalid_configuration("A Load Balancer must have at least one enabled Availability Zone")
        value = workflows.ZonesInput(lb.key, gone)
        written = await mutation.order(tx, lb, workflows.DISABLE_ZONE, "disable-zones", value, room, push=False)
    await mutation.carry_out(workflows.DISABLE_ZONE, written, call, room)
    return await _enabled(call, room)


def _named(call: Call) -> tuple[str, ...]:
    named = call.params.texts("AvailabilityZones")
    if not named:
        raise query.validation_error("At least one Availability Zone must be specified")
    return named


async def _default_vpc(call: Call, room: Dependencies) -> tuple[cloud.Vpc | None, Mapping[str, cloud.Subnet]]:
    """The account's default VPC, if it has one, and its default subnets by zone."""
    home = await room.cloud.default_vpc(call.caller.account)
    return home, await room.cloud.default_subnets(call.caller.account, home.vpc_id) if home is not None else {}


def _vpc_of(lb: store.LoadBalancer, home: cloud.Vpc | None) -> str | None:
    """The load balancer's VPC, None for a classic one; raises unless it is the default one ``home``."""
    if lb.vpc_id is not None and (home is None or home.vpc_id != lb.vpc_id):
        raise faults.invalid_configuration(
            f"Load Balancer '{lb.key.name}' is in VPC {lb.vpc_id}, which is not the default one: attach and detach "
            "subnets instead of Availability Zones"
        )
    return lb.vpc_id


async def _enabled(call: Call, room: Dependencies) -> query.Response:
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    return {"AvailabilityZones": list(lb.enabled_zones)}
