"""SignalExternal- and RequestCancelExternalWorkflowExecution (spec/swf-semantics 7.10, 7.11)."""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import api, choices, members
from elbflow_engine.core import external as deliveries
from elbflow_engine.core.decisions.batch import Batch

_SIGNAL = "SignalExternalWorkflowExecution"
_CANCEL = "RequestCancelExternalWorkflowExecution"


def signal(batch: Batch, attributes: api.Object) -> None:
    """Announce a signal to another execution; it is delivered after the batch."""
    failure = _failure(batch, attributes)
    if _refused(batch, _SIGNAL, "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED", failure):
        return
    content: dict[str, object] = {
        "signalName": members.text(attributes, "signalName"),
        **members.given(attributes, "input"),
    }
    initiated_id = batch.append(f"{_SIGNAL}Initiated", _target_members(attributes) | content)
    batch.work.deliveries.append(
        deliveries.signal_delivery(batch.execution, _target(attributes), content, initiated_id, failure)
    )


def request_cancel(batch: Batch, attributes: api.Object) -> None:
    """Announce a cancel request to another execution; it is delivered after the batch."""
    failure = _failure(batch, attributes)
    if _refused(batch, _CANCEL, "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED", failure):
        return
    initiated_id = batch.append(f"{_CANCEL}Initiated", _target_members(attributes))
    batch.work.deliveries.append(
        deliveries.cancel_delivery(batch.execution, _target(attributes), initiated_id, failure)
    )


def _refused(batch: Batch, decision_type: str, too_often: str, failure: dict[str, object]) -> bool:
    """Whether it must not even be announced; the failure is recorded then."""
    cause = choices.first_cause(_obstacles(batch, decision_type, too_often))
    if cause is not None:
        batch.fail(f"{decision_type}Failed", cause, failure | {"initiatedEventId": choices.NOT_INITIATED})
    return cause is not None


def _obstacles(batch: Batch, decision_type: str, too_often: str) -> Iterator[str]:
    yield from batch.denied(decision_type)
    if not batch.admit(decision_type):
        yield too_often


def _target(attributes: api.Object) -> tuple[str, str | None]:
    return members.text(attributes, "workflowId"), members.filled(attributes, "runId")


def _target_members(attributes: api.Object) -> dict[str, object]:
    workflow_id, run_id = _target(attributes)
    named: dict[str, object] = {"workflowId": workflow_id, **members.given(attributes, "control")}
    return named if run_id is None else named | {"runId": run_id}


def _failure(batch: Batch, attributes: api.Object) -> dict[str, object]:
    """Attributes of a failure event but for its cause and initiated event."""
    return _target_members(attributes) | {"decisionTaskCompletedEventId": batch.completed_id}
