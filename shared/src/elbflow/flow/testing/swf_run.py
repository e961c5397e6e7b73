"""One SWF execution in memory, on virtual time: what history does with stimuli and decisions.

Follows spec/swf-semantics 3 and 7 as far as one execution goes. The caller says what happens and when; nothing happens
by itself. :mod:`elbflow.flow.testing.world` joins several to a domain.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from elbflow import swf
from elbflow.flow.testing import carrying_out
from elbflow.flow.testing.entities import OpenActivity, OpenChild, OpenTimer, Request

_SETTINGS: Mapping[str, swf.Json] = {
    "taskList": {"name": "decisions"},
    "executionStartToCloseTimeout": "3600",
    "taskStartToCloseTimeout": "60",
    "childPolicy": "TERMINATE",
    "parentInitiatedEventId": 0,
}


@dataclass(slots=True)
class SwfRun:
    """An execution and its history. ``refuse`` may name a cause with which SWF refuses a decision.

    ``settings`` are attributes of its WorkflowExecutionStarted beside those that have fields of their own. What it
    wants of other executions is kept in ``requests`` until somebody takes care of it.
    """

    workflow_type: swf.TypeId
    input: str | None = None
    tags: tuple[str, ...] = ()
    execution: swf.Execution = field(default_factory=lambda: swf.Execution("workflow-1", "run-1"))
    now: float = 1_700_000_000.0
    refuse: Callable[[swf.Decision], str | None] = lambda decision: None
    settings: Mapping[str, swf.Json] = field(default_factory=dict)
    events: list[swf.HistoryEvent] = field(default_factory=list)
    activities: dict[int, OpenActivity] = field(default_factory=dict)
    timers: dict[str, OpenTimer] = field(default_factory=dict)
    children: dict[int, OpenChild] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    closed: str | None = None
    execution_context: str | None = None
    _scheduled_id: int | None = None
    _started_id: int | None = None
    _queued_id: int | None = None
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        kind = {"name": self.workflow_type.name, "version": self.workflow_type.version}
        attributes = {"workflowType": kind, **_SETTINGS, **self.settings, "tagList": list(self.tags)}
        if self.input is not None:
            attributes["input"] = self.input
        self.settings = attributes
        self.append("WorkflowExecutionStarted", attributes)
        self.need_decision()

    # --- decision tasks ----------------------------------------------------------------------------------------

    @property
    def decision_waits(self) -> bool:
        return self.closed is None and self._scheduled_id is not None and self._started_id is None

    @property
    def decision_runs(self) -> bool:
        return self.closed is None and self._started_id is not None

    @property
    def has_news(self) -> bool:
        """Whether something that needs a decision happened while the running decision was taken."""
        return self._queued_id is not None

    def poll(self) -> tuple[swf.HistoryEvent, ...]:
        """Start the waiting decision task and give its history."""
        assert self.decision_waits
        self._started_id = self.append("DecisionTaskStarted", {"scheduledEventId": self._scheduled_id})
        return tuple(self.events)

    def time_out_decision(self) -> None:
        assert self.decision_runs
        self.append(
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
        if any(decision.type in carrying_out.CLOSES for decision in decisions[:-1]):
            raise swf.Invalid("Close must be last decision in list")
        attributes: dict[str, swf.Json] = {"scheduledEventId": self._scheduled_id, "startedEventId": self._started_id}
        if execution_context is not None:
            attributes["executionContext"] = self.execution_context = execution_context
        completed = self.append("DecisionTaskCompleted", attributes)
        demands = [carrying_out.carry_out(self, decision, completed) for decision in decisions]
        self._finish(force=any(demands))

    # --- what happens outside ----------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass; due timers do not fire by themselves."""
        self.now = round(self.now + seconds, 3)

    def signal(self, name: str, input_: str | None = None, *, source: swf.Attributes | None = None) -> None:
        attributes: dict[str, swf.Json] = {"signalName": name, "externalInitiatedEventId": 0, **(source or {})}
        if input_ is not None:
            attributes["input"] = input_
        self.stimulus("WorkflowExecutionSignaled", attributes)

    def request_cancel(self, *, source: swf.Attributes | None = None) -> None:
        self.stimulus("WorkflowExecutionCancelRequested", {"externalInitiatedEventId": 0, **(source or {})})

    def start_activity(self, scheduled_id: int) -> OpenActivity:
        activity = self.activities[scheduled_id]
        activity.started_at = activity.beat_at = self.now
        activity.started_id = self.append("ActivityTaskStarted", {"scheduledEventId": scheduled_id})
        return activity

    def close_activity(self, scheduled_id: int, outcome: str, **attributes: str | None) -> None:
        """``outcome`` is Completed, Failed, TimedOut or Canceled; ``attributes`` are those of the event."""
        activity = self.activities.pop(scheduled_id)
        said: dict[str, swf.Json] = {name: value for name, value in attributes.items() if value is not None}
        said |= {"scheduledEventId": scheduled_id, "startedEventId": activity.started_id}
        self.stimulus(f"ActivityTask{outcome}", said)

    def fire(self, timer_id: str) -> None:
        """Fire a timer, moving time to its deadline if that lies ahead."""
        timer = self.timers.pop(timer_id)
        self.now = max(self.now, timer.due)
        self.stimulus("TimerFired", {"timerId": timer_id, "startedEventId": timer.started_id})

    def end(self, kind: str, attributes: swf.Attributes) -> None:
        """Close from outside: ``kind`` is WorkflowExecutionTerminated or WorkflowExecutionTimedOut."""
        self.append(kind, {"childPolicy": self.settings["childPolicy"], **attributes})
        self.closed = kind

    def terminate(self) -> None:
        self.end("WorkflowExecutionTerminated", {"cause": "OPERATOR_INITIATED"})

    # --- what comes of requests to others (3.9, 3.10) ------------------------------------------------------------

    def child_started(self, initiated_id: int, run_id: str) -> None:
        """The child that event ``initiated_id`` asked for runs."""
        child = self.children[initiated_id]
        del self.requests[initiated_id]
        child.run_id = run_id
        child.started_id = self.stimulus("ChildWorkflowExecutionStarted", _of_child(child))

    def close_child(self, initiated_id: int, outcome: str, run_id: str | None = None, **attributes: swf.Json) -> None:
        """``outcome`` is Completed, Failed, TimedOut, Canceled or Terminated; ``run_id`` that of its last run."""
        child = self.children.pop(initiated_id)
        child.run_id = run_id or child.run_id
        said: dict[str, swf.Json] = {name: value for name, value in attributes.items() if value is not None}
        said = {**_of_child(child), "startedEventId": child.started_id, **said}
        self.stimulus(f"ChildWorkflowExecution{outcome}", said)

    def reached(self, initiated_id: int, run_id: str) -> None:
        """The signal or cancel request that event ``initiated_id`` asked for arrived at ``run_id``."""
        request = self.requests.pop(initiated_id)
        kind = "Signaled" if request.decision.startswith("Signal") else "CancelRequested"
        run = {"workflowId": request.attributes["workflowId"], "runId": run_id}
        attributes: swf.Attributes = {"workflowExecution": run, "initiatedEventId": initiated_id}
        self.stimulus(f"ExternalWorkflowExecution{kind}", attributes)

    def not_done(self, initiated_id: int, cause: str) -> None:
        """The child was not started, or the other execution was not there."""
        request = self.requests.pop(initiated_id)
        self.children.pop(initiated_id, None)
        self.stimulus(f"{request.decision}Failed", request.failure(cause))

    @property
    def close_event(self) -> swf.HistoryEvent:
        assert self.closed is not None
        return self.events[-1]

    # --- used by carrying_out ----------------------------------------------------------------------------------

    def append(self, kind: str, attributes: swf.Attributes) -> int:
        assert self.closed is None
        event = swf.HistoryEvent(next(self._ids), kind, self.now, attributes)
        self.events.append(event)
        return event.id

    def stimulus(self, kind: str, attributes: swf.Attributes) -> int:
        """Append an event that needs a decision."""
        event_id = self.append(kind, attributes)
        self.need_decision()
        return event_id

    def need_decision(self) -> None:
        """Schedule a decision task, or remember that the running one will not be the last (3.2)."""
        scheduled: swf.Attributes = {
            "taskList": self.settings["taskList"],
            "startToCloseTimeout": self.settings["taskStartToCloseTimeout"],
            "scheduleToStartTimeout": "NONE",
        }
        if self._scheduled_id is None:
            self._scheduled_id = self.append("DecisionTaskScheduled", scheduled)
        elif self._started_id is not None and self._queued_id is None:
            self._queued_id = self.append("DecisionTaskScheduled", scheduled)

    def _finish(self, *, force: bool) -> None:
        self._scheduled_id, self._started_id, self._queued_id = self._queued_id, None, None
        if self.closed is None and self._scheduled_id is None and force:
            self.need_decision()


def _of_child(child: OpenChild) -> dict[str, swf.Json]:
    return {
        "workflowExecution": {"workflowId": child.workflow_id, "runId": child.run_id},
        "workflowType": {"name": child.workflow_type.name, "version": child.workflow_type.version},
        "initiatedEventId": child.initiated_id,
    }
