"""Random workflow programs: a little language of asyncio constructs, and an SWF that does its worst."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from elbflow import errors, flow, swf
from elbflow.flow import definition, failures, guards
from elbflow.flow.core import decide, markers
from elbflow.flow.core.forms import REFUSED_CLOSES
from elbflow.flow.testing.entities import OpenChild, Request
from elbflow.testing import SwfRun

Program = Any  # nested lists: [kind, *operands]


@flow.abstract_activity(name="act", version="1", start_to_close=timedelta(seconds=30))
async def act(number: int) -> int:
    """Twice the number, if all goes well."""


@flow.abstract_activity(name="undo", version="1", start_to_close=timedelta(seconds=30))
async def undo(number: int) -> int:
    """Take a number back."""


RETRIED = act.using(retry=flow.RetryPolicy(3, timedelta(seconds=1)))
POKE = flow.SignalSignature("poke", int)
OFFSPRING = flow.WorkflowSignature("Offspring", "1", int, int, timedelta(hours=1), timedelta(seconds=60))
SIGNATURE = flow.WorkflowSignature("Interpreter", "1", list[Any], list[int], timedelta(hours=1), timedelta(seconds=60))


class World:
    """What a side effect looks at: it differs from decision to decision."""

    now = 0


@flow.workflow(OFFSPRING)
class Offspring:
    """A child: twice the number, after a while."""

    async def run(self, number: int) -> int:
        await flow.sleep(number)
        return 2 * number


@flow.workflow(SIGNATURE)
class Interpreter:
    """Runs a program; its result is what it logged, in order."""

    def __init__(self) -> None:
        self.log: list[int] = []
        self.pokes: list[int] = []
        self.children = 0

    async def run(self, program: Program) -> list[int]:
        await self.do(program)
        return self.log

    @flow.signal(POKE)
    def poke(self, value: int) -> None:
        self.pokes.append(value)

    async def do(self, program: Program) -> None:
        kind, *operands = program
        await getattr(self, kind)(*operands)

    async def act(self, number: int) -> None:
        self.log.append(await act(number))

    async def retried(self, number: int) -> None:
        self.log.append(await RETRIED(number))

    async def sleep(self, seconds: int) -> None:
        await flow.sleep(seconds)
        flow.set_state(len(self.log))

    async def seq(self, *parts: Program) -> None:
        for part in parts:
            await self.do(part)

    async def gather(self, *parts: Program) -> None:
        await asyncio.gather(*(self.do(part) for part in parts))

    async def group(self, *parts: Program) -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self.do(part))

    async def first(self, *parts: Program) -> None:
        tasks = {asyncio.create_task(self.do(part)) for part in parts}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            await task

    async def ordered(self, *parts: Program) -> None:
        for step in asyncio.as_completed([self.do(part) for part in parts]):
            await step

    async def within(self, seconds: int, part: Program) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.do(part)

    async def guarded(self, part: Program, otherwise: Program) -> None:
        try:
            await self.do(part)
        except (flow.ActivityError, flow.ChildError, flow.ExternalRefused, ExceptionGroup):
            await self.do(otherwise)

    async def compensated(self, number: int, part: Program) -> None:
        async with flow.compensate() as steps:
            steps.push(undo, number)
            steps.push(undo, -number)
            await self.do(part)

    async def poked(self, count: int, seconds: int) -> None:
        self.log.append(int(await flow.wait_condition(lambda: len(self.pokes) >= count, seconds)))

    async def shielded(self, part: Program) -> None:
        await asyncio.shield(asyncio.ensure_future(self.do(part)))

    async def abandoned(self, part: Program) -> None:
        task = asyncio.create_task(self.do(part))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def child(self, number: int) -> None:
        self.children += 1
        name = f"{flow.info().workflow_id}-{self.children}"
        self.log.append(await flow.run_child(OFFSPRING, number, workflow_id=name))

    async def tell(self, number: int) -> None:
        """Poke another workflow, or this one."""
        await flow.external(f"w{number % 3}").signal(POKE, number)

    async def effect(self, number: int) -> None:
        self.log.append(flow.side_effect(lambda: number * World.now, int))
        flow.record_marker("effect", str(number))

    async def newer(self, part: Program) -> None:
        if flow.patched("newer"):
            await self.do(part)


numbers = st.integers(min_value=1, max_value=9)


def _branches(parts: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    several = st.lists(parts, min_size=1, max_size=4)
    return st.one_of(
        st.tuples(st.sampled_from(["seq", "gather", "group", "first", "ordered"]), several).map(
            lambda t: [t[0], *t[1]]
        ),
        st.tuples(st.just("within"), numbers, parts).map(list),
        st.tuples(st.just("guarded"), parts, parts).map(list),
        st.tuples(st.just("compensated"), numbers, parts).map(list),
        st.tuples(st.sampled_from(["shielded", "abandoned", "newer"]), parts).map(list),
    )


_leaves = st.one_of(
    st.tuples(st.sampled_from(["act", "act", "retried", "sleep", "child", "tell", "effect"]), numbers).map(list),
    st.tuples(st.just("poked"), st.integers(1, 3), numbers).map(list),
)
programs = st.recursive(_leaves, _branches, max_leaves=12)


@dataclass
class Adversary:
    """Drives one execution: activities end in any way and order, answers get lost, tasks are delivered twice."""

    program: Program
    rng: random.Random
    calm: bool = False
    answers: list[tuple[int, decide.Decided]] = field(default_factory=list)
    _signals: int = 3
    _cancels: int = 1
    _refusals: int = 3
    _pending: decide.Decided | None = None

    def __post_init__(self) -> None:
        found = definition.definition(Interpreter)
        self.swf = SwfRun(found.type, flow.encode(self.program, SIGNATURE.input_type))
        if not self.calm:
            self.swf.refuse = self._refuse

    def drive(self) -> SwfRun:
        for step in range(3_000):
            if self.swf.closed is not None:
                return self.swf
            if step > 400:
                self._signals = self._cancels = self._refusals = 0
            self.rng.choice(self._choices())()
        raise AssertionError(f"the workflow never ended: {self.program}")

    def _choices(self) -> list[Callable[[], None]]:
        choices: list[Callable[[], None]] = []
        if self.swf.decision_waits:
            choices += [self._begin] * 3
        if self.swf.decision_runs:
            choices += [self._answer] * 4 + [self._lose, self._deliver_again]
        choices += [functools.partial(self._progress, open_) for open_ in self.swf.activities.values()]
        choices += [functools.partial(self._reply, request) for request in self.swf.requests.values()]
        choices += [functools.partial(self._end, child) for child in self.swf.children.values() if child.run_id]
        if self.swf.timers:
            choices.append(self._fire)
        if not self.calm:
            choices += [self._signal] * (self._signals > 0) + [self._cancel] * (self._cancels > 0 and len(choices) > 6)
        return choices or [self._wake]

    def _decide(self) -> decide.Decided:
        with guards.guarded():
            return decide.decide(Interpreter, tuple(self._task), execution=self.swf.execution)

    def _begin(self) -> None:
        self.swf.advance(self.rng.choice([0, 0.01, 0.5]))
        self._task = self.swf.poll()
        World.now = self._task[-1].id
        self._pending = self._decide()

    def _deliver_again(self) -> None:
        assert self._decide() == self._pending

    def _answer(self) -> None:
        assert self._pending is not None
        self.swf.respond(self._pending.decisions, self._pending.execution_context)
        self.answers.append((self._task[-1].id, self._pending))

    def _lose(self) -> None:
        self.swf.time_out_decision()

    def _progress(self, open_: Any) -> None:
        scheduled_id = open_.scheduled_id
        if open_.started_id == 0:
            if not self.calm and self.rng.random() < 0.05:
                self.swf.close_activity(scheduled_id, "TimedOut", timeoutType="SCHEDULE_TO_START")
            else:
                self.swf.start_activity(scheduled_id)
        elif open_.cancel_request_id and self.rng.random() < 0.7:
            self.swf.close_activity(scheduled_id, "Canceled")
        elif self.calm or self.rng.random() < 0.75:
            (number,) = act.decode_arguments(open_.input)
            self.swf.close_activity(scheduled_id, "Completed", result=str(2 * number))
        elif self.rng.random() < 0.5:
            self.swf.close_activity(scheduled_id, "TimedOut", timeoutType="START_TO_CLOSE")
        else:
            error = self.rng.choice([errors.Permanent("no"), OSError("again")])
            reason, details = failures.encode(error)
            self.swf.close_activity(scheduled_id, "Failed", reason=reason, details=details)

    def _reply(self, request: Request) -> None:
        """SWF starts a child, or delivers a message, or cannot."""
        initiated_id, workflow_id = request.initiated_id, request.attributes["workflowId"]
        lucky = self.calm or self.rng.random() < 0.8
        if request.decision == "StartChildWorkflowExecution":
            if lucky:
                self.swf.child_started(initiated_id, f"run-{initiated_id}")
            else:
                self.swf.not_done(initiated_id, "WORKFLOW_ALREADY_RUNNING")
        elif workflow_id in {child.workflow_id for child in self.swf.children.values() if child.run_id}:
            self.swf.reached(initiated_id, "run-c")
        elif lucky and request.decision == "SignalExternalWorkflowExecution":
            self.swf.reached(initiated_id, "run-w")
        else:
            self.swf.not_done(initiated_id, "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION")

    def _end(self, child: OpenChild) -> None:
        if self.calm or self.rng.random() < 0.7:
            self.swf.close_child(child.initiated_id, "Completed", result="2")
        else:
            self.swf.close_child(child.initiated_id, self.rng.choice(["Failed", "TimedOut", "Canceled", "Terminated"]))

    def _fire(self) -> None:
        due = min(self.swf.timers.values(), key=lambda timer: (timer.due, timer.started_id))
        self.swf.fire(due.timer_id)

    def _signal(self) -> None:
        self._signals -= 1
        self.swf.signal("poke", str(self._signals))

    def _wake(self) -> None:
        """Only a workflow that was refused both its close and a timer waits for news without asking for any."""
        assert any(event.type in REFUSED_CLOSES for event in self.swf.events)
        self.swf.signal("poke", "0")

    def _cancel(self) -> None:
        if self.rng.random() < 0.1:
            self._cancels -= 1
            self.swf.request_cancel()

    def _refuse(self, decision: swf.Decision) -> str | None:
        if self._refusals == 0 or self.rng.random() > 0.05:
            return None
        if str(decision.attributes.get("markerName")).startswith(markers.RESERVED):
            return None  # without these a history says too little: the next decision is withheld
        self._refusals -= 1
        causes = {
            "ScheduleActivityTask": ["ACTIVITY_CREATION_RATE_EXCEEDED", "OPERATION_NOT_PERMITTED"],
            "StartTimer": ["TIMER_CREATION_RATE_EXCEEDED", "OPEN_TIMERS_LIMIT_EXCEEDED"],
            "StartChildWorkflowExecution": ["CHILD_CREATION_RATE_EXCEEDED", "OPERATION_NOT_PERMITTED"],
            "SignalExternalWorkflowExecution": ["SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED"],
            "RecordMarker": ["OPERATION_NOT_PERMITTED"],
            "CompleteWorkflowExecution": ["OPERATION_NOT_PERMITTED"],
            "FailWorkflowExecution": ["OPERATION_NOT_PERMITTED"],
        }
        return self.rng.choice(causes.get(decision.type, [None]))
