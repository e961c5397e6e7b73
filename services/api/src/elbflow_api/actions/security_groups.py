"""ApplySecurityGroupsToLoadBalancer (spec/elb-control-plane 1.8)."""

from __future__ import annotations

from elbflow.contract import workflows
from elbflow_api import mutation, query
from elbflow_api.dependencies import Call, Dependencies
from elbflow_api.rules import vpc


async def apply_security_groups_to_load_balancer(call: Call, room: Dependencies) -> query.Response:
    """Replace the security groups and wait until the VMs carry them; answers their ids.

    Requests for one load balancer come one after the other, and not while zones get VMs.
    """
    ids = vpc.read_group_ids(call.params.texts("SecurityGroups"), room.settings.max_security_groups)
    if not ids:
        raise query.validation_error("At least one security group must be specified")
    known = await room.cloud.security_groups(call.caller.account, ids)
    async with mutation.settled(
        workflows.APPLY_SECURITY_GROUPS, call, room, concerns=lambda _: True, against=[workflows.ENABLE_ZONE]
    ) as (tx, lb):
        groups = vpc.found_groups(ids, known, vpc.require_vpc(lb.vpc_id, "Security groups can be applied"))
        if groups == lb.security_groups:
            return {"SecurityGroups": list(ids)}
        value = workflows.SecurityGroupsInput(lb.key, groups)
        written = await mutation.order(
            tx, lb, workflows.APPLY_SECURITY_GROUPS, "apply-security-groups", value, room, push=False
        )
    await mutation.carry_out(workflows.APPLY_SECURITY_GROUPS, written, call, room)
    return {"SecurityGroups": list(ids)}
