"""ConfigureHealthCheck and DescribeInstanceHealth (spec/elb-control-plane 1.8, 10.1)."""

from __future__ import annotations

from collections.abc import Sequence

from elbflow import errors, store
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import health_check, health_states, instances, listener_problems


async def configure_health_check(call: Call, room: Dependencies) -> query.Response:
    """Set how instances are checked; answers the configuration with its target in canonical form."""
    given = call.params.structure("HealthCheck")
    if given is None:
        raise errors.Defect("the model requires HealthCheck")
    check = health_check.read(given)
    async with room.db.transaction() as tx:
        lb = await active(tx, call.key, for_update=True)
        if lb.health_check == check:
            return {"HealthCheck": health_check.shown(check)}
        await tx.load_balancers.set_health_check(lb.id, check)
        written = await mutation.order_push(tx, lb, room)
    await room.workflows.announce(written)
    return {"HealthCheck": health_check.shown(check)}


async def describe_instance_health(call: Call, room: Dependencies) -> query.Response:
    """The state of all registered instances, or of the named ones in their order.

    As at AWS, an instance that is not registered is OutOfService, and one that there is not is ``InvalidInstance``.
    """
    wanted = instances.read_ids(call.params.structures("Instances"))
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    states = _registered(lb, room)
    others = [instance_id for instance_id in wanted if instance_id not in states]
    if others and not room.settings.compatibility_unknown_names_skipped:
        await _require_existing(lb, others, room)
        states |= dict.fromkeys(others, health_states.NOT_REGISTERED)
    return {"InstanceStates": [_shown(one, states[one]) for one in wanted or states if one in states]}


def _registered(lb: store.LoadBalancer, room: Dependencies) -> dict[str, health_states.HealthState]:
    original = room.settings.compatibility_error_state
    return {
        backend.instance_id: health_states.of(backend, listener_problems.concerning(lb, backend), original=original)
        for backend in lb.backends
    }


async def _require_existing(lb: store.LoadBalancer, instance_ids: Sequence[str], room: Dependencies) -> None:
    """Raise ``InvalidInstance`` for the first instance that there is not."""
    there = await room.cloud.instances(lb.key.account, instance_ids)
    for instance_id in instance_ids:
        if instance_id not in there:
            raise faults.instance_not_found(instance_id)


def _shown(instance_id: str, health: health_states.HealthState) -> dict[str, query.Value]:
    return {
        "InstanceId": instance_id,
        "State": health.state.value,
        "ReasonCode": health.reason_code,
        "Description": health.description,
    }
