"""ApplySecurityGroups (spec/elb-control-plane 4.9): on the VMs first, then in the store.

::

    security groups of the VMs ──> persist

Unlike the original, which stores first and looks at no outcome, the stored groups are those that the VMs carry.
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow_decider.workflows import outcome


@flow.workflow(workflows.APPLY_SECURITY_GROUPS)
class ApplySecurityGroups:
    """A failure leaves the VMs with the groups that are stored."""

    async def run(self, request: workflows.SecurityGroupsInput) -> workflows.Outcome:
        return await outcome.of(self._apply(request))

    async def _apply(self, request: workflows.SecurityGroupsInput) -> None:
        async with flow.compensate() as undo:
            undo.push(activities.apply_security_groups_rollback, request.key)
            await activities.apply_security_groups(request.key, request.groups)
            await activities.persist_security_groups(request.key, request.groups)
