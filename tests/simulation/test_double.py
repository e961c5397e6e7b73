"""A small application on the double, under every fault there is (docs/simulation.md)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from elbflow import clock as clocks
from elbflow import swf
from elbflow.swf import errors
from elbflow_engine import histories
from elbflow_engine.testing import FaultSchedule, SwfDouble

SAMPLE = swf.TypeId("sample", "1")
TYPE = {"name": "sample", "version": "1"}
DECISIONS = swf.TaskList(swf.TaskKind.DECISION, "test", "main")
ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "test", "work")
EXECUTIONS = 12
STEPS = 3
SECONDS = 900

History = dict[tuple[str, str], list[dict[str, Any]]]


async def prepare(double: SwfDouble) -> None:
    await double.register_domain("test", retention_days=1)
    await double.register_workflow_type(
        "test",
        SAMPLE,
        task_list="main",
        execution_timeout=timedelta(hours=1),
        decision_timeout=timedelta(seconds=10),
        child_policy="TERMINATE",
    )
    await double.register_activity_type("test", SAMPLE, task_list="work", heartbeat=timedelta(seconds=20))


async def decider(double: SwfDouble, clock: clocks.Clock) -> None:
    """Activity, timer, activity, timer... and the end. It looks at the whole history and remembers nothing."""
    while True:
        try:
            task = await double.poll_for_decision_task(DECISIONS, identity="decider")
            if task is not None:
                await double.respond_decision_task_completed(task.token, decide([event.type for event in task.events]))
        except errors.SwfError:
            await clock.sleep(0.5)


def decide(events: list[str]) -> list[swf.Decision]:
    done, fired = events.count("ActivityTaskCompleted"), events.count("TimerFired")
    running = events.count("ActivityTaskScheduled") - events.count("ActivityTaskTimedOut") - done
    if done > events.count("TimerStarted"):
        return [swf.Decision("StartTimer", {"timerId": "t", "startToFireTimeout": "5"})]
    if running or done > fired:
        return []
    if done == STEPS:
        return [swf.Decision("CompleteWorkflowExecution", {})]
    return [swf.Decision("ScheduleActivityTask", {"activityId": "a", "activityType": TYPE})]


async def worker(double: SwfDouble, clock: clocks.Clock) -> None:
    while True:
        try:
            task = await double.poll_for_activity_task(ACTIVITIES, identity="worker")
            if task is not None:
                await clock.sleep(1)
                await double.record_activity_task_heartbeat(task.token)
                await double.respond_activity_task_completed(task.token)
        except errors.SwfError:
            await clock.sleep(0.5)


@asynccontextmanager
async def application(double: SwfDouble, clock: clocks.Clock) -> AsyncIterator[None]:
    running = [asyncio.create_task(work(double, clock)) for work in (decider, decider, worker, worker, worker)]
    try:
        yield
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def run(faults: FaultSchedule, seed: int) -> History:
    """Start executions under faults, let the application finish them, return all histories."""
    clock = clocks.ManualClock()
    faults.active = False
    async with SwfDouble(clock, random.Random(seed), faults) as double:
        await prepare(double)
        async with application(double, clock):
            faults.active = True
            starting = [asyncio.create_task(start(double, f"w{number}")) for number in range(EXECUTIONS)]
            for _ in range(SECONDS):
                await clock.advance(1)
            faults.active, faults.spell = False, None
            await clock.advance(120)
            assert all(one.done() for one in starting)
            return double.histories("test")


async def start(double: SwfDouble, workflow_id: str) -> None:
    try:
        await double.start_workflow_execution("test", workflow_id, SAMPLE)
    except errors.AlreadyStarted as fault:
        if not fault.after_ambiguous:
            raise


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_everything_goes_wrong_and_nothing_is_lost(seed: int) -> None:
    faults = FaultSchedule.everything(seed)
    with faults.told():
        found = await run(faults, seed)
        for events in found.values():
            histories.check(events)
        histories.check_together(found)
        assert {run[0] for run in found} == {f"w{number}" for number in range(EXECUTIONS)}
        for events in found.values():
            kinds = [event["eventType"] for event in events]
            assert kinds[-1] == "WorkflowExecutionCompleted", histories.show(events)
            assert kinds.count("ActivityTaskCompleted") == kinds.count("TimerFired") == STEPS
        assert {"kill", "clock step", "spell", "lost", "dropped", "redelivered", "refused", "duplicated"} <= {
            struck.what for struck in faults.log
        }


async def test_a_seed_repeats_its_faults_and_histories() -> None:
    logs, found = [], []
    for _ in range(2):
        faults = FaultSchedule.everything(5)
        found.append(await run(faults, 5))
        logs.append(faults.log)
    assert logs[0]
    assert logs[0] == logs[1]
    assert found[0] == found[1]
    other = FaultSchedule.everything(6)
    await run(other, 5)
    assert other.log != logs[0]


async def test_a_failing_test_prints_what_happened() -> None:
    clock, faults = clocks.ManualClock(), FaultSchedule.seeded(7, dropped=1.0)
    faults.active = False
    async with SwfDouble(clock, random.Random(1), faults) as double:
        await prepare(double)
        faults.active = True
        poll = asyncio.create_task(double.poll_for_decision_task(DECISIONS, identity="d"))
        await clock.advance(60)
        with pytest.raises(errors.Ambiguous) as failure, faults.told():
            await poll
        assert double.statistics().parked == 0
    (note,) = failure.value.__notes__
    assert note.splitlines()[:2] == ["FaultSchedule.seeded(7, dropped=1.0)", "1 faults, the last 1:"]
    assert note.endswith("dropped PollForDecisionTask")
