"""DeleteLoadBalancerListeners (spec/elb-control-plane 4.6): revoke certificates || revoke ingress."""

from __future__ import annotations

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow_decider.workflows import outcome, steps


@flow.workflow(workflows.DELETE_LISTENERS)
class DeleteLoadBalancerListeners:
    """The rows are gone already; this takes away what only they needed. Nothing is compensated."""

    async def run(self, request: workflows.ListenersInput) -> workflows.Outcome:
        return await outcome.of(self._revoke(request))

    async def _revoke(self, request: workflows.ListenersInput) -> None:
        ingress = activities.listener_revoke_ingress
        if request.certificates:
            await steps.together(
                activities.listener_revoke_certificates(request.key), ingress(request.key, request.ports)
            )
        else:
            await ingress(request.key, request.ports)
