"""A reference model of the engine: what must be open, pollable and visible, read from the histories alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from tests.property.engine.engine_inputs import LIMITS, LISTS, SPARE

from elbflow_engine import histories
from elbflow_engine.testing import Bench

DAY_S = 86_400
Task = tuple[str, int, int]  # kind, execution id, scheduled event id
LIST_NAMES = (*(("decision", name) for name in LISTS), ("activity", "work"))


@dataclass(slots=True)
class Known:
    """One run as its stored history shows it."""

    execution_id: int
    workflow_id: str
    run_id: str
    stored: tuple[bytes, ...]
    events: list[histories.Event]
    chronicle: histories.Chronicle

    @property
    def open(self) -> bool:
        return self.chronicle.closed is None

    @property
    def full(self) -> bool:
        """No task of it may start any more."""
        return len(self.events) + 1 >= LIMITS.history_events

    @property
    def closed_s(self) -> float:
        return self.chronicle.last_ms / 1000

    def tasks(self) -> Iterator[tuple[Task, str, int, int, bool]]:
        """Task, its list, its priority, since when it is pollable (milliseconds), and whether it waits for a poll."""
        chronicle, decision = self.chronicle, self.chronicle.decision
        if decision.scheduled_id:
            task = ("decision", self.execution_id, decision.scheduled_id)
            waits = not decision.started_id
            yield task, chronicle.task_list, chronicle.priority, decision.pollable_ms, waits
        for one in chronicle.items.activities.values():
            task = ("activity", self.execution_id, one.scheduled_id)
            yield task, one.task_list, one.priority, one.scheduled_ms, not one.started_id


class Model:
    """Follows the journal of a bench. Call :meth:`look` after every step."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._steps = itertools.count(1)
        self._places: dict[Task, tuple[float, ...]] = {}
        self._reloads = 0
        self.runs: dict[int, Known] = {}
        self.latest_now = bench.now
        self.types = {"Activity": "unknown", "Workflow": "unknown"}

    def look(self) -> list[Known]:
        """Read what changed, checking each history; returns the runs that changed."""
        stored = list(self._stored())
        changed = [known for row in stored if (known := self._read(*row)) is not None]
        self._forget({row[0] for row in stored})
        step = next(self._steps)
        for known in changed:
            for task, *_ in known.tasks():
                self._places.setdefault(task, (self._reloads + 0.5, step))
        self.latest_now = max(self.latest_now, self._bench.now)
        return changed

    def reloaded(self) -> None:
        """The engine was loaded from the journal: its lists are in the order of time (4.1)."""
        self._reloads += 1
        for known in self.open():
            for task, _, _, pollable_ms, _ in known.tasks():
                self._places[task] = (self._reloads, pollable_ms, *task[1:])

    # --- what must be --------------------------------------------------------------------------------------

    def open(self) -> list[Known]:
        return [known for known in self.runs.values() if known.open]

    def current(self, workflow_id: str) -> Known | None:
        """The open run with this workflow id."""
        return next((known for known in self.open() if known.workflow_id == workflow_id), None)

    def find(self, execution: dict[str, str]) -> Known:
        """The run of this name. Raises LookupError for one that closed and was deleted behind the model's back."""
        for known in self.runs.values():
            if known.run_id == execution["runId"]:
                return known
        raise LookupError(execution)

    def ready(self, kind: str, name: str) -> list[Task]:
        """Tasks that a poll may get now, first those that it must get first. Equal places are in no order."""
        found = [
            ((-priority, self._places[task]), task)
            for known in self.open()
            if not known.full
            for task, task_list, priority, _, waits in known.tasks()
            if waits and (task[0], task_list) == (kind, name)
        ]
        return [task for _, task in sorted(found)]

    def first(self, kind: str, name: str) -> set[Task]:
        """The tasks of which a poll must get one; empty: it must get none."""
        ready = self.ready(kind, name)
        priority, place = self._rank(ready[0]) if ready else (0, ())
        return {task for task in ready if self._rank(task) == (priority, place)}

    def is_live(self, kind: str, task: dict[str, Any]) -> bool:
        """Whether this polled task may still be answered."""
        try:
            known = self.find(task["workflowExecution"])
        except LookupError:
            return False
        if not known.open:
            return False
        if kind == "decision":
            return known.chronicle.decision.started_id == task["startedEventId"]
        activities = known.chronicle.items.activities.values()
        return any(one.started_id == task["startedEventId"] for one in activities)

    def started_last(self, kind: str, execution_id: int, scheduled_id: int) -> bool:
        """Whether the start of this task is the last that happened to its execution."""
        known = self.runs.get(execution_id)
        if known is None:
            return False
        last = known.events[-1]
        started = last["eventType"] == f"{kind.capitalize()}TaskStarted"
        return started and histories.attributes(last)["scheduledEventId"] == scheduled_id

    def is_cancel_requested(self, task: dict[str, Any]) -> bool:
        activities = self.find(task["workflowExecution"]).chronicle.items.activities.values()
        return any(one.cancel_id > 0 for one in activities if one.started_id == task["startedEventId"])

    def is_visible(self, known: Known) -> bool | None:
        """None: its retention was over before the clock stepped back; it may be deleted or not."""
        if known.open or known.closed_s + DAY_S > self.latest_now:
            return True
        return False if known.closed_s + DAY_S <= self._bench.now else None

    def show(self) -> str:
        """All histories, for a failing test."""
        return "\n\n".join(
            f"{known.workflow_id} {known.run_id} ({known.execution_id})\n{histories.show(known.events)}"
            for known in self.runs.values()
        )

    # --- reading -------------------------------------------------------------------------------------------

    def _rank(self, task: Task) -> tuple[int, tuple[float, ...]]:
        known = self.runs[task[1]]
        priority = next(priority for one, _, priority, _, _ in known.tasks() if one == task)
        return -priority, self._places[task]

    def _stored(self) -> Iterator[tuple[int, str, str]]:
        journal = self._bench.journal
        for row in journal.rows():
            if row.table == "execution":
                header = orjson.loads(row.value)
                yield header["id"], header["workflow_id"], header["run_id"]
        for closed in journal.closed():
            if closed.purge_ms:  # 0 marks those that are being purged.
                yield closed.execution_id, closed.workflow_id, closed.run_id

    def _forget(self, stored: set[int]) -> None:
        """An open run that is not stored any more closed, and its retention ended, since the last look."""
        for known in self.open():
            if known.execution_id not in stored:
                assert self._bench.now - self.latest_now >= DAY_S, f"run {known.run_id} is lost"
                del self.runs[known.execution_id]

    def _read(self, execution_id: int, workflow_id: str, run_id: str) -> Known | None:
        stored = tuple(self._bench.journal.history(execution_id))
        before = self.runs.get(execution_id)
        if before is not None and before.stored == stored:
            return None
        events = histories.parse(stored)
        known = Known(execution_id, workflow_id, run_id, stored, events, histories.check(events))
        self.runs[execution_id] = known
        assert len(events) <= LIMITS.history_events
        for event in events[len(before.stored) if before else 0 :]:
            self._check_spare(event)
        return known

    def _check_spare(self, event: histories.Event) -> None:
        """Decisions that name the spare type fare as its state says."""
        kind, block = event["eventType"], histories.attributes(event)
        family = "Activity" if "Activity" in kind else "Workflow"
        name = "activityType" if family == "Activity" else "workflowType"
        if block.get(name) != SPARE or kind not in _DECIDED:
            return
        status, cause = self.types[family], block.get("cause", "")
        refused = f"{family.upper()}_TYPE_"
        if status == "REGISTERED":
            assert not cause.startswith(refused), event
        else:
            assert cause == refused + ("DEPRECATED" if status == "DEPRECATED" else "DOES_NOT_EXIST"), event


_DECIDED = frozenset(
    {
        "ActivityTaskScheduled",
        "ScheduleActivityTaskFailed",
        "StartChildWorkflowExecutionInitiated",
        "StartChildWorkflowExecutionFailed",
    }
)
