"""CreateLoadBalancerListeners (spec/elb-control-plane 4.5).

::

    check certificates ──> { authorize certificates || authorize ingress || default health check } ──> push

Listeners without certificates need nothing of the former, and a load balancer gets its first health check once. Those
with one are pushed here, when the VMs may fetch it; others the API has pushed already.
"""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow_decider.workflows import outcome, steps


@flow.workflow(workflows.CREATE_LISTENERS)
class CreateLoadBalancerListeners:
    """Compensates in reverse order; the listeners' rows go last."""

    async def run(self, request: workflows.ListenersInput) -> workflows.Outcome:
        return await outcome.of(self._create(request))

    async def _create(self, request: workflows.ListenersInput) -> None:
        async with flow.compensate() as undo:
            undo.push(activities.listener_rollback, request.key, request.ports)
            await steps.create_listeners(undo, request)
            if request.certificates and flow.patched("push-behind-permission"):
                await activities.listener_certificate_commit(request.key)
