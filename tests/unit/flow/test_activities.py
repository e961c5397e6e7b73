"""Activities as a workflow sees them: scheduled, answered, refused, repeated, cancelled."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from elbflow import errors, flow, swf
from elbflow.flow import failures
from elbflow.flow.core import decide
from elbflow.testing import Never, TimesOut


def decisions(run: Any) -> list[str]:
    return [decision.type for decision in run.decided[-1].decisions]


def test_all_time_limits_are_spelled_out(programs: Any) -> None:
    activity = programs.double.using(task_list="i-1", heartbeat=timedelta(seconds=1.5))

    async def body(self: Any, number: int) -> int:
        return int(await activity(number))

    (decision,) = programs.run(body, 21).decide().decisions
    assert decision == swf.Decision(
        "ScheduleActivityTask",
        {
            "activityType": {"name": "double", "version": "1"},
            "activityId": "1",
            "input": "[21]",
            "scheduleToStartTimeout": "NONE",
            "startToCloseTimeout": "30",
            "scheduleToCloseTimeout": "NONE",
            "heartbeatTimeout": "2",
            "taskList": {"name": "i-1"},
        },
    )


def test_a_failure_says_what_the_worker_said(programs: Any) -> None:
    def fail(_number: int) -> int:
        raise swf.UnknownResource("no such thing")

    async def body(self: Any, number: int) -> list[Any]:
        with pytest.raises(flow.ActivityFailed) as caught:
            await programs.double(number)
        error = caught.value
        assert isinstance(error, errors.Permanent)
        assert isinstance(error, flow.ActivityError)
        assert json.loads(error.details or "")["message"] == "no such thing"
        return [error.activity, error.reason, error.message, error.permanent]

    value = programs.value(body, activities={programs.double: fail}, output=list[Any])
    assert value == ["double", "UnknownResource", "no such thing", True]


def test_a_foreign_workers_failure_is_taken_as_it_is() -> None:
    for details in (None, "plain words", "[1]", '{"a": 1}'):
        error = failures.decode("double", "Because", details)
        assert (error.reason, error.message, error.permanent) == ("Because", details or "", False)


def test_failures_fit_into_their_fields() -> None:
    error = type("E" * 400, (ValueError,), {})("m" * 50_000)
    reason, details = failures.encode(error)
    assert len(reason) == 256
    assert len(details) < 32_768
    assert failures.decode("a", reason, details).permanent is False
    assert failures.decode("a", *failures.encode(errors.Permanent("no"))).permanent is True


def test_a_timeout_says_which(programs: Any) -> None:
    def silent(_number: int) -> int:
        raise TimesOut("HEARTBEAT")

    async def body(self: Any, number: int) -> str:
        with pytest.raises(flow.ActivityTimedOut) as caught:
            await programs.double(number)
        return caught.value.timeout_type

    assert programs.value(body, activities={programs.double: silent}, output=str) == "HEARTBEAT"


@pytest.mark.parametrize(
    ("cause", "permanent"), [("OPERATION_NOT_PERMITTED", True), ("ACTIVITY_CREATION_RATE_EXCEEDED", False)]
)
def test_a_refused_activity_fails_with_swfs_cause(programs: Any, cause: str, permanent: bool) -> None:
    async def body(self: Any, number: int) -> list[Any]:
        with pytest.raises(flow.ActivityFailed) as caught:
            await programs.double(number)
        return [caught.value.reason, caught.value.permanent]

    run = programs.run(body, output=list[Any])
    run.swf.refuse = lambda decision: cause if decision.type == "ScheduleActivityTask" else None
    assert run.result() == [cause, permanent]


def test_retries_are_timers_and_keep_the_activity_id(programs: Any) -> None:
    tries: list[int] = []

    def flaky(number: int) -> int:
        tries.append(number)
        if len(tries) < 4:
            raise TimesOut if len(tries) == 2 else OSError("again")
        return number

    policy = flow.RetryPolicy(5, timedelta(seconds=2), 3.0, timedelta(seconds=10))
    activity = programs.double.using(retry=policy)

    async def body(self: Any, number: int) -> int:
        return int(await activity(number))

    run = programs.run(body, 9, activities={programs.double: flaky})
    assert run.result() == 9
    timers = [event.attributes["startToFireTimeout"] for event in run.swf.events if event.type == "TimerStarted"]
    assert timers == ["2", "6", "10"]
    ids = [event.attributes["activityId"] for event in run.swf.events if event.type == "ActivityTaskScheduled"]
    assert ids == ["1"] * 4


def test_what_a_draining_worker_gives_back_is_no_attempt(programs: Any) -> None:
    """It is scheduled again even without a retry policy."""
    given_back = [type("WORKER_SHUTDOWN", (Exception,), {})() for _ in range(4)]

    def shutting_down(number: int) -> int:
        if given_back:
            raise given_back.pop()
        return 2 * number

    async def body(self: Any, number: int) -> int:
        return int(await programs.double(number))

    assert programs.value(body, 21, activities={programs.double: shutting_down}) == 42
    assert given_back == []


@pytest.mark.parametrize(("permanent", "attempts"), [(True, 1), (False, 3)])
def test_retries_end(programs: Any, permanent: bool, attempts: int) -> None:
    def fail(_number: int) -> int:
        raise errors.Permanent("never") if permanent else OSError("again")

    activity = programs.double.using(retry=flow.RetryPolicy(3, timedelta(seconds=1)))

    async def body(self: Any, number: int) -> int:
        return int(await activity(number))

    run = programs.run(body, activities={programs.double: fail})
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "ActivityFailed"
    assert len(run.calls) == attempts


def test_cancelling_an_await_goes_on_at_once_and_asks_swf_to_cancel(programs: Any) -> None:
    def hang(_number: int) -> int:
        raise Never

    async def body(self: Any, number: int) -> int:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await programs.double(number)
        await flow.sleep(1)
        return number

    run = programs.run(body, activities={programs.double: hang})
    run.run(lambda: len(run.decided) == 2)
    assert decisions(run) == ["RequestCancelActivityTask", "StartTimer"]
    assert run.result() == 1
    assert [event.type for event in run.swf.events if event.type == "ActivityTaskCanceled"]


def test_cancelling_before_swf_knows_drops_the_activity(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(programs.double(1))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return int(await programs.double(2))

    run = programs.run(body)
    (decision,) = run.decide().decisions
    assert decision.attributes["activityId"] == "2"
    assert run.result() == 4


def test_a_result_that_races_with_the_cancellation_is_not_seen(programs: Any) -> None:
    async def body(self: Any, number: int) -> str:
        task = asyncio.create_task(programs.double(1))
        await flow.wait_condition(lambda: bool(self.heard))
        task.cancel()
        await flow.sleep(1)
        return "cancelled" if task.cancelled() else "seen"

    run = programs.run(body, output=str)
    run.decide()
    (scheduled_id,) = run.swf.activities
    run.swf.start_activity(scheduled_id)
    run.signal(programs.NEWS, 1)
    decided = decide.decide(run.workflow_class, run.swf.poll())
    assert sorted(decision.type for decision in decided.decisions) == ["RequestCancelActivityTask", "StartTimer"]
    run.swf.close_activity(scheduled_id, "Completed", result="2")  # while the decision is on its way
    run.swf.respond(decided.decisions)
    assert "RequestCancelActivityTaskFailed" in [event.type for event in run.swf.events]
    assert run.result() == "cancelled"


def test_an_activity_that_gives_up_by_itself_has_failed(programs: Any) -> None:
    async def body(self: Any, number: int) -> str:
        with pytest.raises(flow.ActivityFailed) as caught:
            await programs.double(number)
        return caught.value.reason

    run = programs.run(body, output=str)
    run.decide()
    (scheduled_id,) = run.swf.activities
    run.swf.start_activity(scheduled_id)
    run.swf.close_activity(scheduled_id, "Canceled")
    assert run.result() == "CANCELED"


def test_a_shielded_activity_survives_its_caller(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.ensure_future(programs.double(number))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(task)
        return int(await task)

    def later(number: int) -> int:
        return 2 * number

    run = programs.run(body, 8, activities={programs.double: later})
    run.decide()
    run.swf.fire("1")
    assert run.decide().decisions == ()
    assert run.result() == 16


def test_arguments_that_do_not_fit_fail_the_workflow(programs: Any) -> None:
    import random

    noise = "".join(chr(random.Random(3).randrange(0x4E00, 0x9FFF)) for _ in range(1))
    text = "".join(chr(code) for code in random.Random(4).sample(range(0x4E00, 0x9FFF), 20_000)) * 2 + noise

    async def body(self: Any, number: int) -> int:
        await programs.undo(text)
        return number

    with pytest.raises(flow.WorkflowFailed) as caught:
        programs.value(body)
    assert caught.value.reason == "PayloadTooLarge"


def finish_all(run: Any) -> None:
    """Decide, complete all open activities together, and so on to the end."""
    while run.swf.closed is None:
        run.decide()
        for scheduled_id, open_ in list(run.swf.activities.items()):
            run.swf.start_activity(scheduled_id)
            run.swf.close_activity(scheduled_id, "Completed", result=str(2 * int((open_.input or "")[1:-1])))
        for timer_id in list(run.swf.timers):
            run.swf.fire(timer_id)


def test_more_than_a_hundred_decisions_are_split(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return sum(await asyncio.gather(*(programs.double(value) for value in range(number))))

    run = programs.run(body, 250)
    finish_all(run)
    assert run.result() == 2 * sum(range(250))
    sizes = [len(decided.decisions) for decided in run.decided]
    assert max(sizes) == 100
    forced = [decision for decided in run.decided for decision in decided.decisions if decision.type == "StartTimer"]
    assert [dict(decision.attributes) for decision in forced] == [
        {"timerId": "next-decision-1", "startToFireTimeout": "0"},
        {"timerId": "next-decision-2", "startToFireTimeout": "0"},
    ]


def test_exactly_a_hundred_decisions_go_at_once(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return sum(await asyncio.gather(*(programs.double(value) for value in range(number))))

    assert len(programs.run(body, 100).decide().decisions) == 100


def test_heavy_payloads_are_split_to_stay_under_a_megabyte(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        text = "x" * 24_000
        await asyncio.gather(*(programs.undo(text) for _ in range(40)))
        return number

    run = programs.run(body)
    assert run.result() == 1
    assert len(run.calls) == 40
    for decided in run.decided:
        assert sum(len(str(decision.attributes)) for decision in decided.decisions) < 1_000_000


def test_payloads_beyond_ascii_count_as_they_are_sent(programs: Any) -> None:
    """Each such letter travels as six bytes: the request exceeded SWF's megabyte and the run could not go on."""

    async def body(self: Any, number: int) -> int:
        await asyncio.gather(*(programs.undo("\u0436" * 12_000) for _ in range(20)))
        return number

    run = programs.run(body)
    assert run.result() == 1
    for decided in run.decided:
        assert sum(len(json.dumps(decision.attributes)) for decision in decided.decisions) < 1_000_000


def test_what_is_cancelled_before_its_turn_is_never_sent(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        tasks = [asyncio.create_task(programs.double(value)) for value in range(150)]
        await flow.wait_condition(lambda: bool(self.heard))
        for task in tasks[60:]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(result for result in results if isinstance(result, int))

    run = programs.run(body)
    run.decide()
    run.signal(programs.NEWS, 1)
    run.decide()
    finish_all(run)
    assert run.result() == 2 * sum(range(60))
    assert max(int(str(event.attributes.get("activityId", 0))) for event in run.swf.events) == 99
