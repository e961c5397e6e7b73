"""CreateLoadBalancer: everything a new load balancer needs, or nothing of it (spec/elb-control-plane 4.3, 4.5, 4.7).

One execution instead of the original's three: however the API ends, nothing is left half-done.

::

    admission ──> role ──> { profile || policy } || security group ──> tag
              ──> listeners (4.5) ──> zones (4.7) ──> commit ──> continuous workflows
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow.contract.document import LoadBalancerKey
from elbflow_decider.workflows import outcome, steps


@flow.workflow(workflows.CREATE_LOAD_BALANCER)
class CreateLoadBalancer:
    """Compensates in reverse order; the row goes last."""

    async def run(self, request: workflows.CreateLoadBalancerInput) -> workflows.Outcome:
        return await outcome.of(self._create(request))

    async def _create(self, request: workflows.CreateLoadBalancerInput) -> None:
        key = request.key
        async with flow.compensate() as undo:
            undo.push(activities.create_load_balancer_rollback, key)
            await activities.admission_control(key, request.zones)
            profile, group = await steps.both(self._identity(undo, key), self._security_group(undo, key))
            listeners = workflows.ListenersInput(key, request.ports, certificates=request.certificates)
            await steps.create_listeners(undo, listeners)
            await steps.enable_zones(undo, key, request.zones, profile, group)
            await activities.create_load_balancer_commit(key)
            undo.push(activities.stop_continuous_workflows, key)  # some may have been started by a failed attempt
            await activities.start_continuous_workflows(key)

    async def _identity(self, undo: flow.Compensation, key: LoadBalancerKey) -> str:
        role = await activities.iam_role_setup(key)
        undo.push(activities.delete_iam_role, key)
        profile, _ = await steps.both(self._profile(undo, key, role), activities.iam_policy_setup(key, role))
        return profile

    async def _profile(self, undo: flow.Compensation, key: LoadBalancerKey, role: str) -> str:
        profile = await activities.instance_profile_setup(key, role)
        undo.push(activities.delete_instance_profile, key)
        return profile

    async def _security_group(self, undo: flow.Compensation, key: LoadBalancerKey) -> str:
        group = await activities.security_group_setup(key)
        undo.push(activities.security_group_setup_rollback, key, group)
        await activities.tag_creator(key, group)
        return group.name
