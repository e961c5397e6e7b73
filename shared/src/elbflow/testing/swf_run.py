"""One SWF execution in memory, on virtual time: what history does with stimuli and decisions.

Follows spec/swf-semantics 3 and 7 as far as one execution goes. The caller says what happens and when; nothing happens
by itself. For whole systems use the engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from elbflow import swf

_CLOSES = {
    "CompleteWorkflowExecution": "WorkflowExecutionCompleted",
    "FailWorkflowExecution": "WorkflowExecutionFailed",
    "CancelWorkflowExecution": "WorkflowExecutionCanceled",
    "ContinueAsNewWorkflowExecution": "WorkflowExecutionContinuedAsNew",
}


@dataclass(slots=True)
class OpenActivity:
    """An activity that SWF waits for."""

    activity_id: str
    activity_type: swf.TypeId
    input: str | None
    scheduled_id: int
    started_id: int = 0
    cancel_request_id: int = 0


@dataclass(slots=True)
class OpenTimer:
    """A running timer; ``due`` in epoch seconds."""

    timer_id: str
    started_id: int
    due: float


@dataclass(slots=True)
class SwfRun:
    """An execution and its history. ``refuse`` may name a cause with which SWF refuses a decision."""

    workflow_type: swf.TypeId
    input: str | None = None
    tags: tuple[str, ...] = ()
    execution: swf.Execution = field(default_factory=lambda: swf.Execution("workflow-1", "run-1"))
    now: float = 1_700_000_000.0
    refuse: Callable[[swf.Decision], str | None] = lambda decision: None
    events: list[swf.HistoryEvent] = field(default_factory=list)
    activities: dict[int, OpenActivity] = field(default_factory=dict)
    timers: dict[str, OpenTimer] = field(default_factory=dict)
    closed: str | None = None
    execution_context: str | None = None
    _scheduled_id: int | None = None
    _started_id: int | None = None
    _queued_id: int | None = None
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        attributes: dict[str, swf.Json] = {
            "workflowType": {"name": self.workflow_type.name, "version": self.workflow_type.version},
            "taskList": {"name": "decisions"},
            "executionStartToCloseTimeout": "3600",
            "taskStartToCloseTimeout": "60",
            "childPolicy": "TERMINATE",
            "parentInitiatedEventId": 0,
            "tagList": list(self.tags),
        }
        if self.input is not None:
            attributes["input"] = self.input
        self._append("WorkflowExecutionStarted", attributes)
        self._need_decision()

    # --- decision tasks ----------------------------------------------------------------------------------------

    @property
    def decision_waits(self) -> bool:
        return self.closed is None and self._scheduled_id is not None and self._started_id is None

    @property
    def decision_runs(self) -> bool:
        return self.closed is None and self._started_id is not None

    def poll(self) -> tuple[swf.HistoryEvent, ...]:
        """Start the waiting decision task and give its history."""
        assert self.decision_waits
        self._started_id = self._append("DecisionTaskStarted", {"scheduledEventId": self._scheduled_id})
        return tuple(self.events)

    def time_out_decision(self) -> None:
        assert self.decision_runs
        self._append(
            "DecisionTaskTimedOut",
            {
                "timeoutType": "START_TO_CLOSE",
                "scheduledEventId": self._scheduled_id,
                "startedEventId": self._started_id,
            },
        )
        self._finish(force=True)

    def respond(self, decisions: Sequence[swf.Decision], execution_context: str | None = None) -> None:
        """Complete the started decision task. Raises UnknownResource when there is none."""
        if not self.decision_runs:
            raise swf.UnknownResource("Unknown decision task")
        if any(decision.type in _CLOSES for decision in decisions[:-1]):
            raise swf.Invalid("Close must be last decision in list")
        attributes: dict[str, swf.Json] = {"scheduledEventId": self._scheduled_id, "startedEventId": self._started_id}
        if execution_context is not None:
            attributes["executionContext"] = self.execution_context = execution_context
        completed = self._append("DecisionTaskCompleted", attributes)
        demands = [self._carry_out(decision, completed) for decision in decisions]
        self._finish(force=any(demands))

    # --- what happens outside ----------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass; due timers do not fire by themselves."""
        self.now = round(self.now + seconds, 3)

    def signal(self, name: str, input_: str | None = None) -> None:
        attributes: dict[str, swf.Json] = {"signalName": name, "externalInitiatedEventId": 0}
        if input_ is not None:
            attributes["input"] = input_
        self._stimulus("WorkflowExecutionSignaled", attributes)

    def request_cancel(self) -> None:
        self._stimulus("WorkflowExecutionCancelRequested", {"externalInitiatedEventId": 0})

    def start_activity(self, scheduled_id: int) -> OpenActivity:
        activity = self.activities[scheduled_id]
        activity.started_id = self._append("ActivityTaskStarted", {"scheduledEventId": scheduled_id})
        return activity

    def close_activity(self, scheduled_id: int, outcome: str, **attributes: str | None) -> None:
        """``outcome`` is Completed, Failed, TimedOut or Canceled; ``attributes`` are those of the event."""
        activity = self.activities.pop(scheduled_id)
        said: dict[str, swf.Json] = {name: value for name, value in attributes.items() if value is not None}
        said |= {"scheduledEventId": scheduled_id, "startedEventId": activity.started_id}
        self._stimulus(f"ActivityTask{outcome}", said)

    def fire(self, timer_id: str) -> None:
        """Fire a timer, moving time to its deadline if that lies ahead."""
        timer = self.timers.pop(timer_id)
        self.now = max(self.now, timer.due)
        self._stimulus("TimerFired", {"timerId": timer_id, "startedEventId": timer.started_id})

    def terminate(self) -> None:
        self._append("WorkflowExecutionTerminated", {"childPolicy": "TERMINATE", "cause": "OPERATOR_INITIATED"})
        self.closed = "WorkflowExecutionTerminated"

    @property
    def close_event(self) -> swf.HistoryEvent:
        assert self.closed is not None
        return self.events[-1]

    # --- inside ------------------------------------------------------------------------------------------------

    def _append(self, kind: str, attributes: swf.Attributes) -> int:
        assert self.closed is None
        event = swf.HistoryEvent(next(self._ids), kind, self.now, attributes)
        self.events.append(event)
        return event.id

    def _stimulus(self, kind: str, attributes: swf.Attributes) -> None:
        self._append(kind, attributes)
        self._need_decision()

    def _need_decision(self) -> None:
        scheduled: swf.Attributes = {
            "taskList": {"name": "decisions"},
            "startToCloseTimeout": "60",
            "scheduleToStartTimeout": "NONE",
        }
        if self._scheduled_id is None:
            self._scheduled_id = self._append("DecisionTaskScheduled", scheduled)
        elif self._started_id is not None and self._queued_id is None:
            self._queued_id = self._append("DecisionTaskScheduled", scheduled)

    def _finish(self, *, force: bool) -> None:
        self._scheduled_id, self._started_id, self._queued_id = self._queued_id, None, None
        if self.closed is None and self._scheduled_id is None and force:
            self._need_decision()

    def _carry_out(self, decision: swf.Decision, completed: int) -> bool:
        """Append the events of one decision; whether they demand another decision (3.3)."""
        link = {"decisionTaskCompletedEventId": completed}
        cause = self.refuse(decision)
        if decision.type in _CLOSES:
            return self._close(decision, cause, link)
        match decision.type:
            case "ScheduleActivityTask":
                return self._schedule(decision.attributes, cause, link)
            case "StartTimer":
                return self._start_timer(decision.attributes, cause, link)
            case "CancelTimer":
                return self._cancel_timer(decision.attributes, cause, link)
            case "RequestCancelActivityTask":
                return self._cancel_activity(decision.attributes, cause, link)
            case "RecordMarker":
                self._append("MarkerRecorded", {**decision.attributes, **link})
                return False
        raise swf.Invalid(decision.type)

    def _close(self, decision: swf.Decision, cause: str | None, link: dict[str, int]) -> bool:
        cause = "UNHANDLED_DECISION" if self._queued_id is not None else cause
        if cause is not None:
            self._append(f"{decision.type}Failed", {"cause": cause, **link})
            return True
        attributes = dict(decision.attributes)
        if decision.type == "ContinueAsNewWorkflowExecution":
            attributes["newExecutionRunId"] = f"{self.execution.run_id}-next"
        self._append(_CLOSES[decision.type], {**attributes, **link})
        self.closed = _CLOSES[decision.type]
        return False

    def _schedule(self, wanted: swf.Attributes, cause: str | None, link: dict[str, int]) -> bool:
        activity_id = str(wanted["activityId"])
        if any(activity.activity_id == activity_id for activity in self.activities.values()):
            cause = "ACTIVITY_ID_ALREADY_IN_USE"
        kind = wanted["activityType"]
        assert isinstance(kind, dict)
        if cause is not None:
            failed: swf.Attributes = {"activityType": kind, "activityId": activity_id, "cause": cause, **link}
            self._append("ScheduleActivityTaskFailed", failed)
            return True
        event_id = self._append("ActivityTaskScheduled", {"taskList": {"name": "default"}, **wanted, **link})
        type_ = swf.TypeId(str(kind["name"]), str(kind["version"]))
        text = wanted.get("input")
        self.activities[event_id] = OpenActivity(activity_id, type_, text if isinstance(text, str) else None, event_id)
        return False

    def _start_timer(self, wanted: swf.Attributes, cause: str | None, link: dict[str, int]) -> bool:
        timer_id = str(wanted["timerId"])
        if timer_id in self.timers:
            cause = "TIMER_ID_ALREADY_IN_USE"
        if cause is not None:
            self._append("StartTimerFailed", {"timerId": timer_id, "cause": cause, **link})
            return True
        event_id = self._append("TimerStarted", {**wanted, **link})
        self.timers[timer_id] = OpenTimer(timer_id, event_id, self.now + int(str(wanted["startToFireTimeout"])))
        return False

    def _cancel_timer(self, wanted: swf.Attributes, cause: str | None, link: dict[str, int]) -> bool:
        timer = self.timers.pop(str(wanted["timerId"]), None)
        if timer is None or cause is not None:
            self._append("CancelTimerFailed", {**wanted, "cause": cause or "TIMER_ID_UNKNOWN", **link})
            return True
        self._append("TimerCanceled", {**wanted, "startedEventId": timer.started_id, **link})
        return False

    def _cancel_activity(self, wanted: swf.Attributes, cause: str | None, link: dict[str, int]) -> bool:
        found = [open_ for open_ in self.activities.values() if open_.activity_id == wanted["activityId"]]
        if not found or cause is not None:
            self._append("RequestCancelActivityTaskFailed", {**wanted, "cause": cause or "ACTIVITY_ID_UNKNOWN", **link})
            return True
        activity = found[0]
        activity.cancel_request_id = self._append("ActivityTaskCancelRequested", {**wanted, **link})
        if activity.started_id:
            return False
        del self.activities[activity.scheduled_id]
        canceled = {
            "scheduledEventId": activity.scheduled_id,
            "startedEventId": 0,
            "latestCancelRequestedEventId": activity.cancel_request_id,
        }
        self._append("ActivityTaskCanceled", canceled)
        return True
