"""Which events answer which decision, and what of it replay must repeat (spec/swf-semantics 7).

Time limits, priorities and child policies are not compared: they tune a run and may change under it.
"""

from __future__ import annotations

from typing import NamedTuple

_TABLE = """
ScheduleActivityTask: ActivityTaskScheduled: activityType activityId: input taskList
RequestCancelActivityTask: ActivityTaskCancelRequested: activityId:
StartTimer: TimerStarted: timerId: startToFireTimeout
CancelTimer: TimerCanceled: timerId:
ScheduleLambdaFunction: LambdaFunctionScheduled: id:
RecordMarker: MarkerRecorded: markerName: details
StartChildWorkflowExecution: StartChildWorkflowExecutionInitiated: workflowType workflowId: input taskList tagList
SignalExternalWorkflowExecution: SignalExternalWorkflowExecutionInitiated: workflowId: runId signalName input
RequestCancelExternalWorkflowExecution: RequestCancelExternalWorkflowExecutionInitiated: workflowId: runId
CompleteWorkflowExecution: WorkflowExecutionCompleted: : result
FailWorkflowExecution: WorkflowExecutionFailed: : reason details
CancelWorkflowExecution: WorkflowExecutionCanceled: : details
ContinueAsNewWorkflowExecution: WorkflowExecutionContinuedAsNew WorkflowExecutionCompleted: : input tagList
"""
# Eucalyptus records a completion where AWS records the continuation (spec/swf-semantics 9.1).


class Form(NamedTuple):
    """``success`` events record a decision and repeat its ``attributes``; a refusal only ``names``, the entity's."""

    success: list[str]
    names: list[str]
    attributes: list[str]


def _form(success: str, names: str, others: str) -> Form:
    return Form(success.split(), names.split(), f"{names} {others}".split())


_ROWS = (row.split(":") for row in _TABLE.strip().splitlines())
FORMS = {decision: _form(*columns) for decision, *columns in _ROWS}
"""By decision type. Whatever a decision is, its refusal is the event of its name and ``Failed``."""

ANSWERS = frozenset(event for form in FORMS.values() for event in form.success)
REFUSALS = frozenset(f"{decision}Failed" for decision in FORMS)
CLOSES = frozenset(decision for decision, form in FORMS.items() if not form.names)
REFUSED_CLOSES = frozenset(f"{decision}Failed" for decision in CLOSES)
MORTAL = frozenset(list(FORMS)[:5])
"""What ends with the execution that asked for it. All else concerns other executions, or the history itself."""
