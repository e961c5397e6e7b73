"""What decisions do to the history of the execution that took them (spec/swf-semantics 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow.testing import entities

if TYPE_CHECKING:
    from elbflow.flow.testing.swf_run import SwfRun

CLOSES = {
    "CompleteWorkflowExecution": "WorkflowExecutionCompleted",
    "FailWorkflowExecution": "WorkflowExecutionFailed",
    "CancelWorkflowExecution": "WorkflowExecutionCanceled",
    "ContinueAsNewWorkflowExecution": "WorkflowExecutionContinuedAsNew",
}
_NO_LIMITS: swf.Attributes = {"taskList": {"name": "default"}}


def carry_out(run: SwfRun, decision: swf.Decision, completed: int) -> bool:
    """Append the events of one decision; whether they demand another decision (3.3)."""
    link: dict[str, swf.Json] = {"decisionTaskCompletedEventId": completed}
    if decision.type in CLOSES:
        return _close(run, decision, run.refuse(decision), link)
    if decision.type not in _RULES:
        raise swf.Invalid(decision.type)
    return _RULES[decision.type](run, decision, run.refuse(decision), link)


def _close(run: SwfRun, decision: swf.Decision, cause: str | None, link: dict[str, swf.Json]) -> bool:
    cause = "UNHANDLED_DECISION" if run.has_news else cause
    if cause is not None:
        run.append(f"{decision.type}Failed", {"cause": cause, **link})
        return True
    attributes = dict(decision.attributes)
    if decision.type == "ContinueAsNewWorkflowExecution":
        version = attributes.pop("workflowTypeVersion", run.workflow_type.version)
        attributes["workflowType"] = {"name": run.workflow_type.name, "version": version}
        attributes["newExecutionRunId"] = f"{run.execution.run_id}-next"
    run.append(CLOSES[decision.type], {**attributes, **link})
    run.closed = CLOSES[decision.type]
    return False


def _schedule(run: SwfRun, decision: swf.Decision, cause: str | None, link: dict[str, swf.Json]) -> bool:
    wanted = decision.attributes
    activity_id = str(wanted["activityId"])
    if any(activity.activity_id == activity_id for activity in run.activities.values()):
        cause = "ACTIVITY_ID_ALREADY_IN_USE"
    if cause is not None:
        failed = {"activityType": wanted["activityType"], "activityId": activity_id, "cause": cause, **link}
        run.append("ScheduleActivityTaskFailed", failed)
        return True
    event_id = run.append("ActivityTaskScheduled", {**_NO_LIMITS, **wanted, **link})
    text = wanted.get("input")
    run.activities[event_id] = entities.OpenActivity(
        activity_id,
        entities.type_of(wanted, "activityType"),
        text if isinstance(text, str) else None,
        event_id,
        run.now,
        entities.limits_of(wanted),
    )
    return False


def _cancel_activity(run: SwfRun, decision: swf.Decision, cause: str | None, link: dict[str, swf.Json]) -> bool:
    wanted = decision.attributes
    found = [open_ for open_ in run.activities.values() if open_.activity_id == wanted["activityId"]]
    if not found or cause is not None:
        run.append("RequestCancelActivityTaskFailed", {**wanted, "cause": cause or "ACTIVITY_ID_UNKNOWN", **link})
        return True
    activity = found[0]
    activity.cancel_request_id = run.append("ActivityTaskCancelRequested", {**wanted, **link})
    if activity.started_id:
        return False
    del run.activities[activity.scheduled_id]
    canceled: swf.Attributes = {
        "scheduledEventId": activity.scheduled_id,
        "startedEventId": 0,
        "latestCancelRequestedEventId": activity.cancel_request_id,
    }
    run.append("ActivityTaskCanceled", canceled)
    return True


def _start_timer(run: SwfRun, decision: swf.Decision, cause: str | None, link: dict[str, swf.Json]) -> bool:
    wanted = decision.attributes
    timer_id = str(wanted["timerId"])
    if timer_id in run.timers:
        cause = "TIMER_ID_ALREADY_IN_USE"
    if cause is not None:
        run.append("StartTimerFailed", {"timerId": timer_id, "cause": cause, **link})
        return True
    event_id = run.append("TimerStarted", {**wanted, **link})
    run.timers[timer_id] = entities.OpenTimer(timer_id, event_id, run.now + int(str(wanted["startToFireTimeout"])))
    return False


def _cancel_timer(run: SwfRun, decision: swf.Decision, cause: str | None, link: dict[str, swf.Json]) -> bool:
    wanted = decision.attributes
    timer = run.timers.pop(str(wanted["timerId"]), None)
    if timer is None or cause is not None:
        run.append("CancelTimerFailed", {**wanted, "cause": cause or "TIMER_ID_UNKNOWN", **link})
        return True
    run.append("TimerCanceled", {**wanted, "startedEventId": timer.started_id, **link})
    return False


def _record_marker(run: SwfRun, decision: swf.Decision, cause: str | None, link: dict[str, swf.Json]) -> bool:
    if cause is not None:
        run.append("RecordMarkerFailed", {"markerName": decision.attributes["markerName"], "cause": cause, **link})
        return True
    run.append("MarkerRecorded", {**decision.attributes, **link})
    return False


def _ask_others(run: SwfRun, decision: swf.Decision, cause: str | None, link: dict[str, swf.Json]) -> bool:
    """A child, or a signal or cancel request to another execution: announced here, done by whoever has the others."""
    wanted = {**decision.attributes, **link}
    if cause is not None:
        run.append(f"{decision.type}Failed", entities.Request(decision.type, 0, wanted).failure(cause))
        return True
    if decision.type == "StartChildWorkflowExecution":
        inherited = ("executionStartToCloseTimeout", "taskList", "taskStartToCloseTimeout", "childPolicy")
        wanted = {**{name: run.settings[name] for name in inherited}, **wanted}
    initiated_id = run.append(f"{decision.type}Initiated", wanted)
    run.requests[initiated_id] = entities.Request(decision.type, initiated_id, wanted)
    if decision.type == "StartChildWorkflowExecution":
        kind = entities.type_of(wanted, "workflowType")
        run.children[initiated_id] = entities.OpenChild(str(wanted["workflowId"]), kind, initiated_id)
    return False


_RULES: dict[str, Callable[[SwfRun, swf.Decision, str | None, dict[str, swf.Json]], bool]] = {
    "ScheduleActivityTask": _schedule,
    "RequestCancelActivityTask": _cancel_activity,
    "StartTimer": _start_timer,
    "CancelTimer": _cancel_timer,
    "RecordMarker": _record_marker,
    "StartChildWorkflowExecution": _ask_others,
    "SignalExternalWorkflowExecution": _ask_others,
    "RequestCancelExternalWorkflowExecution": _ask_others,
}
