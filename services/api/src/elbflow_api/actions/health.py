"""ConfigureHealthCheck and DescribeInstanceHealth (spec/elb-control-plane 1.8, 10.1)."""

from __future__ import annotations

from elbflow import errors
from elbflow_api import mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import health_check, health_states, instances


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
    """The state of all registered instances, or of the named ones; those must be registered."""
    wanted = instances.read_ids(call.params.structures("Instances"))
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    instances.require_registered(lb, wanted)
    states = []
    for backend in lb.backends:
        if not wanted or backend.instance_id in wanted:
            state, reason_code, description = health_states.shown(backend)
            states.append(
                {
                    "InstanceId": backend.instance_id,
                    "State": state,
                    "ReasonCode": reason_code,
                    "Description": description,
                }
            )
    return {"InstanceStates": states}
