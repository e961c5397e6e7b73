"""CreateLoadBalancer (spec/elb-control-plane 1.8)."""

from __future__ import annotations

import structlog

from elbflow import store
from elbflow.contract import cloud, document, workflows
from elbflow_api import faults, mutation, naming_back, orders, query
from elbflow_api.actions import certificates, placement
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import health_check, limits, listeners, naming, tags, vpc

log = structlog.get_logger()

_ATTEMPTS = 3


async def create_load_balancer(call: Call, room: Dependencies) -> query.Response:
    """Create a load balancer and wait until it exists, or until nothing of it is left.

    The same request again gives the same answer: it joins a creation that is under way, and finds a finished one.
    """
    wanted = await _read(call, room)
    for _ in range(_ATTEMPTS):
        existing = await _find(wanted.key, room)
        if existing is None:
            try:
                return await _create(wanted, call, room)
            except store.LoadBalancerExists:  # Another request was faster; look at what it made.
                continue
        if existing.state is store.LoadBalancerState.DELETING:
            await _finish_deletion(existing, call, room)
            continue
        if not _same(existing, wanted):
            raise faults.duplicate_load_balancer(wanted.key.name)
        if existing.state is store.LoadBalancerState.PROVISIONING:
            await _conclude(existing, call, room)
        return {"DNSName": existing.dns_name}
    raise faults.unavailable(f"Load Balancer '{wanted.key.name}' is being changed by other requests")


async def _read(call: Call, room: Dependencies) -> store.LoadBalancer:
    """The load balancer as requested; raises the fault of the first check that fails."""
    params, settings = call.params, room.settings
    key = document.LoadBalancerKey(call.caller.account, naming.load_balancer_name(params.text("LoadBalancerName")))
    chosen_tags = tags.read(params.structures("Tags"), settings.max_tags)
    chosen_listeners, chosen_policies = listeners.with_default_policy(
        listeners.read(params.structures("Listeners"), settings.restricted_ports), (), room.security_policies
    )
    most = limits.of(call.quotas, settings)[limits.LISTENERS]
    if len(chosen_listeners) > most:
        raise listeners.too_many(most)
    place = await placement.of(call, room)
    return store.LoadBalancer(
        id=0,
        key=key,
        dns_name=naming.dns_name(key, settings.dns_suffix, internal=place.scheme == vpc.INTERNAL),
        scheme=place.scheme,
        state=store.LoadBalancerState.PROVISIONING,
        generation=1,
        created_at=round(room.clock.now(), 3),
        listeners=chosen_listeners,
        policies=chosen_policies,
        health_check=health_check.default(
            chosen_listeners[0].instance_port, original=settings.compatibility_default_health_check
        ),
        zones=place.zones(),
        tags=chosen_tags,
        vpc_id=place.vpc_id,
        security_groups=place.security_groups,
    )


def _same(existing: store.LoadBalancer, wanted: store.LoadBalancer) -> bool:
    """Whether a request for ``wanted`` is answered by what exists."""
    new = existing.state is store.LoadBalancerState.PROVISIONING
    enabled = [zone for zone in existing.zones if new or zone.name in existing.enabled_zones]
    return (
        existing.key == wanted.key
        and {zone.name: zone.subnet_id for zone in enabled} == {zone.name: zone.subnet_id for zone in wanted.zones}
        and existing.scheme == wanted.scheme
        and existing.vpc_id == wanted.vpc_id
        and _same_groups(existing, wanted)
        and dict(existing.tags) == dict(wanted.tags)
        and len(existing.listeners) == len(wanted.listeners)
        and all(listeners.same(*pair) for pair in zip(existing.listeners, wanted.listeners, strict=True))
    )


def _same_groups(existing: store.LoadBalancer, wanted: store.LoadBalancer) -> bool:
    """Whoever asked for no groups got the service's own."""
    if wanted.vpc_id is None or wanted.security_groups:
        return existing.security_groups == wanted.security_groups
    own = cloud.default_elb_group(wanted.key.account, wanted.vpc_id)  # by its name: a cloud chooses ids itself
    return [group.name for group in existing.security_groups] in ([], [own.name])


async def _find(key: document.LoadBalancerKey, room: Dependencies) -> store.LoadBalancer | None:
    async with room.db.reading() as tx:
        return await tx.load_balancers.find(key)


async def _create(wanted: store.LoadBalancer, call: Call, room: Dependencies) -> query.Response:
    most = limits.of(call.quotas, room.settings)[limits.LOAD_BALANCERS]
    existing = await certificates.known(call, room, wanted.listeners)
    async with room.db.transaction() as tx:
        if await tx.load_balancers.count_for_creation(wanted.key.account) >= most:
            raise limits.too_many_load_balancers(most)
        await certificates.require(tx, wanted.key.account, wanted.listeners, existing)
        await _require_own_dns_name(tx, wanted, room)
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


async def _require_own_dns_name(tx: store.Repositories, wanted: store.LoadBalancer, room: Dependencies) -> None:
    """Raise when another load balancer has the DNS name: an internal ``web`` and one called ``internal-web`` share it.

    AWS adds a number to all of them, which clients of this service do without.
    """
    if not wanted.dns_name.lower().startswith(naming_back.INTERNAL):
        return
    for key in naming_back.candidates(wanted.dns_name, room.settings.dns_suffix):
        other = await tx.load_balancers.find(key)
        if other is not None and other.dns_name.lower() == wanted.dns_name.lower():
            raise faults.invalid_configuration(
                f"The DNS name {wanted.dns_name} is that of Load Balancer '{other.key.name}'"
            )


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
        # Row ids are used again where they became free, so the time of creation tells load balancers apart.
        mine = current is not None and current.created_at == lb.created_at
        if current is None or not mine or current.state is not store.LoadBalancerState.PROVISIONING:
            return
        log.error("creation_not_undone", account=lb.key.account, load_balancer=lb.key.name)
        order = await orders.delete(tx, current, now=room.clock.now())
    await room.workflows.announce([order])


async def _finish_deletion(lb: store.LoadBalancer, call: Call, room: Dependencies) -> None:
    """Wait until nothing is left of the former load balancer.

    Its deletion is ordered, for there may be none: it may be a failed creation that is being undone.
    """
    async with room.db.transaction() as tx:
        former = await tx.load_balancers.find(lb.key, for_update=True)
        if former is None or former.created_at != lb.created_at:
            return
        order = await orders.delete(tx, former, now=room.clock.now())
    outcome = await mutation.conclude(workflows.DELETE_LOAD_BALANCER, [order], call, room)
    if outcome.state is not workflows.OutcomeState.SUCCESS:
        raise faults.internal_failure(
            f"The former Load Balancer '{lb.key.name}' could not be deleted yet: {outcome.reason}"
        )
