"""Workflows made of steps that touch every kind of open item, and the decider that drives them.

The plan is the input of the execution; where it stands is read from its history alone, so any decider process can go
on after any crash.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeAlias

import orjson

from elbflow_engine import histories
from elbflow_engine.testing import decision

Event: TypeAlias = dict[str, Any]

DOMAIN = "soak"
TYPE: dict[str, Any] = {"name": "steps", "version": "1"}
ACTIVITY: dict[str, Any] = {"name": "work", "version": "1"}
DECISIONS, WORK = "decisions", "work"
DECISION_TIMEOUT_S = 3
STEPS = ("activity", "activity", "fan", "timer", "marker", "child", "signal", "beat")
FAN = 3

_DONE = {
    "ActivityTaskCompleted": "scheduledEventId",
    "ActivityTaskFailed": "scheduledEventId",
    "ActivityTaskTimedOut": "scheduledEventId",
    "ActivityTaskCanceled": "scheduledEventId",
    "TimerFired": "startedEventId",
    "ChildWorkflowExecutionCompleted": "initiatedEventId",
    "ChildWorkflowExecutionFailed": "initiatedEventId",
    "ChildWorkflowExecutionTimedOut": "initiatedEventId",
    "ChildWorkflowExecutionCanceled": "initiatedEventId",
    "ChildWorkflowExecutionTerminated": "initiatedEventId",
    "StartChildWorkflowExecutionFailed": "initiatedEventId",
    "ExternalWorkflowExecutionSignaled": "initiatedEventId",
    "SignalExternalWorkflowExecutionFailed": "initiatedEventId",
}
_BEGUN = (
    "ActivityTaskScheduled",
    "TimerStarted",
    "StartChildWorkflowExecutionInitiated",
    "SignalExternalWorkflowExecutionInitiated",
    "MarkerRecorded",
)


def plan(chance: random.Random, most: int) -> dict[str, Any]:
    """A random plan: at most ``most`` steps, and how often it continues as new."""
    again = chance.choice((0, 0, 0, 1, most // 2))
    return {"steps": chance.choices(STEPS, k=chance.randint(1, most)), "again": again}


def configuration() -> dict[str, Any]:
    """Members of a start that are the same for all."""
    return {"workflowType": TYPE, "taskList": {"name": DECISIONS}}


def decide(workflow_id: str, events: Sequence[Event]) -> list[Event]:
    """The decisions of a decision task with the whole history ``events``."""
    given = orjson.loads(histories.attributes(events[0])["input"])
    position = _position(events)
    if position is None:
        return []
    if any(event["eventType"] == "WorkflowExecutionCancelRequested" for event in events):
        return [decision("CancelWorkflowExecution", details="as requested")]
    if position < len(given["steps"]):
        return _begin(workflow_id, given["steps"][position], position)
    if given["again"]:
        following = orjson.dumps(given | {"again": given["again"] - 1}).decode()
        return [decision("ContinueAsNewWorkflowExecution", input=following)]
    return [decision("CompleteWorkflowExecution", result=str(position))]


def _position(events: Sequence[Event]) -> int | None:
    """The next step to begin; None while one is under way."""
    open_items: set[int] = set()
    begun: set[str] = set()
    for event in events:
        kind = event["eventType"]
        if kind in _BEGUN:
            begun.add(_step_of(kind, histories.attributes(event)))
            if kind != "MarkerRecorded":
                open_items.add(event["eventId"])
        elif kind in _DONE:
            open_items.discard(histories.attributes(event)[_DONE[kind]])
    return None if open_items else len(begun)


def _step_of(kind: str, block: dict[str, Any]) -> str:
    names = {"ActivityTaskScheduled": "activityId", "TimerStarted": "timerId", "MarkerRecorded": "markerName"}
    name = block[names[kind]] if kind in names else block["control"]
    return str(name).partition(".")[0]


def _begin(workflow_id: str, step: str, number: int) -> list[Event]:
    name = str(number)
    match step:
        case "activity":
            return [_activity(name)]
        case "beat":
            return [_activity(name, heartbeatTimeout="1")]
        case "fan":
            return [_activity(f"{name}.{one}") for one in range(FAN)]
        case "timer":
            return [decision("StartTimer", timerId=name, startToFireTimeout="1")]
        case "marker":
            return [decision("RecordMarker", markerName=name), _activity(f"{name}.after")]
        case "child":
            return [_child(workflow_id, name)]
        case _:
            target = workflow_id.rpartition("-")[0] or workflow_id
            return [
                decision("SignalExternalWorkflowExecution", workflowId=target, signalName="from-outside", control=name)
            ]


def _activity(activity_id: str, **more: str) -> Event:
    timeouts = {"startToCloseTimeout": "2", "heartbeatTimeout": "NONE", "scheduleToStartTimeout": "NONE"}
    return decision(
        "ScheduleActivityTask",
        activityType=ACTIVITY,
        activityId=activity_id,
        taskList={"name": WORK},
        scheduleToCloseTimeout="NONE",
        **timeouts | more,
    )


def _child(workflow_id: str, name: str) -> Event:
    return decision(
        "StartChildWorkflowExecution",
        **configuration(),
        workflowId=f"{workflow_id}-{name}",
        input=orjson.dumps({"steps": ["activity"], "again": 0}).decode(),
        control=name,
    )
