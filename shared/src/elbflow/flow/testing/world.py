"""A domain of SWF executions on virtual time: decisions, fakes, timers, children and signals between executions.

It does one thing at a time, in a fixed order: decisions first, then activities, then what the fakes have to say, then
the next instant at which something is due.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elbflow import swf
from elbflow.flow import definition, signatures
from elbflow.flow.testing import entities, relations
from elbflow.flow.testing.decider import Decider
from elbflow.flow.testing.errors import UnexpectedWorkflow
from elbflow.flow.testing.fake_work import Fakes, Worker
from elbflow.flow.testing.swf_run import SwfRun
from elbflow.flow.testing.virtual_loop import VirtualLoop


@dataclass(eq=False, slots=True)
class Running:
    """One run: its history, its workflow, and the children's parent. ``successor`` is the run that continued it."""

    definition: definition.WorkflowDefinition
    swf: SwfRun
    decider: Decider
    parent: Running | None = None
    parent_initiated_id: int = 0
    successor: Running | None = None

    @property
    def deadline(self) -> float:
        """When the execution times out."""
        return self.swf.events[0].timestamp + float(str(self.swf.settings["executionStartToCloseTimeout"]))


@dataclass(slots=True)
class World:
    """All executions, open and closed, and the time. Errors of workflows and of the test come out of :meth:`step`."""

    workflows: Sequence[type]
    known: Fakes
    now: float
    runs: list[Running] = field(default_factory=list)
    open: dict[str, Running] = field(default_factory=dict)
    loop: VirtualLoop = field(init=False)
    worker: Worker = field(init=False)
    _types: dict[swf.TypeId, definition.WorkflowDefinition] = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.loop = VirtualLoop(lambda: self.now)  # type: ignore[abstract]  # no I/O, no threads
        self.worker = Worker(self.known, self.loop)
        self._types = definition.by_type(self.workflows)

    def start(
        self, kind: swf.TypeId, workflow_id: str, input_: str | None, settings: Mapping[str, swf.Json]
    ) -> Running:
        """Start an execution. Raises :class:`swf.AlreadyStarted`, and UnexpectedWorkflow for an unknown type."""
        if workflow_id in self.open:
            raise swf.AlreadyStarted(f"{workflow_id} is open")
        return self._start(kind, swf.Execution(workflow_id, f"run-{next(self._numbers)}"), input_, settings)

    def step(self, until: float, *, timeouts: bool = True) -> bool:
        """Do one thing, letting time pass if need be, but not beyond ``until``; False when there is nothing to do.

        Without ``timeouts`` there is nothing to do either when executions would only time out.
        """
        if self._decide() or self._begin_activities() or self.loop.run_ready():
            return True
        due = list(self._due())
        if not timeouts and all(rank == _LAST for _, rank, _ in due):
            return False
        instant, _, event = min(due, key=lambda one: one[:2], default=(math.inf, _LAST, _Nothing()))
        if instant > until:
            return False
        self.move_to(instant)
        event.happen()
        return True

    def move_to(self, instant: float) -> None:
        """Let time pass; what is due meanwhile does not happen by itself."""
        self.now = max(self.now, instant)
        for running in self.open.values():
            running.swf.now = self.now

    def close(self, running: Running, kind: str, attributes: swf.Attributes) -> None:
        """Terminate an execution, or time it out."""
        running.swf.end(kind, attributes)
        self._closed(running)

    # --- inside ------------------------------------------------------------------------------------------------

    def _start(
        self, kind: swf.TypeId, execution: swf.Execution, input_: str | None, settings: Mapping[str, swf.Json]
    ) -> Running:
        found = self._types.get(kind)
        if found is None:
            known = ", ".join(f"{one.name} {one.version}" for one in self._types)
            raise UnexpectedWorkflow(f"{kind.name} {kind.version} is not among the environment's workflows: {known}")
        given = dict(settings)
        tags = given.pop("tagList", None)
        run = SwfRun(
            kind,
            input_,
            tuple(str(tag) for tag in tags) if isinstance(tags, (list, tuple)) else (),
            execution,
            self.now,
            settings={**defaults(found.signature), **given},
        )
        running = Running(found, run, Decider(found.cls, run))
        self.runs.append(running)
        self.open[execution.workflow_id] = running
        return running

    def _decide(self) -> bool:
        running = next((one for one in self.open.values() if one.swf.decision_waits), None)
        if running is None:
            return False
        running.decider.answer()
        for request in list(running.swf.requests.values()):
            relations.carry_out(self, running, request)
        if running.swf.closed is not None:
            self._closed(running)
        return True

    def _begin_activities(self) -> bool:
        waiting = [
            (running.swf, open_)
            for running in self.open.values()
            for open_ in running.swf.activities.values()
            if not open_.started_id and not open_.untaken
        ]
        for run, open_ in waiting:
            self.worker.begin(run, open_)
        return bool(waiting)

    def _closed(self, running: Running) -> None:
        del self.open[running.swf.execution.workflow_id]
        running.decider.close()
        if running.swf.closed == "WorkflowExecutionContinuedAsNew":
            self._continue(running)
        else:
            relations.closed(self, running)

    def _continue(self, running: Running) -> None:
        """Start the next run; it stays its parent's child (spec/swf-semantics 3.9, 9.1)."""
        event = running.swf.close_event
        inherited = {name: running.swf.settings[name] for name in relations.OF_CHILDREN if name in running.swf.settings}
        settings = {name: event.attributes[name] for name in _CONTINUED if event.attributes.get(name) is not None}
        settings |= {"continuedExecutionRunId": running.swf.execution.run_id, **inherited}
        input_ = event.attributes.get("input")
        execution = swf.Execution(running.swf.execution.workflow_id, str(event.attributes["newExecutionRunId"]))
        kind = entities.type_of(event.attributes, "workflowType")
        running.successor = self._start(kind, execution, input_ if isinstance(input_, str) else None, settings)
        running.successor.parent = running.parent
        running.successor.parent_initiated_id = running.parent_initiated_id

    def _due(self) -> Iterator[tuple[float, int, _Event]]:
        """What happens later: when, its rank among things of one instant, what."""
        fakes_due = self.loop.next_due()
        if fakes_due is not None:
            yield fakes_due, 0, _Nothing()
        for running in self.open.values():
            for timer in running.swf.timers.values():
                yield timer.due, 1, _TimerFires(running.swf, timer.timer_id)
            for activity in running.swf.activities.values():
                for instant, kind in activity.deadlines():
                    yield instant, 2, _ActivityTimeout(running.swf, activity, kind)
            yield running.deadline, _LAST, _ExecutionTimeout(self, running)


_LAST = 3
"""The rank of execution timeouts: whatever else is due at that instant happens first."""


class _Event:
    """Something that becomes due."""

    def happen(self) -> None:
        raise AssertionError("every kind of event says what happens")


class _Nothing(_Event):
    """The loop of the fakes runs on by itself once time has come."""

    def happen(self) -> None:
        return


@dataclass(slots=True)
class _TimerFires(_Event):
    run: SwfRun
    timer_id: str

    def happen(self) -> None:
        self.run.fire(self.timer_id)


@dataclass(slots=True)
class _ActivityTimeout(_Event):
    run: SwfRun
    activity: entities.OpenActivity
    kind: str

    def happen(self) -> None:
        said = {"timeoutType": self.kind, "details": self.activity.details}
        self.run.close_activity(self.activity.scheduled_id, "TimedOut", **said)


@dataclass(slots=True)
class _ExecutionTimeout(_Event):
    world: World
    running: Running

    def happen(self) -> None:
        self.world.close(self.running, "WorkflowExecutionTimedOut", {"timeoutType": "START_TO_CLOSE"})


def defaults(signature: signatures.WorkflowSignature[Any, Any]) -> dict[str, swf.Json]:
    """What the execution's start says of its limits."""
    return {
        "executionStartToCloseTimeout": str(round(signature.execution_timeout.total_seconds())),
        "taskStartToCloseTimeout": str(round(signature.decision_timeout.total_seconds())),
        "childPolicy": signature.child_policy,
    }


_CONTINUED = (
    "executionStartToCloseTimeout",
    "taskStartToCloseTimeout",
    "childPolicy",
    "taskList",
    "taskPriority",
    "tagList",
)
