"""What becomes of an activity whose awaiting code is cancelled: asked, awaited, or left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from elbflow import flow
from elbflow.testing import Never


def hang(_number: int) -> int:
    raise Never


def kinds(run: Any) -> list[str]:
    return [decision.type for decision in run.decided[-1].decisions]


def waiting(programs: Any, seen: list[str]) -> Any:
    activity = programs.double.using(cancellation=flow.Cancellation.WAIT)

    async def body(self: Any, number: int) -> int:
        try:
            seen.append(f"result {await activity(number)}")
            await flow.sleep(100)
            seen.append("slept")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return number

    run = programs.run(body, 4, activities={programs.double: hang})
    run.decide()
    (scheduled_id,) = run.swf.activities
    run.swf.start_activity(scheduled_id)
    run.swf.request_cancel()
    run.decide()
    assert kinds(run) == ["RequestCancelActivityTask"]
    assert seen == []
    return run, scheduled_id


def test_wait_goes_on_when_the_activity_was_cancelled(programs: Any) -> None:
    seen: list[str] = []
    run, scheduled_id = waiting(programs, seen)
    run.swf.close_activity(scheduled_id, "Canceled")
    run.run()
    assert run.swf.closed == "WorkflowExecutionCanceled"
    assert set(seen) == {"cancelled"}


def test_wait_gives_a_result_and_the_cancellation_at_the_next_await(programs: Any) -> None:
    seen: list[str] = []
    run, scheduled_id = waiting(programs, seen)
    run.swf.close_activity(scheduled_id, "Completed", result="8")
    run.run()
    assert run.swf.closed == "WorkflowExecutionCanceled"
    assert seen[:2] == ["result 8", "cancelled"]
    assert "slept" not in seen


def test_wait_gives_a_failure_as_it_is(programs: Any) -> None:
    run, scheduled_id = waiting(programs, [])
    run.swf.close_activity(scheduled_id, "Failed", reason="Broken")
    with pytest.raises(flow.WorkflowFailed, match="Broken"):
        run.result()


def test_wait_under_a_deadline_keeps_a_result_that_came_in_time(programs: Any) -> None:
    activity = programs.double.using(cancellation=flow.Cancellation.WAIT)

    async def body(self: Any, number: int) -> int:
        async with asyncio.timeout(5):
            got = await activity(number)
        await flow.sleep(1)
        return int(got)

    run = programs.run(body, 4, activities={programs.double: hang})
    run.decide()
    (scheduled_id,) = run.swf.activities
    run.swf.start_activity(scheduled_id)
    run.swf.fire("1")
    run.decide()
    assert kinds(run) == ["RequestCancelActivityTask"]
    run.swf.close_activity(scheduled_id, "Completed", result="8")
    assert run.result() == 8


def test_wait_asks_once_however_often_it_is_cancelled(programs: Any) -> None:
    activity = programs.double.using(cancellation=flow.Cancellation.WAIT)

    async def body(self: Any, number: int) -> str:
        task = asyncio.create_task(activity(number))
        await asyncio.sleep(0)
        for _ in range(3):
            await flow.sleep(1)
            task.cancel()
        await asyncio.wait([task])
        return "cancelled" if task.cancelled() else "ended"

    run = programs.run(body, activities={programs.double: hang}, output=str)
    run.run(lambda: len(run.decided) == 4)
    assert [event.type for event in run.swf.events].count("ActivityTaskCancelRequested") == 1
    assert run.result() == "cancelled"


def test_what_was_not_sent_is_dropped_whatever_the_type(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        for cancellation in flow.Cancellation:
            task = asyncio.create_task(programs.double.using(cancellation=cancellation)(number))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
        return number

    (decision,) = programs.run(body).decide().decisions
    assert decision.type == "CompleteWorkflowExecution"


def test_abandon_does_not_ask_and_does_not_see_the_outcome(programs: Any) -> None:
    activity = programs.double.using(cancellation=flow.Cancellation.ABANDON)

    async def body(self: Any, number: int) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await activity(number)
        await flow.sleep(60)
        return number

    run = programs.run(body, activities={programs.double: hang})
    run.decide()
    (scheduled_id,) = run.swf.activities
    run.swf.start_activity(scheduled_id)
    run.swf.fire("1")
    run.decide()
    assert kinds(run) == ["StartTimer"]
    run.swf.close_activity(scheduled_id, "Completed", result="8")
    assert run.result() == 1
