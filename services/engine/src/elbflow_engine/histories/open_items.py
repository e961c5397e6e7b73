"""What an execution has open, read from its history: activities, timers, children, external calls (spec 3.7-3.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Block = dict[str, Any]

YEAR_MS = 31_536_000_000
_TIES = ("HEARTBEAT", "START_TO_CLOSE", "SCHEDULE_TO_START", "SCHEDULE_TO_CLOSE")


class Violation(AssertionError):
    """A history, or several together, break a rule of the specification."""


def ensure(condition: bool, *about: object) -> None:
    """Raise :class:`Violation` unless ``condition`` holds."""
    if not condition:
        raise Violation(" ".join(str(one) for one in about))


def duration_ms(text: str) -> int | None:
    return None if text == "NONE" else int(text) * 1000


def _after(ms: int, text: str) -> int | None:
    duration = duration_ms(text)
    return None if duration is None else ms + duration


@dataclass(slots=True)
class ActivityTask:
    """One open activity task."""

    scheduled_id: int
    scheduled_ms: int
    scheduled: Block
    started_id: int = 0
    started_ms: int = 0
    cancel_id: int = 0

    @property
    def task_list(self) -> str:
        return str(self.scheduled["taskList"]["name"])

    @property
    def priority(self) -> int:
        return int(self.scheduled.get("taskPriority", "0"))

    def deadlines(self) -> Iterator[tuple[int, str]]:
        """Instants and kinds that the history shows; what heartbeats put off it does not show."""
        for kind, member, from_ms in (
            ("SCHEDULE_TO_CLOSE", "scheduleToCloseTimeout", self.scheduled_ms),
            ("SCHEDULE_TO_START", "scheduleToStartTimeout", 0 if self.started_id else self.scheduled_ms),
            ("START_TO_CLOSE", "startToCloseTimeout", self.started_ms),
        ):
            at_ms = _after(from_ms, self.scheduled[member])
            if from_ms and at_ms is not None:
                yield at_ms, kind

    def check_timeout(self, block: Block, ms: int, previous_ms: int) -> None:
        """The earliest deadline fires, at its instant unless that lies before the previous event (5)."""
        kind = block["timeoutType"]
        if kind == "HEARTBEAT":
            first_ms = _after(self.started_ms, self.scheduled["heartbeatTimeout"])
            ensure(self.started_id > 0 and first_ms is not None and ms >= first_ms, "heartbeat timeout", block)
        else:
            due = {name: at_ms for at_ms, name in self.deadlines()}
            ensure(kind in due, f"no deadline {kind} exists", block)
            first = min(due, key=lambda name: (due[name], _TIES.index(name)))
            ensure(kind == first, f"{first} was due before {kind}", block)
            ensure(ms == max(due[kind], previous_ms), f"{kind} was due at {due[kind]}", block)
        ensure("details" not in block or self.started_id > 0, "details of a heartbeat of an unstarted task", block)

    def check_canceled(self, block: Block, previous: tuple[int, str]) -> None:
        """An unstarted task is canceled by the request itself, a started one by its worker (7.2)."""
        ensure(block.get("latestCancelRequestedEventId", 0) == self.cancel_id, "latest cancel request", block)
        ensure(self.started_id > 0 or previous == (self.cancel_id, "ActivityTaskCancelRequested"), "canceled", block)


@dataclass(slots=True)
class Timer:
    """One open timer."""

    timer_id: str
    fires_ms: int


@dataclass(slots=True)
class Child:
    """One open child, from its Initiated event on."""

    initiated: Block
    started_id: int = 0

    def check_started(self, block: Block) -> None:
        ensure(not self.started_id, "a child starts once", block)
        same = block["workflowType"] == self.initiated["workflowType"]
        ensure(
            same and block["workflowExecution"]["workflowId"] == self.initiated["workflowId"], "another child", block
        )

    def check_closed(self, block: Block) -> None:
        """The last run may differ from the first, in run id and in version of the type (3.9)."""
        ensure(block["startedEventId"] == self.started_id, "started event of the child", block)
        ensure(block["workflowExecution"]["workflowId"] == self.initiated["workflowId"], "another child", block)
        ensure(block["workflowType"]["name"] == self.initiated["workflowType"]["name"], "another type", block)


class OpenItems:
    """Opens and closes items event by event; raises :class:`Violation` when that makes no sense."""

    def __init__(self) -> None:
        self.activities: dict[int, ActivityTask] = {}
        self.timers: dict[int, Timer] = {}
        self.children: dict[int, Child] = {}
        self.calls: dict[int, Block] = {}
        self.previous: tuple[int, str] = (0, "")
        self.previous_ms = 0

    def activity(self, activity_id: str) -> ActivityTask | None:
        """The open activity with this id."""
        return next((one for one in self.activities.values() if one.scheduled["activityId"] == activity_id), None)

    def timer(self, timer_id: str) -> Timer | None:
        """The open timer with this id."""
        return next((one for one in self.timers.values() if one.timer_id == timer_id), None)

    def add(self, event_id: int, ms: int, kind: str, block: Block) -> None:
        """Advance by one event."""
        if kind.startswith(("ActivityTask", "ScheduleActivity", "RequestCancelActivity")):
            self._activity_event(event_id, ms, kind, block)
        elif "Timer" in kind:
            self._timer_event(event_id, ms, kind, block)
        elif "ChildWorkflow" in kind:
            self._child_event(event_id, kind, block)
        elif "External" in kind:
            self._call_event(event_id, kind, block)
        self.previous, self.previous_ms = (event_id, kind), ms

    def clear(self) -> None:
        """The execution closed."""
        for table in (self.activities, self.timers, self.children, self.calls):
            table.clear()

    def _activity_event(self, event_id: int, ms: int, kind: str, block: Block) -> None:
        if kind == "ActivityTaskScheduled":
            ensure(self.activity(block["activityId"]) is None, "the activity id is in use", block)
            self.activities[event_id] = ActivityTask(event_id, ms, block)
        elif kind == "ScheduleActivityTaskFailed":
            taken = self.activity(block["activityId"]) is not None
            ensure(taken or block["cause"] != "ACTIVITY_ID_ALREADY_IN_USE", "the activity id is free", block)
        elif kind == "RequestCancelActivityTaskFailed":
            open_one = self.activity(block["activityId"])
            ensure(open_one is None or block["cause"] != "ACTIVITY_ID_UNKNOWN", "the activity id is known", block)
        elif kind == "ActivityTaskCancelRequested":
            task = self.activity(block["activityId"])
            ensure(task is not None, "cancel request for an unknown activity", block)
            assert task is not None
            task.cancel_id = event_id
        elif kind == "ActivityTaskStarted":
            task = self._open_activity(block)
            ensure(not task.started_id, "an activity task starts once", block)
            task.started_id, task.started_ms = event_id, ms
        else:
            self._activity_closed(ms, kind, block)

    def _activity_closed(self, ms: int, kind: str, block: Block) -> None:
        task = self._open_activity(block)
        ensure(block["startedEventId"] == task.started_id, "started event of the activity", block)
        if kind == "ActivityTaskTimedOut":
            task.check_timeout(block, ms, self.previous_ms)
        elif kind == "ActivityTaskCanceled":
            task.check_canceled(block, self.previous)
        else:
            ensure(task.started_id > 0, "answered before it started", block)
        del self.activities[task.scheduled_id]

    def _open_activity(self, block: Block) -> ActivityTask:
        task = self.activities.get(block["scheduledEventId"])
        ensure(task is not None, "the activity is not open", block)
        assert task is not None
        return task

    def _timer_event(self, event_id: int, ms: int, kind: str, block: Block) -> None:
        timer = self.timer(block["timerId"])
        if kind == "TimerStarted":
            ensure(timer is None, "the timer id is in use", block)
            self.timers[event_id] = Timer(block["timerId"], ms + int(block["startToFireTimeout"]) * 1000)
        elif kind == "StartTimerFailed":
            ensure(timer is not None or block["cause"] != "TIMER_ID_ALREADY_IN_USE", "the timer id is free", block)
        elif kind == "CancelTimerFailed":
            ensure(timer is None or block["cause"] != "TIMER_ID_UNKNOWN", "the timer id is known", block)
        else:
            started = self.timers.pop(block["startedEventId"], None)
            ensure(started is not None and started is timer, "the timer is not open", block)
            if kind == "TimerFired" and started is not None:
                ensure(ms == max(started.fires_ms, self.previous_ms), f"it was due at {started.fires_ms}", block)

    def _child_event(self, event_id: int, kind: str, block: Block) -> None:
        if kind == "StartChildWorkflowExecutionInitiated":
            self.children[event_id] = Child(block)
            return
        initiated_id = block["initiatedEventId"]
        if kind == "StartChildWorkflowExecutionFailed" and not initiated_id:
            ensure(block["cause"] != "WORKFLOW_ALREADY_RUNNING", "this cause comes after Initiated", block)
            return
        child = self.children.get(initiated_id)
        ensure(child is not None, "the child is not open", block)
        assert child is not None
        if kind == "ChildWorkflowExecutionStarted":
            child.check_started(block)
            child.started_id = event_id
            return
        if kind == "StartChildWorkflowExecutionFailed":
            ensure(block["cause"] == "WORKFLOW_ALREADY_RUNNING" and not child.started_id, "start of a child", block)
            _check_same(child.initiated, block, "workflowId", "workflowType", "control", "decisionTaskCompletedEventId")
        else:
            child.check_closed(block)
        del self.children[initiated_id]

    def _call_event(self, event_id: int, kind: str, block: Block) -> None:
        if kind.endswith("Initiated"):
            self.calls[event_id] = block
        elif block["initiatedEventId"]:
            call = self.calls.pop(block["initiatedEventId"], None)
            ensure(call is not None, "the external call is answered already", block)
            assert call is not None
            if kind.endswith("Failed"):
                ensure(block["cause"] == "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION", "cause of a delivery", block)
                _check_same(call, block, "workflowId", "runId", "control", "decisionTaskCompletedEventId")
            else:
                reached = block["workflowExecution"]
                ensure(reached["workflowId"] == call["workflowId"], "another execution was reached", block)
                ensure(call.get("runId", reached["runId"]) == reached["runId"], "another run was reached", block)
        else:
            ensure(
                block.get("cause") != "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION", "this cause comes after Initiated", block
            )


def _check_same(initiated: Block, failed: Block, *names: str) -> None:
    """A failure after an Initiated event repeats it (8)."""
    for name in names:
        ensure(initiated.get(name) == failed.get(name), f"{name} differs from the Initiated event's", failed)
