"""AttachLoadBalancerToSubnets and DetachLoadBalancerFromSubnets (spec/elb-control-plane 1.8).

A subnet is the place of a zone: attaching one enables its zone, detaching it disables the zone.
"""

from __future__ import annotations

from elbflow import store
from elbflow.contract import cloud, workflows
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import vpc


async def attach_load_balancer_to_subnets(call: Call, room: Dependencies) -> query.Response:
    """Attach subnets and wait until their VMs were asked for; answers all subnets. Attached ones are no error."""
    wanted = _read(call)
    known = await room.cloud.subnets(call.caller.account, wanted)
    zones = {subnet.zone for subnet in known.values()}
    async with mutation.settled(
        workflows.ENABLE_ZONE,
        call,
        room,
        concerns=lambda value: not zones.isdisjoint(value.zones),
        against=[workflows.DISABLE_ZONE, workflows.APPLY_SECURITY_GROUPS],
    ) as (tx, lb):
        vpc_id = vpc.require_vpc(lb.vpc_id, "Subnets can be attached")
        new = _new(lb, vpc_id, vpc.found_subnets(wanted, known))
        if not new:
            return {"Subnets": list(lb.subnets)}
        await tx.load_balancers.set_subnets(lb.id, new)
        value = workflows.ZonesInput(lb.key, tuple(new))
        written = await mutation.order(tx, lb, workflows.ENABLE_ZONE, "attach-subnets", value, room, push=False)
    await mutation.carry_out(workflows.ENABLE_ZONE, written, call, room)
    return await _attached(call, room)


async def detach_load_balancer_from_subnets(call: Call, room: Dependencies) -> query.Response:
    """Detach subnets and wait until their VMs are out of service; answers the subnets still attached.

    One has to remain. Subnets that are not attached are ignored: one may be detached that was deleted meanwhile.
    """
    wanted = _read(call)
    async with mutation.settled(
        workflows.DISABLE_ZONE, call, room, concerns=lambda _: True, against=[workflows.ENABLE_ZONE]
    ) as (tx, lb):
        vpc.require_vpc(lb.vpc_id, "Subnets can be detached")
        gone = tuple(one.name for one in lb.zones if one.name in lb.enabled_zones and one.subnet_id in wanted)
        if not gone:
            return {"Subnets": list(lb.subnets)}
        if len(gone) == len(lb.enabled_zones):
            raise faults.invalid_configuration("A Load Balancer must be attached to at least one subnet")
        value = workflows.ZonesInput(lb.key, gone)
        written = await mutation.order(tx, lb, workflows.DISABLE_ZONE, "detach-subnets", value, room, push=False)
    await mutation.carry_out(workflows.DISABLE_ZONE, written, call, room)
    return await _attached(call, room)


def _read(call: Call) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(call.params.texts("Subnets")))
    if not wanted:
        raise query.validation_error("At least one subnet must be specified")
    return wanted


def _new(lb: store.LoadBalancer, vpc_id: str, subnets: tuple[cloud.Subnet, ...]) -> dict[str, str]:
    """The subnets by zone that are not attached yet; raises for those that cannot be."""
    if foreign := [subnet.subnet_id for subnet in subnets if subnet.vpc_id != vpc_id]:
        raise faults.invalid_configuration(f"Subnets {', '.join(foreign)} are not in VPC {vpc_id}")
    present = {zone.name: zone.subnet_id for zone in lb.zones if zone.name in lb.enabled_zones}
    if any(present.get(subnet.zone, subnet.subnet_id) != subnet.subnet_id for subnet in subnets):
        raise faults.invalid_configuration("ELB cannot be attached to multiple subnets in the same AZ.")
    return {subnet.zone: subnet.subnet_id for subnet in subnets if subnet.zone not in present}


async def _attached(call: Call, room: Dependencies) -> query.Response:
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    return {"Subnets": list(lb.subnets)}
