"""What the garbage collector finds between two decisions must not move a workflow that stays in memory."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from elbflow import flow
from elbflow.flow import guards
from elbflow.flow.core import decide


@pytest.fixture(autouse=True)
def no_collection_by_itself() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def begun(programs: Any, body: Any) -> tuple[Any, decide.Run]:
    """A run after its first decision, still in memory; the second decision is waiting for it."""
    run = programs.run(body, output=list[str])
    held = decide.Run(run.workflow_class, run.swf.execution)
    with guards.guarded():
        decided = held.decide(run.swf.poll())
    run.swf.respond(decided.decisions, decided.execution_context)
    run.swf.fire(min(run.swf.timers))
    return run, held


async def test_a_finaliser_cannot_wake_a_workflow(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[str]:
        waiter = asyncio.get_running_loop().create_future()
        waiter.add_done_callback(lambda _: self.log.append("woken"))

        class Waking:
            def __del__(self) -> None:
                try:
                    waiter.set_result(None)
                except flow.NonDeterministicCall:
                    return

        cycle: list[Any] = [Waking()]
        cycle.append(cycle)
        del cycle
        await flow.sleep(1)
        return list(self.log)

    run, held = begun(programs, body)
    gc.collect()
    with pytest.raises(flow.NonDeterministicCall, match="outside of a decision"), guards.guarded():
        held.decide(run.swf.poll())
    held.close()


async def test_a_generator_found_by_the_collector_runs_no_cleanup(programs: Any) -> None:
    ran: list[str] = []

    async def body(self: Any, number: int) -> list[str]:
        async def numbers() -> Any:
            try:
                yield 1
                yield 2
            finally:
                ran.append("cleanup")
                self.log.append("cleanup")

        generator = numbers()
        cycle: list[Any] = [generator, await anext(generator)]
        cycle.append(cycle)
        del generator, cycle
        await flow.sleep(1)
        return list(self.log)

    run, held = begun(programs, body)
    gc.collect()
    with guards.guarded():
        (decision,) = held.decide(run.swf.poll()).decisions
    assert decision.attributes["result"] == "[]"
    held.close()
    gc.collect()
    assert ran == []


async def test_tasks_that_resist_are_closed_at_once(programs: Any) -> None:
    ran: list[str] = []

    async def body(self: Any, number: int) -> list[str]:
        try:
            while True:
                try:
                    await flow.sleep(1)
                except asyncio.CancelledError:
                    self.log.append("no")
                except flow.errors.InstanceClosed:
                    await asyncio.Event().wait()
        finally:
            ran.append("unwound")

    _, held = begun(programs, body)
    assert ran == []
    held.close()
    assert ran == ["unwound"]
    del held
    gc.collect()
    assert ran == ["unwound"]
