"""SetLoadBalancerListenerSSLCertificate (spec/elb-control-plane 1.8).

::

    check certificate ──> authorize it ──> push ──> revoke what no listener needs any more
"""

from __future__ import annotations

import contextlib

from elbflow import flow
from elbflow.contract import activities, workflows
from elbflow_decider.workflows import outcome, steps


@flow.workflow(workflows.SET_CERTIFICATE)
class SetLoadBalancerListenerSSLCertificate:
    """Compensates in reverse order; the listener's row, which has the new certificate already, goes last."""

    async def run(self, request: workflows.CertificateInput) -> workflows.Outcome:
        return await outcome.of(self._set(request))

    async def _set(self, request: workflows.CertificateInput) -> None:
        key, ports = request.key, (request.port,)
        async with flow.compensate() as undo:
            undo.push(
                activities.listener_certificate_rollback,
                key,
                request.port,
                request.certificate_arn,
                request.former_arn,
            )
            await activities.listener_check_certificates(key, ports)
            renamed = request.former_arn == request.certificate_arn
            if renamed and flow.patched("renamed-certificates-stay"):  # There is no way back, so nothing is undone.
                await activities.listener_authorize_certificates(key, ports)
            else:
                await steps.authorize_certificates(undo, key, ports)
            # Only now: a VM that may not fetch the certificate yet could not serve the listener.
            await activities.listener_certificate_commit(key)
        # The certificate is changed whatever becomes of this; a permission too many goes with the next change.
        with contextlib.suppress(flow.ActivityError):
            await activities.listener_revoke_certificates(key)
