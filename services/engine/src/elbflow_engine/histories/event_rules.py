"""What each kind of event is made of (spec/swf-semantics 8): members that must be there, may be there, and links.

Written down from the specification, not from the engine: this is what the engine is measured with.
"""

from __future__ import annotations

from dataclasses import dataclass

_SETTINGS = "executionStartToCloseTimeout taskStartToCloseTimeout childPolicy taskList taskPriority? lambdaRole?"
_DTC = "decisionTaskCompletedEventId>DecisionTaskCompleted"
_DECISION = "scheduledEventId>DecisionTaskScheduled startedEventId>DecisionTaskStarted"
_ACTIVITY = "scheduledEventId>ActivityTaskScheduled startedEventId>ActivityTaskStarted"
_CHILD = "initiatedEventId>StartChildWorkflowExecutionInitiated"
_CHILD_CLOSED = (
    f"workflowExecution.workflowId workflowExecution.runId workflowType {_CHILD} "
    "startedEventId>ChildWorkflowExecutionStarted"
)
_REACHED = "workflowExecution.workflowId workflowExecution.runId"
_SIGNALED = "initiatedEventId>SignalExternalWorkflowExecutionInitiated"
_CANCELED = "initiatedEventId>RequestCancelExternalWorkflowExecutionInitiated"
_LAMBDA = "scheduledEventId>LambdaFunctionScheduled startedEventId>LambdaFunctionStarted"

# "name" must be there, "name?" may be, "name>Type" holds the id of such an event, "name>Type|0" that or a literal 0.
_TABLE = {
    "WorkflowExecutionStarted": f"{_SETTINGS} workflowType input? tagList? continuedExecutionRunId? "
    "parentWorkflowExecution? parentInitiatedEventId",
    "WorkflowExecutionSignaled": "signalName input? externalWorkflowExecution? externalInitiatedEventId",
    "WorkflowExecutionCancelRequested": "externalWorkflowExecution? externalInitiatedEventId cause?",
    "WorkflowExecutionCompleted": f"result? {_DTC}",
    "CompleteWorkflowExecutionFailed": f"cause {_DTC}",
    "WorkflowExecutionFailed": f"reason? details? {_DTC}",
    "FailWorkflowExecutionFailed": f"cause {_DTC}",
    "WorkflowExecutionCanceled": f"details? {_DTC}",
    "CancelWorkflowExecutionFailed": f"cause {_DTC}",
    "WorkflowExecutionContinuedAsNew": f"{_SETTINGS} input? newExecutionRunId tagList? workflowType {_DTC}",
    "ContinueAsNewWorkflowExecutionFailed": f"cause {_DTC}",
    "WorkflowExecutionTimedOut": "timeoutType childPolicy",
    "WorkflowExecutionTerminated": "reason? details? childPolicy cause",
    "DecisionTaskScheduled": "taskList taskPriority? startToCloseTimeout scheduleToStartTimeout",
    "DecisionTaskStarted": "identity? scheduledEventId>DecisionTaskScheduled",
    "DecisionTaskCompleted": f"executionContext? {_DECISION} taskList? taskListScheduleToStartTimeout?",
    "DecisionTaskTimedOut": f"timeoutType {_DECISION}|0",
    "ActivityTaskScheduled": "activityType activityId input? control? scheduleToStartTimeout scheduleToCloseTimeout "
    f"startToCloseTimeout heartbeatTimeout taskList taskPriority? {_DTC}",
    "ScheduleActivityTaskFailed": f"activityType activityId cause {_DTC}",
    "ActivityTaskStarted": "identity? scheduledEventId>ActivityTaskScheduled",
    "ActivityTaskCompleted": f"result? {_ACTIVITY}",
    "ActivityTaskFailed": f"reason? details? {_ACTIVITY}",
    "ActivityTaskTimedOut": f"timeoutType details? {_ACTIVITY}|0",
    "ActivityTaskCanceled": f"details? latestCancelRequestedEventId?>ActivityTaskCancelRequested {_ACTIVITY}|0",
    "ActivityTaskCancelRequested": f"activityId {_DTC}",
    "RequestCancelActivityTaskFailed": f"activityId cause {_DTC}",
    "MarkerRecorded": f"markerName details? {_DTC}",
    "RecordMarkerFailed": f"markerName cause {_DTC}",
    "TimerStarted": f"timerId control? startToFireTimeout {_DTC}",
    "StartTimerFailed": f"timerId cause {_DTC}",
    "TimerFired": "timerId startedEventId>TimerStarted",
    "TimerCanceled": f"timerId startedEventId>TimerStarted {_DTC}",
    "CancelTimerFailed": f"timerId cause {_DTC}",
    "StartChildWorkflowExecutionInitiated": f"{_SETTINGS} workflowId workflowType control? input? tagList? {_DTC}",
    "StartChildWorkflowExecutionFailed": f"workflowType cause workflowId control? {_DTC} {_CHILD}|0",
    "ChildWorkflowExecutionStarted": f"{_REACHED} workflowType {_CHILD}",
    "ChildWorkflowExecutionCompleted": f"result? {_CHILD_CLOSED}",
    "ChildWorkflowExecutionFailed": f"reason? details? {_CHILD_CLOSED}",
    "ChildWorkflowExecutionTimedOut": f"timeoutType {_CHILD_CLOSED}",
    "ChildWorkflowExecutionCanceled": f"details? {_CHILD_CLOSED}",
    "ChildWorkflowExecutionTerminated": _CHILD_CLOSED,
    "SignalExternalWorkflowExecutionInitiated": f"workflowId runId? signalName input? control? {_DTC}",
    "SignalExternalWorkflowExecutionFailed": f"workflowId runId? cause control? {_DTC} {_SIGNALED}|0",
    "ExternalWorkflowExecutionSignaled": f"{_REACHED} {_SIGNALED}",
    "RequestCancelExternalWorkflowExecutionInitiated": f"workflowId runId? control? {_DTC}",
    "RequestCancelExternalWorkflowExecutionFailed": f"workflowId runId? cause control? {_DTC} {_CANCELED}|0",
    "ExternalWorkflowExecutionCancelRequested": f"{_REACHED} {_CANCELED}",
    "LambdaFunctionScheduled": f"id name control? input? startToCloseTimeout? {_DTC}",
    "LambdaFunctionStarted": "scheduledEventId>LambdaFunctionScheduled",
    "LambdaFunctionCompleted": f"result? {_LAMBDA}",
    "LambdaFunctionFailed": f"reason? details? {_LAMBDA}",
    "LambdaFunctionTimedOut": f"timeoutType {_LAMBDA}",
    "ScheduleLambdaFunctionFailed": f"id name cause {_DTC}",
    "StartLambdaFunctionFailed": "scheduledEventId>LambdaFunctionScheduled cause message",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A member that names an earlier event of one type; ``zero``: it may say 0 instead."""

    target: str
    zero: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One event type: its attribute block, and the members of that. Nested members are ``outer.inner``."""

    block: str
    required: frozenset[str]
    allowed: frozenset[str]
    inner: tuple[tuple[str, str], ...]
    links: dict[str, Link]


def _rule(event_type: str, text: str) -> Rule:
    required, allowed, inner, links = set(), set(), [], {}
    for word in text.split():
        member, _, target = word.partition(">")
        name, _, within = member.removesuffix("?").partition(".")
        allowed.add(name)
        if not member.endswith("?"):
            required.add(name)
        if within:
            inner.append((name, within))
        if target:
            links[name] = Link(target.removesuffix("|0"), target.endswith("|0"))
    block = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
    return Rule(block, frozenset(required), frozenset(allowed), tuple(inner), links)


RULES = {event_type: _rule(event_type, text) for event_type, text in _TABLE.items()}

CLOSE = frozenset(
    f"WorkflowExecution{how}" for how in ("Completed", "Failed", "Canceled", "Terminated", "TimedOut", "ContinuedAsNew")
)

CLOSING_FAILED = frozenset(f"{how}WorkflowExecutionFailed" for how in ("Complete", "Fail", "Cancel", "ContinueAsNew"))

# Column D of the table: what a decider must be told. What a batch of decisions brings itself is told after the batch.
DEMANDING = frozenset(
    {
        "WorkflowExecutionStarted",
        "WorkflowExecutionSignaled",
        "WorkflowExecutionCancelRequested",
        "DecisionTaskTimedOut",
        "ActivityTaskCompleted",
        "ActivityTaskFailed",
        "ActivityTaskTimedOut",
        "ActivityTaskCanceled",
        "TimerFired",
        "ExternalWorkflowExecutionSignaled",
        "ExternalWorkflowExecutionCancelRequested",
        "LambdaFunctionCompleted",
        "LambdaFunctionFailed",
        "LambdaFunctionTimedOut",
    }
    | {name for name in _TABLE if name.endswith("Failed") and name not in CLOSE}
    | {name for name in _TABLE if name.startswith("ChildWorkflowExecution")}
)
