"""DeleteLoadBalancer (spec/elb-control-plane 4.4). Nothing is compensated; every step may be run again.

::

    stop continuous workflows ──> close ports
      ──> dns || scaling groups ──> { profile ──> role } || security group
      ──> rows
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow.contract.document import LoadBalancerKey
from elbflow_decider.workflows import outcome, steps

ALL_PORTS: tuple[int, ...] = ()


@flow.workflow(workflows.DELETE_LOAD_BALANCER)
class DeleteLoadBalancer:
    """The row goes last, so a deletion that failed can be found and repeated."""

    async def run(self, request: workflows.LoadBalancerInput) -> workflows.Outcome:
        return await outcome.of(self._delete(request.key))

    async def _delete(self, key: LoadBalancerKey) -> None:
        await activities.stop_continuous_workflows(key)
        await activities.listener_revoke_ingress(key, ALL_PORTS)
        await steps.together(activities.delete_deactivate_dns(key), self._resources(key))
        await activities.delete_load_balancer_remove(key)

    async def _resources(self, key: LoadBalancerKey) -> None:
        await activities.delete_scaling_groups(key)
        await steps.together(self._identity(key), activities.delete_security_group(key))

    async def _identity(self, key: LoadBalancerKey) -> None:
        await activities.delete_instance_profile(key)
        await activities.delete_iam_role(key)
