"""SignalExternal- and RequestCancelExternalWorkflowExecution (spec/swf-semantics 7.10, 7.11)."""

from __future__ import annotations

from elbflow_engine.core import api, members
from elbflow_engine.core import external as deliveries
from elbflow_engine.core.decisions.batch import Batch


def signal(batch: Batch, attributes: api.Object) -> None:
    """Announce a signal to another execution; it is delivered after the batch."""
    failure = _failure(batch, attributes)
    if not batch.admit("SignalExternalWorkflowExecution"):
        cause = "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"
        batch.fail("SignalExternalWorkflowExecutionFailed", cause, failure | {"initiatedEventId": 0})
        return
    content: dict[str, object] = {
        "signalName": members.text(attributes, "signalName"),
        **members.given(attributes, "input"),
    }
    initiated_id = batch.append("SignalExternalWorkflowExecutionInitiated", _target_members(attributes) | content)
    batch.work.deliveries.append(
        deliveries.signal_delivery(batch.execution, _target(attributes), content, initiated_id, failure)
    )


def request_cancel(batch: Batch, attributes: api.Object) -> None:
    """Announce a cancel request to another execution; it is delivered after the batch."""
    failure = _failure(batch, attributes)
    if not batch.admit("RequestCancelExternalWorkflowExecution"):
        cause = "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"
        batch.fail("RequestCancelExternalWorkflowExecutionFailed", cause, failure | {"initiatedEventId": 0})
        return
    initiated_id = batch.append("RequestCancelExternalWorkflowExecutionInitiated", _target_members(attributes))
    batch.work.deliveries.append(
        deliveries.cancel_delivery(batch.execution, _target(attributes), initiated_id, failure)
    )


def _target(attributes: api.Object) -> tuple[str, str | None]:
    return members.text(attributes, "workflowId"), members.filled(attributes, "runId")


def _target_members(attributes: api.Object) -> dict[str, object]:
    workflow_id, run_id = _target(attributes)
    named: dict[str, object] = {"workflowId": workflow_id, **members.given(attributes, "control")}
    return named if run_id is None else named | {"runId": run_id}


def _failure(batch: Batch, attributes: api.Object) -> dict[str, object]:
    """Attributes of a failure event but for its cause and initiated event."""
    return _target_members(attributes) | {"decisionTaskCompletedEventId": batch.completed_id}
