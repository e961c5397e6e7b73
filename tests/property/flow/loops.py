"""The same program on asyncio's own loop, whose time is made to jump, and on a workflow's."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from datetime import timedelta
from typing import Any

from tests.property.flow import scenarios

from elbflow import flow
from elbflow.flow import guards
from elbflow.flow.core import decide
from elbflow.flow.core.loop import Task
from elbflow.testing import SwfRun

NAMED = flow.WorkflowSignature("Named", "1", str, list[str], timedelta(days=300), timedelta(seconds=60))


@flow.workflow(NAMED)
class Named:
    """Runs the scenario of this name."""

    async def run(self, name: str) -> list[str]:
        return await scenarios.observe(scenarios.SCENARIOS[name])


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


def on_asyncio(program: scenarios.Scenario) -> list[str]:
    """What happens on asyncio's selector loop, its tasks made to hash alike in each run."""
    selector = _Jumping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign]
    # At such times a float's last place is more than a nanosecond: a timer that is due would be due for ever.
    loop._clock_resolution = 1e-6  # type: ignore[attr-defined]
    numbers = itertools.count(1)
    loop.set_task_factory(lambda loop, coro, **options: Task(coro, next(numbers), loop=loop, **options))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(scenarios.observe(program))


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


__all__ = ["Named", "as_workflow", "on_asyncio", "on_flow"]
