"""How each event changes the state of its execution.

The same functions run when an event is appended and when a history is read back, so a reloaded engine equals the one
that wrote it. Attributes were produced by this engine, so they are read without checks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import orjson

from elbflow_engine.core import choices, times
from elbflow_engine.core.model import ACTIVITY, DECISION, Activity, Child, DecisionState, Execution, Override, Timer

Attributes: TypeAlias = dict[str, Any]

CLOSE_STATUS = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
}


@functools.cache
def attributes_member(event_type: str) -> str:
    """Name of an event's attribute block on the wire."""
    return f"{event_type[0].lower()}{event_type[1:]}EventAttributes"


def apply(execution: Execution, event_id: int, ms: int, event_type: str, attributes: Attributes) -> None:
    """Advance the state by one event."""
    execution.last_ms = ms
    if event_type.startswith("ActivityTask"):
        execution.header.latest_activity_ms = ms
    change = _CHANGES.get(event_type)
    if change is not None:
        change(execution, event_id, ms, attributes)
    elif event_type in CLOSE_STATUS:
        _close(execution, event_id, ms, CLOSE_STATUS[event_type])


def unstart(execution: Execution, kind: str, scheduled_id: int) -> None:
    """Undo a Started event that was the last event (4.2); the caller takes the event itself away."""
    if kind == DECISION:
        execution.decision.started_id = 0
        execution.decision.started_ms = 0
        return
    assert kind == ACTIVITY
    activity = execution.activities[scheduled_id]
    activity.started_id = 0
    activity.started_ms = 0


def recall_times(execution: Execution) -> None:
    """Read the instants that depend on the last events back from the history, after one was taken away."""
    execution.last_ms = _ms(orjson.loads(execution.events[-1]))
    execution.header.latest_activity_ms = None
    for event in reversed(execution.events):
        if b'"eventType":"ActivityTask' in event:
            parsed = orjson.loads(event)
            if parsed["eventType"].startswith("ActivityTask"):
                execution.header.latest_activity_ms = _ms(parsed)
                return


def replay(execution: Execution, events: Sequence[bytes]) -> None:
    """Rebuild the state from a whole history."""
    for event_id, event in enumerate(events, start=1):
        parsed = orjson.loads(event)
        assert parsed["eventId"] == event_id, "the journal's history has a gap"
        execution.events.append(event)
        event_type = parsed["eventType"]
        apply(execution, event_id, _ms(parsed), event_type, parsed[attributes_member(event_type)])


def _ms(event: Attributes) -> int:
    return times.to_ms(event["eventTimestamp"])


def _cancel_requested(execution: Execution, _id: int, _ms: int, _attributes: Attributes) -> None:
    execution.header.cancel_requested = True


def _decision_scheduled(execution: Execution, event_id: int, ms: int, _attributes: Attributes) -> None:
    decision = execution.decision
    if decision.scheduled_id:
        decision.queued_id = event_id
    else:
        decision.scheduled_id = event_id
        decision.pollable_ms = ms


def _decision_started(execution: Execution, event_id: int, ms: int, _attributes: Attributes) -> None:
    execution.decision.started_id = event_id
    execution.decision.started_ms = ms


def _decision_completed(execution: Execution, _id: int, ms: int, attributes: Attributes) -> None:
    decision = execution.decision
    decision.previous_started_id = attributes["startedEventId"]
    if not choices.keeps_override(attributes):
        timeout = attributes.get("taskListScheduleToStartTimeout")
        decision.override = Override(attributes["taskList"]["name"], timeout)
    header = execution.header
    header.latest_context = choices.latest_context(header.latest_context, attributes.get("executionContext"))
    _promote(decision, ms)


def _decision_timed_out(execution: Execution, _id: int, ms: int, attributes: Attributes) -> None:
    decision = execution.decision
    if decision.override is not None and decision.override.schedule_to_start is not None:
        decision.override = None
    decision.previous_started_id = choices.previous_started_after_timeout(
        decision.previous_started_id, attributes["startedEventId"]
    )
    _promote(decision, ms)


def _promote(decision: DecisionState, ms: int) -> None:
    """The current decision task is over; one queued behind it becomes pollable."""
    decision.scheduled_id, decision.queued_id = decision.queued_id, 0
    decision.started_id = decision.started_ms = 0
    decision.pollable_ms = ms if decision.scheduled_id else 0


def _activity_scheduled(execution: Execution, event_id: int, ms: int, attributes: Attributes) -> None:
    activity_type = attributes["activityType"]
    execution.activities[event_id] = Activity(
        scheduled_id=event_id,
        activity_id=attributes["activityId"],
        activity_type=(activity_type["name"], activity_type["version"]),
        task_list=attributes["taskList"]["name"],
        priority=int(attributes.get("taskPriority", "0")),
        input=attributes.get("input"),
        scheduled_ms=ms,
        schedule_to_start=times.duration_ms(attributes["scheduleToStartTimeout"]),
        schedule_to_close=times.duration_ms(attributes["scheduleToCloseTimeout"]),
        start_to_close=times.duration_ms(attributes["startToCloseTimeout"]),
        heartbeat=times.duration_ms(attributes["heartbeatTimeout"]),
    )
    execution.activity_ids[attributes["activityId"]] = event_id


def _activity_started(execution: Execution, event_id: int, ms: int, attributes: Attributes) -> None:
    activity = execution.activities[attributes["scheduledEventId"]]
    activity.started_id = event_id
    activity.started_ms = ms


def _activity_cancel_requested(execution: Execution, event_id: int, _ms: int, attributes: Attributes) -> None:
    scheduled_id = execution.activity_ids[attributes["activityId"]]
    activity = execution.activities[scheduled_id]
    activity.cancel_requested_id = choices.repeated_activity_cancel(activity.cancel_requested_id, event_id)


def _activity_closed(execution: Execution, _id: int, _ms: int, attributes: Attributes) -> None:
    activity = execution.activities.pop(attributes["scheduledEventId"])
    del execution.activity_ids[activity.activity_id]


def _timer_started(execution: Execution, event_id: int, ms: int, attributes: Attributes) -> None:
    fires_ms = ms + int(attributes["startToFireTimeout"]) * 1000
    execution.timers[event_id] = Timer(event_id, attributes["timerId"], fires_ms)
    execution.timer_ids[attributes["timerId"]] = event_id


def _timer_closed(execution: Execution, _id: int, _ms: int, attributes: Attributes) -> None:
    del execution.timers[attributes["startedEventId"]]
    del execution.timer_ids[attributes["timerId"]]


def _child_initiated(execution: Execution, event_id: int, _ms: int, attributes: Attributes) -> None:
    workflow_type = attributes["workflowType"]
    execution.children[event_id] = Child(
        event_id, attributes["workflowId"], (workflow_type["name"], workflow_type["version"])
    )


def _child_started(execution: Execution, event_id: int, _ms: int, attributes: Attributes) -> None:
    child = execution.children[attributes["initiatedEventId"]]
    child.started_id = event_id
    child.run_id = attributes["workflowExecution"]["runId"]


def _child_closed(execution: Execution, _id: int, _ms: int, attributes: Attributes) -> None:
    execution.children.pop(attributes["initiatedEventId"], None)


def _close(execution: Execution, event_id: int, ms: int, status: str) -> None:
    """Nothing of a closed execution is open any more (3.5)."""
    execution.header.close_status = status
    execution.header.close_ms = ms
    execution.header.events = event_id
    execution.decision = DecisionState()
    for table in (execution.activities, execution.timers, execution.children):
        table.clear()
    execution.activity_ids.clear()
    execution.timer_ids.clear()


_Change: TypeAlias = Callable[[Execution, int, int, Attributes], None]

_CHANGES: dict[str, _Change] = {
    "WorkflowExecutionCancelRequested": _cancel_requested,
    "DecisionTaskScheduled": _decision_scheduled,
    "DecisionTaskStarted": _decision_started,
    "DecisionTaskCompleted": _decision_completed,
    "DecisionTaskTimedOut": _decision_timed_out,
    "ActivityTaskScheduled": _activity_scheduled,
    "ActivityTaskStarted": _activity_started,
    "ActivityTaskCancelRequested": _activity_cancel_requested,
    "ActivityTaskCompleted": _activity_closed,
    "ActivityTaskFailed": _activity_closed,
    "ActivityTaskTimedOut": _activity_closed,
    "ActivityTaskCanceled": _activity_closed,
    "TimerStarted": _timer_started,
    "TimerFired": _timer_closed,
    "TimerCanceled": _timer_closed,
    "StartChildWorkflowExecutionInitiated": _child_initiated,
    "StartChildWorkflowExecutionFailed": _child_closed,
    "ChildWorkflowExecutionStarted": _child_started,
    "ChildWorkflowExecutionCompleted": _child_closed,
    "ChildWorkflowExecutionFailed": _child_closed,
    "ChildWorkflowExecutionTimedOut": _child_closed,
    "ChildWorkflowExecutionCanceled": _child_closed,
    "ChildWorkflowExecutionTerminated": _child_closed,
}
