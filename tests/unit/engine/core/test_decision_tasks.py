"""Decision tasks: coalescing, timeouts, overrides, windows (spec/swf-semantics 3.2-3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elbflow_engine.testing import Bench, decision

Attrs = Callable[[dict[str, Any]], dict[str, Any]]

TIMER = decision("StartTimer", timerId="t", startToFireTimeout="500")


def signal(bench: Bench, **params: Any) -> None:
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s", **params)


def count(bench: Bench, run_id: str, kind: str) -> int:
    return sum(event["eventType"] == kind for event in bench.history(run_id))


def test_many_events_one_decision_task(bench: Bench) -> None:
    run_id = bench.start()
    for _ in range(3):
        signal(bench)
    assert count(bench, run_id, "DecisionTaskScheduled") == 1
    task = bench.poll()
    for _ in range(3):
        signal(bench)
    assert count(bench, run_id, "DecisionTaskScheduled") == 2
    assert bench.describe(run_id)["openCounts"]["openDecisionTasks"] == 1
    assert bench.poll() is None
    bench.decide(task)
    assert count(bench, run_id, "DecisionTaskScheduled") == 2
    following = bench.poll()
    assert following is not None
    assert len(following["events"]) == following["startedEventId"] == 12


def test_without_demand_the_execution_sleeps(bench: Bench) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), TIMER, decision("RecordMarker", markerName="m"))
    assert bench.poll() is None
    assert bench.describe(run_id)["openCounts"]["openDecisionTasks"] == 0
    signal(bench)
    assert bench.poll() is not None


def test_repeated_timeouts_go_on_until_the_execution_times_out(bench: Bench) -> None:
    run_id = bench.start(executionStartToCloseTimeout="200")
    while bench.poll() is not None:
        bench.advance(60)
    kinds = [event["eventType"] for event in bench.history(run_id)]
    assert kinds.count("DecisionTaskTimedOut") == 3
    assert kinds[-1] == "WorkflowExecutionTimedOut"


def test_queued_task_becomes_pollable_after_a_timeout(bench: Bench) -> None:
    run_id = bench.start()
    bench.poll()
    signal(bench)
    bench.advance(60)
    assert count(bench, run_id, "DecisionTaskScheduled") == 2
    task = bench.poll()
    assert task is not None
    assert task["events"][-1]["decisionTaskStartedEventAttributes"]["scheduledEventId"] == 5
    assert task["previousStartedEventId"] == 0


def test_no_timeout_when_the_task_timeout_is_none(bench: Bench) -> None:
    run_id = bench.start(taskStartToCloseTimeout="NONE")
    task = bench.poll()
    bench.advance(3000)
    bench.decide(task, TIMER)
    assert count(bench, run_id, "DecisionTaskTimedOut") == 0


def test_start_at_previous_started_event(bench: Bench) -> None:
    bench.start()
    first = bench.poll(startAtPreviousStartedEvent=True)
    assert first is not None
    assert [event["eventId"] for event in first["events"]] == [1, 2, 3]
    bench.decide(first)
    signal(bench)
    bench.poll()
    bench.advance(60)
    task = bench.poll(startAtPreviousStartedEvent=True)
    assert task is not None
    assert task["previousStartedEventId"] == 3
    assert [event["eventId"] for event in task["events"]] == [3, 4, 5, 6, 7, 8, 9, 10]


def test_permanent_override(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), TIMER, taskList={"name": "host"})
    signal(bench)
    assert bench.poll() is None
    assert bench.poll(task_list="host") is not None
    bench.advance(60)
    assert bench.poll() is None
    task = bench.poll(task_list="host")
    bench.decide(task)
    signal(bench)
    assert bench.poll(task_list="host") is not None
    scheduled = [event for event in bench.history(run_id) if event["eventType"] == "DecisionTaskScheduled"]
    assert attrs(scheduled[-1])["scheduleToStartTimeout"] == "NONE"
    assert bench.describe(run_id)["executionConfiguration"]["taskList"] == {"name": "main"}


def test_temporary_override_ends_with_a_late_completion(bench: Bench) -> None:
    bench.start()
    bench.decide(bench.poll(), TIMER, taskList={"name": "host"}, taskListScheduleToStartTimeout="NONE")
    signal(bench)
    bench.advance(300)
    assert bench.poll(task_list="host") is not None
    bench.advance(60)
    assert bench.poll(task_list="host") is None
    assert bench.poll() is not None


def test_temporary_override_survives_completions_without_list(bench: Bench) -> None:
    bench.start()
    bench.decide(bench.poll(), TIMER, taskList={"name": "host"}, taskListScheduleToStartTimeout="5")
    signal(bench)
    bench.decide(bench.poll(task_list="host"), TIMER)
    bench.decide(bench.poll(task_list="host"))
    signal(bench)
    assert bench.poll() is None
    bench.advance(5)
    assert bench.poll() is not None


def test_override_moves_the_queued_task(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    task = bench.poll()
    signal(bench)
    bench.advance(10)
    bench.decide(task, taskList={"name": "host"}, taskListScheduleToStartTimeout="5")
    assert attrs(bench.history(run_id)[4])["taskList"] == {"name": "main"}
    bench.advance(4.9)
    assert bench.poll() is None
    assert bench.poll(task_list="host") is not None


def test_queued_task_expires_from_becoming_pollable(bench: Bench) -> None:
    run_id = bench.start()
    task = bench.poll()
    signal(bench)
    bench.advance(10)
    bench.decide(task, taskList={"name": "host"}, taskListScheduleToStartTimeout="5")
    completed = bench.now
    bench.advance(100)
    timed_out = next(event for event in bench.history(run_id) if event["eventType"] == "DecisionTaskTimedOut")
    assert timed_out["eventTimestamp"] == completed + 5
    assert bench.poll() is not None


def test_override_back_to_the_original_list(bench: Bench) -> None:
    bench.start()
    bench.decide(bench.poll(), TIMER, taskList={"name": "host"}, taskListScheduleToStartTimeout="5")
    signal(bench)
    bench.decide(bench.poll(task_list="host"), taskList={"name": "main"})
    signal(bench)
    assert bench.poll() is not None


def test_clock_that_steps_back_never_shows(bench: Bench) -> None:
    run_id = bench.start()
    bench.now -= 100
    bench.decide(bench.poll(), TIMER)
    stamps = [event["eventTimestamp"] for event in bench.history(run_id)]
    assert stamps == sorted(stamps)
