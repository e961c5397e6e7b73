"""The four decisions that close an execution (spec/swf-semantics 7.3-7.6).

Each fails with UNHANDLED_DECISION when something reached the history that this decision task has not shown.
"""

from __future__ import annotations

from elbflow_engine.core import api, defaults, lifecycle, members, plan
from elbflow_engine.core.decisions.batch import Batch

_UNHANDLED = "UNHANDLED_DECISION"


def complete(batch: Batch, attributes: api.Object) -> None:
    _close(batch, "CompleteWorkflowExecutionFailed", "WorkflowExecutionCompleted", attributes, "result")


def fail(batch: Batch, attributes: api.Object) -> None:
    _close(batch, "FailWorkflowExecutionFailed", "WorkflowExecutionFailed", attributes, "reason", "details")


def cancel(batch: Batch, attributes: api.Object) -> None:
    _close(batch, "CancelWorkflowExecutionFailed", "WorkflowExecutionCanceled", attributes, "details")


def continue_as_new(batch: Batch, attributes: api.Object) -> None:
    """Close and start the successor; its values come from the type, never from the current run (9.1)."""
    header = batch.execution.header
    if batch.unhandled:
        batch.fail("ContinueAsNewWorkflowExecutionFailed", _UNHANDLED, {})
        return
    version = members.filled(attributes, "workflowTypeVersion") or header.workflow_type[1]
    key = (header.workflow_type[0], version)
    try:
        settings = defaults.for_decision(batch.domain, key, attributes)
    except defaults.Undefined as undefined:
        batch.fail("ContinueAsNewWorkflowExecutionFailed", undefined.cause, {})
        return
    planned = plan.Plan(
        account=header.account,
        domain=header.domain,
        workflow_id=header.workflow_id,
        workflow_type=key,
        settings=settings,
        input=members.maybe_text(attributes, "input"),
        tags=members.texts(attributes, "tagList"),
        parent=header.parent,
        parent_initiated_id=header.parent_initiated_id,
        continued_run_id=header.run_id,
    )
    lifecycle.continue_as_new(batch.work, batch.execution, planned, batch.completed_id)


def _close(batch: Batch, failed: str, closed: str, attributes: api.Object, *echoed: str) -> None:
    if batch.unhandled:
        batch.fail(failed, _UNHANDLED, {})
        return
    event: dict[str, object] = {"decisionTaskCompletedEventId": batch.completed_id}
    lifecycle.close(batch.work, batch.execution, closed, event | members.given(attributes, *echoed))
