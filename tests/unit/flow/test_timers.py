"""Timers: started, cancelled, refused."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow, swf


def types(decided: Any) -> list[str]:
    return [decision.type for decision in decided.decisions]


def test_cancelling_a_sleep_cancels_the_timer(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(flow.sleep(60))
        await flow.wait_condition(lambda: bool(self.heard))
        task.cancel()
        return int(await programs.double(number))

    run = programs.run(body)
    run.decide()
    run.signal(programs.NEWS, 1)
    assert types(run.decide()) == ["CancelTimer", "ScheduleActivityTask"] or types(run.decided[-1]) == [
        "ScheduleActivityTask",
        "CancelTimer",
    ]
    assert not run.swf.timers
    assert run.result() == 2


def test_a_timeout_that_is_not_needed_is_cancelled(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with asyncio.timeout(60):
            first = await programs.double(number)
        return int(await programs.double(first))

    run = programs.run(body)
    assert types(run.decide()) == ["StartTimer", "ScheduleActivityTask"]
    run.step()
    run.step()
    assert "CancelTimer" in types(run.decided[-1])
    assert run.result() == 4


def test_a_timeout_within_one_decision_leaves_no_trace(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        return number

    run = programs.run(body)
    assert run.result() == 1
    assert not [event for event in run.swf.events if event.type.startswith("Timer")]


def test_a_timer_that_fires_while_it_is_cancelled(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                await flow.wait_condition(lambda: bool(self.heard))
        return int(await programs.double(number))

    run = programs.run(body)
    run.decide()
    run.signal(programs.NEWS, 1)
    history = run.swf.poll()
    from elbflow.flow.core import decide

    decided = decide.decide(run.workflow_class, history)
    run.swf.fire("1")
    run.swf.respond(decided.decisions)
    assert "CancelTimerFailed" in [event.type for event in run.swf.events]
    assert run.result() == 2


def test_result_and_deadline_in_one_decision_prefer_what_came_first(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with asyncio.timeout(60):
            return int(await programs.double(number))

    run = programs.run(body)
    run.decide()
    (scheduled_id,) = run.swf.activities
    run.swf.start_activity(scheduled_id)
    run.swf.close_activity(scheduled_id, "Completed", result="2")
    run.swf.fire("1")
    assert run.result() == 2


def test_a_timer_refused_for_its_rate_is_asked_for_again(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.sleep(7)
        return number

    run = programs.run(body)
    refusals = iter(["TIMER_CREATION_RATE_EXCEEDED", "TIMER_CREATION_RATE_EXCEEDED"])
    run.swf.refuse = lambda decision: next(refusals, None) if decision.type == "StartTimer" else None
    assert run.result() == 1
    assert [event.type for event in run.swf.events].count("StartTimerFailed") == 2


def test_a_timer_is_asked_for_ten_times_and_no_more(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.sleep(7)
        return number

    run = programs.run(body)
    run.swf.refuse = lambda decision: "TIMER_CREATION_RATE_EXCEEDED" if decision.type == "StartTimer" else None
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "TimerRefused"
    assert [event.type for event in run.swf.events].count("StartTimerFailed") == 10


def test_a_timer_refused_for_good_fails_the_workflow_after_its_compensations(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            undo.push(programs.undo, "it")
            await flow.sleep(7)
        return number

    run = programs.run(body)
    run.swf.refuse = lambda decision: "OPEN_TIMERS_LIMIT_EXCEEDED" if decision.type == "StartTimer" else None
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "TimerRefused"
    assert "OPEN_TIMERS_LIMIT_EXCEEDED" in (caught.value.details or "")
    assert run.calls == [("undo", ("it",))]


@pytest.mark.parametrize("timeout", [5, timedelta(seconds=5)])
def test_waiting_for_a_condition_ends_with_the_deadline(programs: Any, timeout: float | timedelta) -> None:
    async def body(self: Any, number: int) -> list[bool]:
        late = await flow.wait_condition(lambda: bool(self.heard), timeout)
        at_once = await flow.wait_condition(lambda: True, timeout)
        return [late, at_once]

    assert programs.value(body, output=list[bool]) == [False, True]


def test_a_condition_met_together_with_the_deadline_counts(programs: Any) -> None:
    async def body(self: Any, number: int) -> bool:
        return await flow.wait_condition(lambda: bool(self.heard), 5)

    run = programs.run(body, output=bool)
    run.decide()
    run.swf.fire("1")
    run.signal(programs.NEWS, 1)
    assert run.result() is True


def test_conditions_wake_each_other_until_all_is_quiet(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[int]:
        async def link(index: int) -> None:
            await flow.wait_condition(lambda: len(self.log) >= index)
            self.log.append(index)

        async with asyncio.TaskGroup() as group:
            for index in (3, 2, 1):
                group.create_task(link(index))
            await flow.wait_condition(lambda: bool(self.heard))
            self.log.append(0)
        return list(self.log)

    run = programs.run(body, output=list[int])
    run.decide()
    run.signal(programs.NEWS, 1)
    assert run.result() == [0, 1, 2, 3]


def test_a_condition_that_raises_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        self.answers = iter([False])
        await flow.wait_condition(lambda: next(self.answers))
        return number

    with pytest.raises(flow.WorkflowDefect, match="StopIteration"):
        programs.value(body)


def test_two_timers_fire_in_history_order(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[int]:
        async def nap(seconds: int) -> None:
            await flow.sleep(seconds)
            self.log.append(seconds)

        await asyncio.gather(nap(3), nap(2))
        return list(self.log)

    run = programs.run(body, output=list[int])
    run.decide()
    run.swf.fire("2")
    run.swf.fire("1")
    assert run.result() == [2, 3]
    assert isinstance(run.swf.close_event, swf.HistoryEvent)
