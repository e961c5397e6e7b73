"""CreateLoadBalancerListeners (spec/elb-control-plane 4.5).

::

    check certificates ──> { authorize certificates || authorize ingress || default health check }

Listeners without certificates need nothing of the former, and a load balancer gets its first health check once.
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
