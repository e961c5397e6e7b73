"""EnableAvailabilityZonesForLoadBalancer and DisableAvailabilityZonesForLoadBalancer (spec/elb-control-plane 1.8).

The zones' rows are the workflows': a zone is enabled when its VMs were asked for, and disabled when they are gone.
"""

from __future__ import annotations

from elbflow.contract import workflows
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import zones


async def enable_availability_zones(call: Call, room: Dependencies) -> query.Response:
    """Enable zones and wait until their VMs were asked for; answers all enabled zones."""
    wanted = zones.read(call.params.texts("AvailabilityZones"), room.settings.zones)
    async with mutation.settled(
        workflows.ENABLE_ZONE, call, room, concerns=lambda value: not set(wanted).isdisjoint(value.zones)
    ) as (tx, lb):
        new = tuple(zone for zone in wanted if zone not in lb.enabled_zones)
        if not new:
            return {"AvailabilityZones": list(lb.enabled_zones)}
        value = workflows.ZonesInput(lb.key, new)
        written = await mutation.order(tx, lb, workflows.ENABLE_ZONE, "enable-zones", value, room, push=False)
    await mutation.carry_out(workflows.ENABLE_ZONE, written, call, room)
    return await _enabled(call, room)


async def disable_availability_zones(call: Call, room: Dependencies) -> query.Response:
    """Disable zones and wait until their VMs are out of service; answers the zones still enabled.

    One zone has to remain. Two requests for one load balancer come one after the other, so that they cannot together
    disable all zones.
    """
    wanted = call.params.texts("AvailabilityZones")
    async with mutation.settled(workflows.DISABLE_ZONE, call, room, concerns=lambda _: True) as (tx, lb):
        gone = tuple(zone for zone in lb.enabled_zones if zone in wanted)
        if not gone:
            return {"AvailabilityZones": list(lb.enabled_zones)}
        if len(gone) == len(lb.enabled_zones):
            raise faults.invalid_configuration("A Load Balancer must have at least one enabled Availability Zone")
        value = workflows.ZonesInput(lb.key, gone)
        written = await mutation.order(tx, lb, workflows.DISABLE_ZONE, "disable-zones", value, room, push=False)
    await mutation.carry_out(workflows.DISABLE_ZONE, written, call, room)
    return await _enabled(call, room)


async def _enabled(call: Call, room: Dependencies) -> query.Response:
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    return {"AvailabilityZones": list(lb.enabled_zones)}
