"""EnableAvailabilityZone (spec/elb-control-plane 4.7).

::

    { role ──> profile } || security group ──> scaling groups ──> zones ──> backends
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow.contract.document import LoadBalancerKey
from elbflow_decider.workflows import outcome, steps


@flow.workflow(workflows.ENABLE_ZONE)
class EnableAvailabilityZone:
    """Role, profile and group exist: the first steps only look up their names, and are not compensated."""

    async def run(self, request: workflows.ZonesInput) -> workflows.Outcome:
        return await outcome.of(self._enable(request))

    async def _enable(self, request: workflows.ZonesInput) -> None:
        async with flow.compensate() as undo:
            await activities.admission_control(request.key, request.zones)
            profile, group = await steps.both(self._profile(request.key), activities.security_group_setup(request.key))
            await steps.enable_zones(undo, request.key, request.zones, profile, group.name)

    async def _profile(self, key: LoadBalancerKey) -> str:
        role = await activities.iam_role_setup(key)
        return await activities.instance_profile_setup(key, role)
