"""The four decisions that close an execution (spec/swf-semantics 7.3-7.6)."""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import api, choices, defaults, lifecycle, members, plan
from elbflow_engine.core.decisions.batch import Batch


def complete(batch: Batch, attributes: api.Object) -> None:
    """Close COMPLETED, or record why not."""
    _close(batch, "CompleteWorkflowExecution", "WorkflowExecutionCompleted", attributes, "result")


def fail(batch: Batch, attributes: api.Object) -> None:
    """Close FAILED, or record why not."""
    _close(batch, "FailWorkflowExecution", "WorkflowExecutionFailed", attributes, "reason", "details")


def cancel(batch: Batch, attributes: api.Object) -> None:
    """Close CANCELED, or record why not. Our choice: nobody need have requested it (7.5)."""
    _close(batch, "CancelWorkflowExecution", "WorkflowExecutionCanceled", attributes, "details")


def continue_as_new(batch: Batch, attributes: api.Object) -> None:
    """Close and start the successor; its values come from the type, never from the current run (9.1)."""
    header = batch.execution.header
    version = members.filled(attributes, "workflowTypeVersion") or header.workflow_type[1]
    key = (header.workflow_type[0], version)
    settings = defaults.for_decision(batch.domain, key, attributes)
    cause = choices.first_cause(_continue_obstacles(batch, settings))
    if cause is not None or isinstance(settings, defaults.Undefined):
        batch.fail("ContinueAsNewWorkflowExecutionFailed", str(cause), {})
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


def _close(batch: Batch, decision_type: str, closed: str, attributes: api.Object, *echoed: str) -> None:
    cause = choices.first_cause(_obstacles(batch, decision_type))
    if cause is not None:
        batch.fail(f"{decision_type}Failed", cause, {})
        return
    event: dict[str, object] = {"decisionTaskCompletedEventId": batch.completed_id}
    lifecycle.close(batch.work, batch.execution, closed, event | members.given(attributes, *echoed))


def _obstacles(batch: Batch, decision_type: str) -> Iterator[str]:
    yield from batch.denied(decision_type)
    if choices.blocks_close(queued=batch.unhandled, failed_in_batch=batch.demanded):
        yield "UNHANDLED_DECISION"


def _continue_obstacles(batch: Batch, settings: object) -> Iterator[str]:
    yield from _obstacles(batch, "ContinueAsNewWorkflowExecution")
    if isinstance(settings, defaults.Undefined):
        yield settings.cause
    if not batch.admit("ContinueAsNewWorkflowExecution"):
        yield "CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED"
