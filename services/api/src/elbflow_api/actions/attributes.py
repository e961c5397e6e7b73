"""DescribeLoadBalancerAttributes and ModifyLoadBalancerAttributes (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from elbflow import errors
from elbflow.contract import workflows
from elbflow_api import faults, mutation, query
from elbflow_api.dependencies import Call, Dependencies, active
from elbflow_api.rules import attributes


async def describe_load_balancer_attributes(call: Call, room: Dependencies) -> query.Response:
    """The attributes in force, or about to be: those the workflows stored."""
    async with room.db.reading() as tx:
        lb = await active(tx, call.key)
    return {"LoadBalancerAttributes": attributes.shown(lb.attributes)}


async def modify_load_balancer_attributes(call: Call, room: Dependencies) -> query.Response:
    """Change the given attributes, keep the others, wait until they are stored; answers the given ones.

    Requests for one load balancer come one after the other: each starts from what the one before stored.
    """
    given = call.params.structure("LoadBalancerAttributes")
    if given is None:
        raise errors.Defect("the model requires LoadBalancerAttributes")
    any_interval = room.settings.compatibility_access_log_intervals
    attributes.check(given, any_interval=any_interval)
    refusal = await _bucket_refusal(given, call, room)
    async with mutation.settled(workflows.MODIFY_ATTRIBUTES, call, room, concerns=lambda _: True) as (tx, lb):
        if refusal is not None:
            raise faults.invalid_configuration(refusal)
        changed = attributes.merged(lb.attributes, given)
        only = None if room.settings.compatibility_all_attributes_answered else given
        answer: query.Response = {
            "LoadBalancerName": lb.key.name,
            "LoadBalancerAttributes": attributes.shown(changed, only),
        }
        if changed == lb.attributes:
            return answer
        value = workflows.AttributesInput(lb.key, changed)
        written = await mutation.order(
            tx, lb, workflows.MODIFY_ATTRIBUTES, "modify-attributes", value, room, push=False
        )
    await mutation.carry_out(workflows.MODIFY_ATTRIBUTES, written, call, room)
    return answer


async def _bucket_refusal(given: query.Params, call: Call, room: Dependencies) -> str | None:
    bucket = attributes.log_bucket(given)
    return await room.cloud.bucket_refusal(call.caller.account, bucket) if bucket is not None else None
