"""Code that does not repeat its history is caught at its first difference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow, swf


async def recorded(self: Any, number: int) -> int:
    async with flow.compensate():
        first = await self.double(number)
        await flow.sleep(5)
        return int(await self.double(first))


def recording(programs: Any) -> Any:
    run = programs.run(with_activities(programs, recorded), 3)
    assert run.result() == 12
    return run


def with_activities(programs: Any, body: Any) -> Any:
    async def run(self: Any, number: int) -> int:
        self.double, self.undo = programs.double, programs.undo
        return int(await body(self, number))

    return run


def mismatch(programs: Any, body: Any) -> str:
    run = recording(programs)
    changed = programs.make(with_activities(programs, body), int)
    with pytest.raises(flow.NonDeterminism) as caught:
        flow.replay(changed, run.swf.events)
    return str(caught.value)


def test_the_same_code_passes(programs: Any) -> None:
    run = recording(programs)
    flow.replay(run.workflow_class, run.swf.events)
    for event in run.swf.events:
        if event.type == "DecisionTaskStarted":
            flow.replay(run.workflow_class, run.swf.events[: event.id])


def test_another_activity(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        await self.undo("x")
        return 0

    message = mismatch(programs, changed)
    assert "events 3..4 differs at command 1" in message
    assert "! ActivityTaskScheduled double/1 1 [3]" in message
    assert '| ScheduleActivityTask undo/1 1 ["x"]' in message
    assert message.splitlines()[-1].startswith(f"at {__file__}:")
    assert message.endswith("test_another_activity.<locals>.changed")


def test_another_input(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        return int(await self.double(number + 1))

    assert "| ScheduleActivityTask double/1 1 [4]" in mismatch(programs, changed)


def test_another_task_list(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        return int(await self.double.using(task_list="i-2")(number))

    assert "[3] i-2" in mismatch(programs, changed)


def test_another_version_of_the_activity(programs: Any) -> None:
    @flow.abstract_activity(name="double", version="2")
    async def double(number: int) -> int:
        """Newer."""

    async def changed(self: Any, number: int) -> int:
        return await double(number)

    assert "double/2" in mismatch(programs, changed)


def test_another_duration(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        await self.double(number)
        await flow.sleep(6)
        return 0

    message = mismatch(programs, changed)
    assert "! TimerStarted 1 5" in message
    assert "| StartTimer 1 6" in message


def test_less_than_recorded_shows_where_the_code_waits(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        await self.double(number)
        await flow.wait_condition(lambda: bool(self.heard))
        return 0

    message = mismatch(programs, changed)
    assert "| (nothing)" in message
    assert "test_mismatch.py:" in message.splitlines()[-1]


def test_more_than_recorded(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        import asyncio

        await asyncio.gather(self.double(number), self.double(1))
        return 0

    message = mismatch(programs, changed)
    assert "differs at command 2" in message
    assert "! (nothing)" in message


def test_another_end(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        return await recorded(self, number) + 1

    message = mismatch(programs, changed)
    assert "! WorkflowExecutionCompleted 12" in message
    assert "| CompleteWorkflowExecution 13" in message


def test_a_close_where_history_went_on(programs: Any) -> None:
    async def changed(self: Any, number: int) -> int:
        return 0

    assert "| CompleteWorkflowExecution 0" in mismatch(programs, changed)


def test_time_limits_may_be_tuned(programs: Any) -> None:
    run = recording(programs)

    async def changed(self: Any, number: int) -> int:
        self.double = programs.double.using(start_to_close=timedelta(seconds=99))
        return await recorded(self, number)

    flow.replay(programs.make(with_activities(programs, changed), int), run.swf.events)


def test_an_activity_that_was_never_asked_for(programs: Any) -> None:
    run = recording(programs)
    index = next(i for i, event in enumerate(run.swf.events) if event.type == "ActivityTaskCompleted")
    event = run.swf.events[index]
    run.swf.events[index] = swf.HistoryEvent(
        event.id, event.type, event.timestamp, {**event.attributes, "scheduledEventId": 99}
    )
    with pytest.raises(flow.NonDeterminism, match="never asked for"):
        flow.replay(run.workflow_class, run.swf.events)


def test_compressed_payloads_are_compared_by_what_they_hold(programs: Any) -> None:
    import base64
    import zlib

    text = "x" * 50_000

    async def body(self: Any, number: int) -> int:
        await programs.undo(text)
        return number

    run = programs.run(body)
    run.result()
    index = next(i for i, event in enumerate(run.swf.events) if event.type == "ActivityTaskScheduled")
    event = run.swf.events[index]
    other = "Z" + base64.b64encode(zlib.compress(f'["{text}"]'.encode(), 1)).decode()
    assert other != event.attributes["input"]
    run.swf.events[index] = swf.HistoryEvent(
        event.id, event.type, event.timestamp, {**event.attributes, "input": other}
    )
    flow.replay(run.workflow_class, run.swf.events)


def test_eucalyptus_records_continuing_as_completion(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        raise flow.continue_as_new(number)

    run = programs.run(body)
    run.run()
    last = run.swf.events[-1]
    link = {"decisionTaskCompletedEventId": last.attributes["decisionTaskCompletedEventId"]}
    run.swf.events[-1] = swf.HistoryEvent(last.id, "WorkflowExecutionCompleted", last.timestamp, link)
    flow.replay(run.workflow_class, run.swf.events)


def test_a_history_without_a_started_decision_cannot_be_decided(programs: Any) -> None:
    from elbflow.flow.core import decide

    run = recording(programs)
    with pytest.raises(flow.WorkflowDefect, match="started decision task"):
        decide.decide(run.workflow_class, run.swf.events)
