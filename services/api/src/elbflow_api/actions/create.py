"""CreateLoadBalancer (spec/elb-control-plane 1.8)."""

from __future__ import annotations

import structlog

from elbflow import store
from elbflow.contract import document, workflows
from elbflow_api import faults, orders, query
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import listeners, naming, tags, zones

log = structlog.get_logger()

_ATTEMPTS = 3


async def create_load_balancer(call: Call, room: Dependencies) -> query.Response:
    """Create a load balancer and wait until it exists, or until nothing of it is left.

    The same request again gives the same answer: it joins a creation that is under way, and finds a finished one.
    """
    wanted = _read(call, room)
    for _ in range(_ATTEMPTS):
        existing = await _find(wanted.key, room)
        if existing is None:
            try:
                return await _create(wanted, call, room)
            except store.LoadBalancerExists:  # Another request was faster; look at what it made.
                continue
        if existing.state is store.LoadBalancerState.DELETING:
            await _wait_for_deletion(existing, call, room)
            continue
        if not _same(existing, wanted):
            raise faults.duplicate_load_balancer(wanted.key.name)
        if existing.state is store.LoadBalancerState.PROVISIONING:
            await _conclude(existing, call, room)
        return {"DNSName": existing.dns_name}
    raise faults.unavailable(f"Load Balancer '{wanted.key.name}' is being changed by other requests")


def _read(call: Call, room: Dependencies) -> store.LoadBalancer:
    """The load balancer as requested; raises the fault of the first check that fails."""
    params, settings = call.params, room.settings
    key = document.LoadBalancerKey(call.caller.account, naming.load_balancer_name(params.text("LoadBalancerName")))
    chosen_tags = tags.read(params.structures("Tags"), settings.max_tags)
    chosen_listeners = listeners.read(params.structures("Listeners"), settings.restricted_ports)
    _refuse_vpc(params)
    chosen_zones = zones.read(params.texts("AvailabilityZones"), settings.zones)
    if not chosen_zones:
        raise query.validation_error("Either AvailabilityZones or SubnetIds must be specified")
    return store.LoadBalancer(
        id=0,
        key=key,
        dns_name=naming.dns_name(key, settings.dns_suffix),
        scheme=naming.INTERNET_FACING,
        state=store.LoadBalancerState.PROVISIONING,
        generation=1,
        created_at=round(room.clock.now(), 3),
        listeners=chosen_listeners,
        # Not enabled yet: the workflow does that. Until then the rows tell what was asked for.
        zones=tuple(store.Zone(zone, store.ZoneState.OUT_OF_SERVICE) for zone in chosen_zones),
        tags=chosen_tags,
    )


def _refuse_vpc(params: query.Params) -> None:
    """Load balancers here are classic ones, outside any VPC."""
    if subnets := params.texts("Subnets"):
        raise query.modelled("SubnetNotFoundException", f"There are no subnets {', '.join(subnets)}")
    if params.texts("SecurityGroups"):
        raise faults.invalid_configuration("Security groups can only be given to a Load Balancer in a VPC")
    if params.optional_text("Scheme") not in (None, naming.INTERNET_FACING):
        raise query.modelled(
            "InvalidSchemeException", f"Outside a VPC the scheme of a Load Balancer is {naming.INTERNET_FACING}"
        )


def _same(existing: store.LoadBalancer, wanted: store.LoadBalancer) -> bool:
    """Whether a request for ``wanted`` is answered by what exists."""
    if existing.state is store.LoadBalancerState.PROVISIONING:
        existing_zones = {zone.name for zone in existing.zones}
    else:
        existing_zones = set(existing.enabled_zones)
    return (
        existing.key == wanted.key
        and existing_zones == {zone.name for zone in wanted.zones}
        and existing.scheme == wanted.scheme
        and dict(existing.tags) == dict(wanted.tags)
        and len(existing.listeners) == len(wanted.listeners)
        and all(listeners.same(*pair) for pair in zip(existing.listeners, wanted.listeners, strict=True))
    )


async def _find(key: document.LoadBalancerKey, room: Dependencies) -> store.LoadBalancer | None:
    async with room.db.reading() as tx:
        return await tx.load_balancers.find(key)


async def _create(wanted: store.LoadBalancer, call: Call, room: Dependencies) -> query.Response:
    async with room.db.transaction() as tx:
        lb = await tx.load_balancers.create(wanted)
        order = await orders.start(
            tx,
            workflows.CREATE_LOAD_BALANCER,
            orders.create_workflow_id(lb),
            lb.key,
            workflows.CreateLoadBalancerInput(
                lb.key,
                zones=tuple(zone.name for zone in wanted.zones),
                ports=tuple(listener.port for listener in wanted.listeners),
                certificates=any(listener.certificate_arn for listener in wanted.listeners),
            ),
            now=room.clock.now(),
        )
    log.info("load_balancer_requested", account=lb.key.account, load_balancer=lb.key.name)
    run_id = await room.workflows.announce([order])
    await _conclude(lb, call, room, run_id)
    return {"DNSName": lb.dns_name}


async def _conclude(lb: store.LoadBalancer, call: Call, room: Dependencies, run_id: str | None = None) -> None:
    """Wait for the creation; when it failed, see to it that nothing is left of it."""
    outcome = await room.workflows.outcome(
        workflows.CREATE_LOAD_BALANCER,
        orders.create_workflow_id(lb),
        run_id=run_id,
        not_before=lb.created_at,
        deadline=call.deadline,
    )
    if outcome.state is not workflows.OutcomeState.SUCCESS:
        await _clear_away(lb, room)
        raise faults.workflow_failed(outcome)


async def _clear_away(lb: store.LoadBalancer, room: Dependencies) -> None:
    """Order the deletion of what a failed creation left behind, which is nothing unless its workflow was cut off."""
    async with room.db.transaction() as tx:
        current = await tx.load_balancers.find(lb.key, for_update=True)
        if current is None or current.id != lb.id or current.state is not store.LoadBalancerState.PROVISIONING:
            return
        log.error("creation_not_undone", account=lb.key.account, load_balancer=lb.key.name)
        order = await orders.delete(tx, current, now=room.clock.now())
    await room.workflows.announce([order])


async def _wait_for_deletion(lb: store.LoadBalancer, call: Call, room: Dependencies) -> None:
    outcome = await room.workflows.outcome(
        workflows.DELETE_LOAD_BALANCER, orders.delete_workflow_id(lb), deadline=call.deadline
    )
    if outcome.state is not workflows.OutcomeState.SUCCESS:
        raise faults.internal_failure(
            f"The former Load Balancer '{lb.key.name}' could not be deleted yet: {outcome.reason}"
        )
