"""ModifyLoadBalancerAttributes (spec/elb-control-plane 4.9), the permission strictly before the rows.

::

    access-log policy: create or delete ──> persist, then signal
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow_decider.workflows import outcome


@flow.workflow(workflows.MODIFY_ATTRIBUTES)
class ModifyLoadBalancerAttributes:
    """A failure leaves the permission that the stored attributes ask for."""

    async def run(self, request: workflows.AttributesInput) -> workflows.Outcome:
        return await outcome.of(self._modify(request))

    async def _modify(self, request: workflows.AttributesInput) -> None:
        key, attributes = request.key, request.attributes
        async with flow.compensate() as undo:
            undo.push(activities.access_log_policy_rollback, key)
            if attributes.access_log_enabled:
                await activities.access_log_policy_setup(key, attributes)
            else:
                await activities.access_log_policy_delete(key)
            await activities.persist_attributes(key, attributes)
