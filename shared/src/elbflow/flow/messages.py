"""Signals and cancellation requests from a workflow to other executions (spec/swf-semantics 3.10)."""

from __future__ import annotations

from dataclasses import dataclass

from elbflow import swf
from elbflow.flow import codec, context
from elbflow.flow.cancelling import outcome_of
from elbflow.flow.core.external import External, request_cancel
from elbflow.flow.signatures import In, SignalSignature


@dataclass(frozen=True, slots=True)
class ExternalHandle:
    """An execution of the same domain, of whatever origin. Without ``run_id``: the open one of that workflow id."""

    workflow_id: str
    run_id: str | None = None

    async def signal(self, signature: SignalSignature[In], value: In) -> None:
        """Signal the execution; returns when SWF has delivered it.

        Raises :class:`errors.ExternalRefused` when no such execution is open, :class:`errors.PayloadTooLarge`.
        Cancelled here, the signal may be delivered all the same.
        """
        attributes: dict[str, swf.Json] = {
            "workflowId": self.workflow_id,
            "signalName": signature.name,
            "input": codec.encode(value, signature.input_type, field="input"),
        }
        if self.run_id is not None:
            attributes["runId"] = self.run_id
        await _sent(swf.Decision("SignalExternalWorkflowExecution", attributes))

    async def request_cancel(self) -> None:
        """Ask the execution to cancel itself; returns when SWF has delivered that. Errors as of :meth:`signal`."""
        await _sent(request_cancel(self.workflow_id, self.run_id))


def external(workflow_id: str, run_id: str | None = None) -> ExternalHandle:
    """A handle on another execution, to be used inside a workflow."""
    return ExternalHandle(workflow_id, run_id)


async def _sent(decision: swf.Decision) -> None:
    instance = context.current()
    with instance.busy():
        message = External(instance, decision)
        await outcome_of(message.outcome, message.cancel)
