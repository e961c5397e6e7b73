"""A history read event by event, with every rule checked on the way (spec/swf-semantics 3.1-3.6, 5, 8).

Independent of the engine: it knows the specification only, so it can serve tests as a reference model as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elbflow_engine.histories.event_rules import CLOSE, CLOSING_FAILED, DEMANDING, RULES
from elbflow_engine.histories.open_items import YEAR_MS, Block, OpenItems, Violation, duration_ms, ensure

__all__ = ["Chronicle", "DecisionTask", "Violation"]


@dataclass(slots=True)
class DecisionTask:
    """The decision task of an execution, and the one queued behind it (3.2). Event ids, 0 = none."""

    scheduled_id: int = 0
    started_id: int = 0
    queued_id: int = 0
    previous_started_id: int = 0
    pollable_ms: int = 0
    started_ms: int = 0
    override: str | None = None
    override_timeout: str = "NONE"
    temporary: bool = False

    def promote(self, ms: int) -> None:
        """The current task is over; the queued one takes its place."""
        self.scheduled_id, self.queued_id, self.started_id = self.queued_id, 0, 0
        self.pollable_ms = ms if self.scheduled_id else 0


@dataclass(slots=True)
class _Batch:
    """The events that one completed decision task caused itself."""

    completed_id: int
    ms: int
    unhandled: bool
    demanding: bool = False


class Chronicle:
    """Feed it with :meth:`add`, then look at what is open. Instants are milliseconds."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.started: Block = {}
        self.start_ms = 0
        self.last_ms = 0
        self.closed: str | None = None
        self.cancel_requested = False
        self.decision = DecisionTask()
        self.items = OpenItems()
        self._batch: _Batch | None = None
        self._owed = False

    @property
    def task_list(self) -> str:
        """Where the decision task is, or would be, pollable."""
        return self.decision.override or str(self.started["taskList"]["name"])

    @property
    def priority(self) -> int:
        return int(self.started.get("taskPriority", "0"))

    def add(self, event: dict[str, Any]) -> None:
        """Take the next event. Raises :class:`Violation`."""
        kind = event["eventType"]
        ensure(kind in RULES, "unknown type of event", event)
        block: Block = event.get(RULES[kind].block, {})
        ms = round(event["eventTimestamp"] * 1000)
        try:
            self._check_envelope(event, kind, ms)
            self._check_members(event["eventId"], kind, block)
            self._check_unit(kind, ms, block)
            self._apply(event["eventId"], kind, ms, block)
        except Violation as violation:
            raise Violation(f"{violation} (event {event['eventId']}, {kind})") from None
        self.kinds.append(kind)
        self.last_ms = ms

    def end_of_unit(self) -> None:
        """No unit of work is under way: what is owed must be there, and external calls are answered."""
        self._end_batch()
        ensure(self.closed is not None or not self._owed, "a decision task is missing")
        ensure(not self.items.calls, "external calls without an outcome", self.items.calls)
        ensure(all(child.started_id for child in self.items.children.values()), "a child neither started nor failed")

    def check_not_overdue(self, now_s: float) -> None:
        """Everything due at ``now_s`` has been fired."""
        for at_ms, what in self.deadlines():
            ensure(at_ms > round(now_s * 1000), f"{what} is overdue since {now_s - at_ms / 1000:.3f} s")

    def deadlines(self) -> Iterator[tuple[int, str]]:
        """What is due when, as far as the history shows it; heartbeats it does not show."""
        if self.closed is not None:
            return
        duration = duration_ms(self.started["executionStartToCloseTimeout"])
        yield self.start_ms + (YEAR_MS if duration is None else duration), "the execution"
        at_ms = self._decision_deadline()
        if at_ms is not None:
            yield at_ms, "the decision task"
        for timer in self.items.timers.values():
            yield timer.fires_ms, f"timer {timer.timer_id}"
        for task in self.items.activities.values():
            for at_ms, kind in task.deadlines():
                yield at_ms, f"{kind} of activity {task.scheduled['activityId']}"

    # --- every event ---------------------------------------------------------------------------------------

    def _check_envelope(self, event: dict[str, Any], kind: str, ms: int) -> None:
        ensure(event["eventId"] == len(self.kinds) + 1, "event ids have no gaps")
        ensure(event.keys() == {"eventId", "eventTimestamp", "eventType", RULES[kind].block}, "members", event.keys())
        ensure(abs(event["eventTimestamp"] * 1000 - ms) < 1e-3, "milliseconds", event["eventTimestamp"])
        ensure(ms >= self.last_ms, "time goes back")
        ensure(self.closed is None, "nothing follows the close event")
        ensure(
            (kind == "WorkflowExecutionStarted") == (not self.kinds), "WorkflowExecutionStarted comes first and once"
        )

    def _check_members(self, event_id: int, kind: str, block: Block) -> None:
        rule = RULES[kind]
        ensure(rule.required <= block.keys() <= rule.allowed, "members", sorted(block))
        ensure(None not in block.values(), "null", block)
        for outer, inner in rule.inner:
            ensure(bool(block[outer].get(inner)), f"{outer}.{inner}", block)
        for name, link in rule.links.items():
            linked = block.get(name)
            if linked is None or (linked == 0 and link.zero):
                continue
            ensure(0 < linked < event_id, f"{name} links no earlier event", block)
            ensure(self.kinds[linked - 1] == link.target, f"{name} links {self.kinds[linked - 1]}", block)

    # --- units of work (3.1, 3.3) --------------------------------------------------------------------------

    def _check_unit(self, kind: str, ms: int, block: Block) -> None:
        """A decision task follows exactly what demands one, in the same unit: with the same timestamp."""
        if self._batch is not None and not self._in_batch(kind, block):
            self._end_batch()
        if self._batch is not None:
            ensure(ms == self._batch.ms, "a batch has one timestamp")
        full = kind == "WorkflowExecutionTerminated" and block["cause"] == "EVENT_LIMIT_EXCEEDED"
        if kind == "DecisionTaskScheduled":
            ensure(self._owed, "nothing demands this decision task")
            ensure(ms == self.last_ms, "it belongs to the unit of the event before")
            self._owed = False
        else:
            ensure(not self._owed or full, "a decision task is missing before this event")

    def _in_batch(self, kind: str, block: Block) -> bool:
        batch = self._batch
        assert batch is not None
        if kind == "ActivityTaskCanceled":
            return bool(block["startedEventId"] == 0)
        delivered = kind.endswith("Failed") and block.get("initiatedEventId", 0) > 0
        return block.get("decisionTaskCompletedEventId") == batch.completed_id and not delivered

    def _end_batch(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None and batch.demanding:
            self._demand()

    def _demand(self) -> None:
        decision = self.decision
        if self.closed is None and (not decision.scheduled_id or (decision.started_id and not decision.queued_id)):
            self._owed = True

    # --- what the event does -------------------------------------------------------------------------------

    def _apply(self, event_id: int, kind: str, ms: int, block: Block) -> None:
        if kind.startswith("DecisionTask"):
            self._decision_event(event_id, kind, ms, block)
        elif kind.startswith("WorkflowExecution"):
            self._execution_event(kind, ms, block)
        elif kind in CLOSING_FAILED:
            self._check_unhandled(block["cause"])
        self.items.add(event_id, ms, kind, block)
        if kind in DEMANDING:
            if self._batch is not None:
                self._batch.demanding = True
            else:
                self._demand()

    def _check_unhandled(self, cause: str) -> None:
        batch = self._batch
        ensure(batch is not None, "a closing decision outside its batch")
        assert batch is not None
        ensure(cause != "UNHANDLED_DECISION" or batch.unhandled, "the decider had seen everything")
        ensure(cause in ("UNHANDLED_DECISION", "OPERATION_NOT_PERMITTED") or not batch.unhandled, "UNHANDLED_DECISION")

    def _execution_event(self, kind: str, ms: int, block: Block) -> None:
        if kind == "WorkflowExecutionStarted":
            self.started, self.start_ms = block, ms
            ensure(("parentWorkflowExecution" in block) == (block["parentInitiatedEventId"] > 0), "parent", block)
        elif kind in ("WorkflowExecutionSignaled", "WorkflowExecutionCancelRequested"):
            ensure(("externalWorkflowExecution" in block) == (block["externalInitiatedEventId"] > 0), "source", block)
            ensure(block.get("cause", "CHILD_POLICY_APPLIED") == "CHILD_POLICY_APPLIED", "cause", block)
            ensure("cause" not in block or "externalWorkflowExecution" not in block, "source of a policy", block)
            self.cancel_requested = self.cancel_requested or "Cancel" in kind
        else:
            self._close(kind, ms, block)

    def _close(self, kind: str, ms: int, block: Block) -> None:
        assert kind in CLOSE
        if "decisionTaskCompletedEventId" in block:
            ensure(self._batch is not None and not self._batch.unhandled, "closed though not everything was seen")
        if kind == "WorkflowExecutionTimedOut":
            duration = duration_ms(self.started["executionStartToCloseTimeout"])
            due_ms = self.start_ms + (YEAR_MS if duration is None else duration)
            ensure(ms == max(due_ms, self.last_ms), f"it was due at {due_ms}", block)
            ensure(block["childPolicy"] == self.started["childPolicy"], "childPolicy", block)
        self.closed, self.decision, self._owed = kind, DecisionTask(), False
        self.items.clear()

    def _decision_event(self, event_id: int, kind: str, ms: int, block: Block) -> None:
        decision = self.decision
        if kind == "DecisionTaskScheduled":
            self._scheduled(event_id, ms, block)
        elif kind == "DecisionTaskStarted":
            ensure(not decision.started_id, "one decision task at a time is started")
            ensure(block["scheduledEventId"] == decision.scheduled_id, "another decision task is pollable")
            decision.started_id, decision.started_ms = event_id, ms
        else:
            ensure(block["scheduledEventId"] == decision.scheduled_id, "another decision task is current")
            ensure(block["startedEventId"] == decision.started_id, "started event of the decision task")
            if kind == "DecisionTaskCompleted":
                self._completed(event_id, ms, block)
            else:
                self._timed_out(ms, block)

    def _scheduled(self, event_id: int, ms: int, block: Block) -> None:
        decision = self.decision
        if decision.scheduled_id:
            decision.queued_id = event_id
        else:
            decision.scheduled_id, decision.pollable_ms = event_id, ms
        expected = {
            "taskList": {"name": self.task_list},
            "startToCloseTimeout": self.started["taskStartToCloseTimeout"],
            "scheduleToStartTimeout": decision.override_timeout,
        }
        if "taskPriority" in self.started:
            expected["taskPriority"] = self.started["taskPriority"]
        ensure(block == expected, f"expected {expected}", block)

    def _completed(self, event_id: int, ms: int, block: Block) -> None:
        decision = self.decision
        ensure(decision.started_id > 0, "completed before it started", block)
        ensure("taskList" in block or "taskListScheduleToStartTimeout" not in block, "a timeout of no list", block)
        self._batch = _Batch(event_id, ms, unhandled=decision.queued_id > 0)
        decision.previous_started_id = decision.started_id
        if "taskList" in block:
            decision.override = block["taskList"]["name"]
            decision.override_timeout = block.get("taskListScheduleToStartTimeout", "NONE")
            decision.temporary = "taskListScheduleToStartTimeout" in block
        decision.promote(ms)

    def _timed_out(self, ms: int, block: Block) -> None:
        decision = self.decision
        kind = "START_TO_CLOSE" if decision.started_id else "SCHEDULE_TO_START"
        ensure(block["timeoutType"] == kind, "timeoutType", block)
        due_ms = self._decision_deadline()
        ensure(due_ms is not None, "no deadline exists", block)
        assert due_ms is not None
        ensure(ms == max(due_ms, self.last_ms), f"it was due at {due_ms}", block)
        if decision.temporary:
            decision.override, decision.override_timeout, decision.temporary = None, "NONE", False
        decision.promote(ms)

    def _decision_deadline(self) -> int | None:
        decision = self.decision
        if not decision.scheduled_id:
            return None
        timeout = self.started["taskStartToCloseTimeout"] if decision.started_id else decision.override_timeout
        duration = duration_ms(timeout)
        if duration is None:
            return None
        return (decision.started_ms if decision.started_id else decision.pollable_ms) + duration
