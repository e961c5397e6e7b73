"""The same program on asyncio's own loop, whose time is made to jump, and on a workflow's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import selectors
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

from tests.property.flow import cancel_programs, scenarios

from elbflow import flow
from elbflow.flow import counting, guards, ordering
from elbflow.flow.core import decide
from elbflow.flow.core.loop import Task
from elbflow.testing import SwfRun

NAMED = flow.WorkflowSignature("Named", "1", str, list[str], timedelta(days=300), timedelta(seconds=60))


@flow.workflow(NAMED)
class Named:
    """Runs the scenario of this name."""

    async def run(self, name: str) -> list[str]:
        return await scenarios.observe(scenarios.SCENARIOS[name])


COUNTED = flow.WorkflowSignature("Counted", "1", list[Any], list[str], timedelta(days=300), timedelta(seconds=60))


@flow.workflow(COUNTED)
class Counted:
    """Plays a program of cancellations."""

    async def run(self, program: list[Any]) -> list[str]:
        return await scenarios.observe(cancel_programs.player(program))


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Where a loop would wait, time jumps."""

    now_s = 1_000.0
    turns = 0

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        if self.turns > 100_000:
            raise AssertionError("it does not come to rest")
        if timeout:
            self.now_s = round(self.now_s + max(timeout, 1e-6), 6)  # sums of floats are not exact
        found = super().select(0)
        if timeout is None and not found:
            raise AssertionError("nothing will ever happen")
        return found


class Numbered(asyncio.Task):  # type: ignore[type-arg]
    """asyncio's own task, but for its hash."""

    _number: int | None = None

    def __hash__(self) -> int:
        return super().__hash__() if self._number is None else self._number


def on_asyncio(program: scenarios.Scenario, kind: Callable[..., Any] = Numbered) -> list[str]:
    """What happens on asyncio's selector loop, its tasks made to hash alike in each run."""
    selector = _Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]
    # At such times a float's last place is more than a nanosecond: a timer that is due would be due for ever.
    loop._clock_resolution = 1e-6  # type: ignore[attr-defined]
    numbers = itertools.count(1)

    def made(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        task = kind(coro, loop=loop, **options)
        task._number = next(numbers)
        return task

    loop.set_task_factory(made)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(scenarios.observe(program))


def on_newer_asyncio(program: scenarios.Scenario) -> list[str]:
    """The same with what stands in for asyncio of Python 3.13 in workflows: its counting, its ``gather``."""
    replaced: list[tuple[object, str, object]] = [
        (owner, name, stand_in) for owner, name, stand_in, _ in counting.METHODS
    ]
    if sys.version_info < (3, 12):
        replaced.append((asyncio, "gather", ordering.gather))
    with contextlib.ExitStack() as stack:
        for owner, name, stand_in in replaced:
            stack.enter_context(mock.patch.object(owner, name, stand_in))
        return on_asyncio(program, Task)


def as_workflow(workflow_class: type, signature: Any, value: Any) -> tuple[Any, list[str]]:
    """The result, and each decision as text; every prefix of the history is replayed."""
    run = SwfRun(signature.type, flow.encode(value, signature.input_type))
    said: list[str] = []
    while run.closed is None:
        if not run.decision_waits:
            run.fire(min(run.timers.values(), key=lambda timer: (timer.due, timer.started_id)).timer_id)
        history = run.poll()
        with guards.guarded():
            decided = decide.decide(workflow_class, tuple(history), execution=run.execution)
        said += [f"{decision.type} {sorted(decision.attributes.items())}" for decision in decided.decisions]
        run.respond(decided.decisions, decided.execution_context)
    flow.replay(workflow_class, run.events, execution=run.execution)
    closing = run.events[-1]
    assert closing.type == "WorkflowExecutionCompleted", closing
    result = closing.attributes["result"]
    assert isinstance(result, str)
    return flow.decode(result, signature.output_type), said


def on_flow(name: str) -> tuple[list[str], list[str]]:
    return as_workflow(Named, NAMED, name)


def counted(program: cancel_programs.Program) -> list[str]:
    """The course of a program of cancellations in a workflow."""
    return as_workflow(Counted, COUNTED, program)[0]


__all__ = ["Counted", "Named", "as_workflow", "counted", "on_asyncio", "on_flow", "on_newer_asyncio"]
