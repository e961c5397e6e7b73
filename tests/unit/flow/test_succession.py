"""Runs with long histories continue as new by themselves."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow
from elbflow.flow import definition
from elbflow.flow.core import succession
from elbflow.testing import Never

CHILD = flow.WorkflowSignature("Child", "1", int, int, timedelta(hours=1), timedelta(seconds=30))
ORDERS = flow.SignalSignature("orders", int)


def hang(_number: int) -> int:
    raise Never


def poke(programs: Any, run: Any, times: int) -> None:
    for value in range(times):
        if run.swf.closed is None:
            run.signal(programs.NEWS, value)
            run.decide()


def test_a_run_at_rest_continues_with_what_it_carries(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        own = definition.definition(type(self)).signature
        flow.continue_when_long(own, lambda: sum(self.heard), events=30)
        await flow.wait_condition(lambda: len(self.heard) > 100)
        return number

    run = programs.run(body, tags=("t",))
    poke(programs, run, 50)
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert 30 <= run.swf.close_event.id < 40
    heard = [event for event in run.swf.events if event.type == "WorkflowExecutionSignaled"]
    assert run.swf.close_event.attributes["input"] == str(sum(range(len(heard))))
    assert run.swf.close_event.attributes["tagList"] == ["t"]


@pytest.mark.parametrize("half_done", ["activity", "retry", "child", "rollback", "signal"])
def test_it_waits_for_what_is_half_done(programs: Any, half_done: str) -> None:
    activity = programs.double.using(retry=flow.RetryPolicy(9, timedelta(minutes=1)))

    async def begin() -> None:
        match half_done:
            case "activity":
                await programs.double(1)
            case "retry":
                await activity(1)
            case "child":
                await (await flow.start_child(CHILD, 1, workflow_id="child")).result()
            case "rollback":
                async with flow.compensate() as undo:
                    undo.push(programs.undo, "x")
                    await flow.sleep(1_000)
            case "signal":
                queue = flow.signals(ORDERS)
                await flow.sleep(1_000)
                await queue.get()

    async def body(self: Any, number: int) -> int:
        flow.continue_when_long(lambda: 0, events=10)
        await begin()
        await flow.wait_condition(lambda: False)
        return number

    run = programs.run(body, activities={programs.double: hang})
    if half_done == "signal":
        run.signal(ORDERS, 1)
    run.decide()
    if half_done in ("activity", "retry"):
        (scheduled_id,) = run.swf.activities
        run.swf.start_activity(scheduled_id)
    if half_done == "retry":
        run.swf.close_activity(scheduled_id, "Failed", reason="again")
        run.decide()
    poke(programs, run, 20)
    assert run.swf.closed is None
    if half_done == "activity":
        run.swf.close_activity(scheduled_id, "Completed", result="2")
        run.decide()
    elif half_done in ("rollback", "signal"):
        run.swf.fire("1")
        run.decide()
    else:
        return
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_signal_whose_queue_is_asked_for_later_is_waited_for(
    programs: Any, monkeypatch: pytest.MonkeyPatch, asked_for: bool
) -> None:
    """Up to the hard margin: that nobody ever asks for it does not keep the run from continuing."""
    monkeypatch.setattr(succession, "HARD_MARGIN", 40)

    async def body(self: Any, number: int) -> int:
        flow.continue_when_long(lambda: len(self.log), events=10)
        await flow.wait_condition(lambda: len(self.heard) >= 5)
        if asked_for:
            self.log.append(await flow.signals(ORDERS).get())
        await flow.wait_condition(lambda: False)
        return number

    run = programs.run(body)
    run.signal(ORDERS, 7)
    run.decide()
    poke(programs, run, 20)
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert run.swf.close_event.attributes["input"] == ("1" if asked_for else "0")
    assert (run.swf.close_event.id < 40) is asked_for


def test_an_overtaken_continuation_carries_the_news(programs: Any) -> None:
    from elbflow.flow.core import decide

    async def body(self: Any, number: int) -> int:
        flow.continue_when_long(lambda: len(self.heard), events=3)
        await flow.wait_condition(lambda: False)
        return number

    run = programs.run(body)
    decided = decide.decide(run.workflow_class, run.swf.poll())
    run.signal(programs.NEWS, 1)
    run.swf.respond(decided.decisions)
    assert run.swf.closed is None
    run.decide()
    assert run.swf.close_event.attributes["input"] == "1"


def test_a_refused_continuation_is_tried_again_while_the_run_goes_on(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        flow.continue_when_long(lambda: len(self.heard), events=3)
        await flow.wait_condition(lambda: len(self.heard) == 3)
        return 77

    causes = iter(["CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED"])
    for news, closed in ((3, "WorkflowExecutionCompleted"), (1, "WorkflowExecutionContinuedAsNew")):
        causes = iter(["CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED"])
        run = programs.run(body)
        run.swf.refuse = lambda decision, causes=causes: next(causes, None) if decision.type.startswith("Con") else None
        run.decide()
        run.decide()
        assert [decision.type for decision in run.decided[-1].decisions] == ["StartTimer"]
        poke(programs, run, news)
        run.run()
        assert run.swf.closed == closed


def test_a_run_that_was_asked_to_cancel_does_not_continue(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        flow.continue_when_long(lambda: 0, events=10)
        try:
            await flow.sleep(1_000)
        finally:
            await flow.wait_condition(lambda: len(self.heard) > 20)
        return number

    run = programs.run(body)
    run.decide()
    run.swf.request_cancel()
    run.decide()
    poke(programs, run, 25)
    assert run.swf.closed == "WorkflowExecutionCanceled"


def test_at_the_hard_margin_what_is_open_is_cancelled_first(programs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "HARD_MARGIN", 30)

    async def body(self: Any, number: int) -> int:
        flow.continue_when_long(lambda: 42, events=10)
        try:
            await programs.double(number)
        except asyncio.CancelledError:
            await programs.undo("cleanup")
            raise
        return number

    run = programs.run(body, activities={programs.double: hang})
    run.decide()
    poke(programs, run, 12)
    assert run.swf.closed is None
    run.settle()
    assert ("undo", ("cleanup",)) in run.calls
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert run.swf.close_event.attributes["input"] == "42"


def test_at_the_last_it_does_not_wait(programs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "HARD_MARGIN", 30)
    monkeypatch.setattr(succession, "LAST_MARGIN", 60)

    async def body(self: Any, number: int) -> int:
        flow.continue_when_long(lambda: 42, events=10)
        for _ in itertools.count():
            try:
                await programs.double(number)
            except asyncio.CancelledError:
                continue
        return number

    run = programs.run(body, activities={programs.double: hang})
    run.decide()
    poke(programs, run, 40)
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert 60 <= run.swf.close_event.id < 70
