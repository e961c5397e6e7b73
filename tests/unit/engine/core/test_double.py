"""The in-process SWF on virtual time (spec/swf-semantics 4, 5)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from elbflow import clock as clocks
from elbflow import swf
from elbflow.swf.retry import RetryPlan
from elbflow_engine.testing import EngineHost, FaultSchedule, SwfDouble
from elbflow_engine.testing.bench import WORKFLOW_DEFAULTS

SAMPLE = swf.TypeId("sample", "1")
DECISIONS = swf.TaskList(swf.TaskKind.DECISION, "test", "main")
ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "test", "work")


@pytest.fixture
def clock() -> clocks.ManualClock:
    return clocks.ManualClock()


async def prepare(double: SwfDouble) -> SwfDouble:
    await double.register_domain("test", retention_days=1)
    await double.register_workflow_type(
        "test",
        SAMPLE,
        task_list="main",
        execution_timeout=timedelta(hours=1),
        decision_timeout=timedelta(seconds=30),
        child_policy="TERMINATE",
    )
    await double.register_activity_type("test", SAMPLE, task_list="work", heartbeat=timedelta(seconds=20))
    return double


@pytest.fixture
async def double(clock: clocks.ManualClock) -> AsyncIterator[SwfDouble]:
    async with SwfDouble(clock, random.Random(1)) as opened:
        yield await prepare(opened)


def poll(double: SwfDouble) -> asyncio.Task[swf.DecisionTask | None]:
    return asyncio.create_task(double.poll_for_decision_task(DECISIONS, identity="decider"))


def schedule(activity_id: str = "a") -> swf.Decision:
    attributes: dict[str, Any] = {"activityId": activity_id, "activityType": {"name": "sample", "version": "1"}}
    return swf.Decision("ScheduleActivityTask", attributes)


async def test_a_whole_execution(double: SwfDouble, clock: clocks.ManualClock) -> None:
    parked = poll(double)
    await clock.advance(5)
    run_id = await double.start_workflow_execution("test", "w", SAMPLE, input="in", tags=["t"])
    task = await parked
    assert task is not None
    assert [event.type for event in task.events][-1] == "DecisionTaskStarted"
    timer = swf.Decision("StartTimer", {"timerId": "t", "startToFireTimeout": "10"})
    await double.respond_decision_task_completed(task.token, [schedule(), timer], execution_context="c")
    activity = await double.poll_for_activity_task(ACTIVITIES, identity="worker")
    assert activity is not None
    parked = poll(double)
    await clock.advance(9.999)
    assert not parked.done()
    await clock.advance(0.001)
    task = await parked
    assert task is not None
    assert task.events[-3].type == "TimerFired"
    assert await double.record_activity_task_heartbeat(activity.token, "half") is False
    await double.respond_activity_task_completed(activity.token, "done")
    await double.respond_decision_task_completed(task.token, [])
    task = await double.poll_for_decision_task(DECISIONS, identity="decider", start_at_previous=True)
    assert task is not None
    assert task.events[0].id == task.previous_started_event_id
    await double.respond_decision_task_completed(task.token, [swf.Decision("CompleteWorkflowExecution", {})])
    execution = swf.Execution("w", run_id)
    detail = await double.describe_workflow_execution("test", execution)
    assert (detail.status, detail.close_status, detail.tags) == ("CLOSED", "COMPLETED", ("t",))
    closed = await double.list_closed_workflow_executions("test", tag="t")
    assert [info.execution for info in closed] == [execution]
    events = await double.get_workflow_execution_history("test", execution, reverse=True, limit=1)
    assert [event.type for event in events] == ["WorkflowExecutionCompleted"]


async def test_an_empty_poll_lasts_the_hold(double: SwfDouble, clock: clocks.ManualClock) -> None:
    parked = poll(double)
    await clock.advance(56.9)
    assert not parked.done()
    assert double.statistics().parked == 1
    await clock.advance(2.2)
    assert await parked is None
    assert double.statistics().parked == 0


async def test_oldest_poll_first_and_one_task_one_poll(double: SwfDouble, clock: clocks.ManualClock) -> None:
    first = poll(double)
    await clock.advance(1)
    second = poll(double)
    await clock.advance(1)
    await double.start_workflow_execution("test", "w", SAMPLE)
    assert await first is not None
    await clock.advance(1)
    assert not second.done()
    assert await double.count_pending_tasks(DECISIONS) == 0
    await clock.advance(60)
    assert await second is not None


async def test_a_cancelled_poll_loses_nothing(double: SwfDouble, clock: clocks.ManualClock) -> None:
    waiting, following = poll(double), poll(double)
    await clocks.settle()
    waiting.cancel()
    await clocks.settle()
    await double.start_workflow_execution("test", "w", SAMPLE)
    assert await following is not None
    on_its_way = poll(double)
    await clocks.settle()
    await double.start_workflow_execution("test", "v", SAMPLE)
    on_its_way.cancel()
    task = await on_its_way
    assert task is not None
    assert task.execution.workflow_id == "v"


async def test_a_task_whose_poll_was_cancelled_goes_back(clock: clocks.ManualClock) -> None:
    host = EngineHost(clock, random.Random(1))
    host.call("RegisterDomain", {"name": "test", "workflowExecutionRetentionPeriodInDays": "1"})
    host.call("RegisterWorkflowType", {"domain": "test", "name": "sample", "version": "1", **WORKFLOW_DEFAULTS})
    params: dict[str, Any] = {"domain": "test", "taskList": {"name": "main"}}
    parked = asyncio.create_task(host.poll("PollForDecisionTask", params))
    await clocks.settle()
    start: dict[str, Any] = {"domain": "test", "workflowId": "w", "workflowType": {"name": "sample", "version": "1"}}
    host.call("StartWorkflowExecution", start)
    parked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await parked
    task = await host.poll("PollForDecisionTask", params)
    assert task["startedEventId"] == 3
    await host.aclose()


async def test_heartbeat_timeout_fires_on_the_clock(double: SwfDouble, clock: clocks.ManualClock) -> None:
    run_id = await double.start_workflow_execution("test", "w", SAMPLE)
    task = await double.poll_for_decision_task(DECISIONS, identity="decider")
    assert task is not None
    await double.respond_decision_task_completed(task.token, [schedule()])
    activity = await double.poll_for_activity_task(ACTIVITIES, identity="worker")
    assert activity is not None
    for _ in range(3):
        await clock.advance(19)
        await double.record_activity_task_heartbeat(activity.token)
    await clock.advance(20)
    with pytest.raises(swf.UnknownResource, match="Unknown activity"):
        await double.respond_activity_task_completed(activity.token)
    events = await double.get_workflow_execution_history("test", swf.Execution("w", run_id))
    assert events[-2].attributes["timeoutType"] == "HEARTBEAT"


async def test_faults_are_those_of_the_client(double: SwfDouble) -> None:
    with pytest.raises(swf.AlreadyExists):
        await double.register_domain("test", retention_days=1)
    await double.start_workflow_execution("test", "w", SAMPLE)
    with pytest.raises(swf.AlreadyStarted):
        await double.start_workflow_execution("test", "w", SAMPLE)
    with pytest.raises(swf.UnknownResource, match="Unknown domain: none"):
        await double.signal_workflow_execution("none", "w", "s")
    with pytest.raises(swf.Invalid, match="Member must have length less than or equal to 32768"):
        await double.signal_workflow_execution("test", "w", "s", input="x" * 32769)
    with pytest.raises(swf.Invalid, match="Invalid token"):
        await double.respond_activity_task_completed("token")
    with pytest.raises(swf.Invalid, match="can not be converted"):
        await double.call("SignalWorkflowExecution", {"domain": "test", "workflowId": "w", "signalName": 5})


async def test_restart_keeps_polls_and_tokens(double: SwfDouble, clock: clocks.ManualClock) -> None:
    parked = poll(double)
    await clock.advance(1)
    double.restart()
    await double.start_workflow_execution("test", "w", SAMPLE)
    task = await parked
    assert task is not None
    double.restart()
    await double.respond_decision_task_completed(task.token, [schedule()])
    assert await double.count_pending_tasks(ACTIVITIES) == 1
    await double.terminate_workflow_execution("test", "w")
    assert double.statistics().open_executions == 0


async def test_long_histories_come_in_pages(double: SwfDouble) -> None:
    run_id = await double.start_workflow_execution("test", "w", SAMPLE)
    for number in range(1500):
        await double.signal_workflow_execution("test", "w", "s", input=str(number))
    task = await double.poll_for_decision_task(DECISIONS, identity="decider")
    assert task is not None
    assert task.next_page_token is not None
    events, token = await double.decision_task_page(DECISIONS, task.next_page_token, identity="decider")
    assert token is None
    assert [event.id for event in (*task.events, *events)] == list(range(1, 1504))
    history = await double.get_workflow_execution_history("test", swf.Execution("w", run_id))
    assert len(history) == 1503


async def scheduled(clock: clocks.ManualClock, **faults: float) -> tuple[SwfDouble, FaultSchedule]:
    schedule = FaultSchedule(random.Random(7), **faults, active=False)
    double = SwfDouble(clock, random.Random(1), schedule, retries=RetryPlan(attempts=1))
    await prepare(await double.__aenter__())
    schedule.active = True
    return double, schedule


async def test_lost_answers_were_carried_out(clock: clocks.ManualClock) -> None:
    double, schedule = await scheduled(clock, lost=1.0)
    with pytest.raises(swf.Ambiguous):
        await double.start_workflow_execution("test", "w", SAMPLE)
    with pytest.raises(swf.Ambiguous):
        await double.poll_for_decision_task(DECISIONS, identity="decider")
    schedule.active = False
    assert double.statistics().open_executions == 1
    recovered = poll(double)
    await clock.advance(30)
    assert await recovered is not None
    await double.__aexit__(None, None, None)


async def test_duplicated_calls_happen_twice(clock: clocks.ManualClock) -> None:
    double, schedule = await scheduled(clock, duplicated=1.0)
    run_id = await double.start_workflow_execution("test", "w", SAMPLE)
    await double.signal_workflow_execution("test", "w", "s")
    schedule.active = False
    events = await double.get_workflow_execution_history("test", swf.Execution("w", run_id))
    assert [event.type for event in events].count("WorkflowExecutionSignaled") == 2
    await double.__aexit__(None, None, None)


async def test_refusals_and_throttling_change_nothing(clock: clocks.ManualClock) -> None:
    for faults, error in (({"refused": 1.0}, swf.ConnectFailed), ({"throttled": 1.0}, swf.Throttled)):
        double, _ = await scheduled(clock, **faults)
        with pytest.raises(error):
            await double.start_workflow_execution("test", "w", SAMPLE)
        assert double.statistics().open_executions == 0
        await double.__aexit__(None, None, None)


async def test_delays_pass_on_the_clock(clock: clocks.ManualClock) -> None:
    double, schedule = await scheduled(clock, max_delay_s=10.0)
    starting = asyncio.create_task(double.start_workflow_execution("test", "w", SAMPLE))
    await clocks.settle()
    assert not starting.done()
    await clock.advance(20)
    assert await starting
    schedule.active = False
    await double.__aexit__(None, None, None)


async def test_retries_outlast_a_lost_answer(clock: clocks.ManualClock) -> None:
    schedule = FaultSchedule(random.Random(7), lost=0.5, active=False)
    async with SwfDouble(clock, random.Random(1), schedule) as double:
        await prepare(double)
        await double.start_workflow_execution("test", "w", SAMPLE)
        task = await double.poll_for_decision_task(DECISIONS, identity="decider")
        assert task is not None
        schedule.active = True
        schedule.lost = 1.0
        responding = asyncio.create_task(double.respond_decision_task_completed(task.token, [schedule_timer()]))
        await clocks.settle()
        schedule.active = False
        await clock.advance(60)
        await responding


def schedule_timer() -> swf.Decision:
    return swf.Decision("StartTimer", {"timerId": "t", "startToFireTimeout": "10"})


async def test_works_on_the_machines_clock() -> None:
    async with SwfDouble(clocks.SystemClock(), random.Random(1)) as double:
        await prepare(double)
        await double.start_workflow_execution("test", "w", SAMPLE)
        task = await double.poll_for_decision_task(DECISIONS, identity="decider")
        assert task is not None
        timer = swf.Decision("StartTimer", {"timerId": "t", "startToFireTimeout": "0"})
        await double.respond_decision_task_completed(task.token, [timer])
        fired = await asyncio.wait_for(double.poll_for_decision_task(DECISIONS, identity="decider"), 5)
        assert fired is not None
        assert fired.events[-3].type == "TimerFired"
