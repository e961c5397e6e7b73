"""The reference traces of spec/swf-semantics 8.1 with exact ids, links and timestamp equalities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elbflow_engine.testing import Bench, decision

Trace = Callable[[list[dict[str, Any]]], str]

ACTIVITY = decision("ScheduleActivityTask", activityId="a", activityType={"name": "sample", "version": "1"})


def begin(bench: Bench, *decisions: dict[str, Any], **params: Any) -> str:
    """Start, poll and complete the first decision task, one second apart."""
    run_id = bench.start()
    bench.advance(1)
    task = bench.poll()
    bench.advance(1)
    bench.decide(task, *decisions, **params)
    bench.advance(1)
    return run_id


def run_activity(bench: Bench) -> None:
    activity = bench.poll("activity", "work")
    bench.advance(1)
    bench.respond(activity)
    bench.advance(1)


def test_a_simple(bench: Bench, trace: Trace) -> None:
    run_id = begin(bench, ACTIVITY)
    run_activity(bench)
    task = bench.poll()
    bench.advance(1)
    bench.decide(task, decision("CompleteWorkflowExecution"))
    assert task is not None
    assert task["previousStartedEventId"] == 3
    assert trace(bench.history(run_id)) == (
        "1 WorkflowExecutionStarted 2 DecisionTaskScheduled | 3 DecisionTaskStarted(2) "
        "| 4 DecisionTaskCompleted(2,3) 5 ActivityTaskScheduled(4) | 6 ActivityTaskStarted(5) "
        "| 7 ActivityTaskCompleted(5,6) 8 DecisionTaskScheduled | 9 DecisionTaskStarted(8) "
        "| 10 DecisionTaskCompleted(8,9) 11 WorkflowExecutionCompleted(10)"
    )


def test_a_first_task_has_no_previous(bench: Bench) -> None:
    bench.start()
    task = bench.poll()
    assert task is not None
    assert (task["previousStartedEventId"], task["startedEventId"]) == (0, 3)
    assert [event["eventId"] for event in task["events"]] == [1, 2, 3]


def test_b_coalescing(bench: Bench, trace: Trace) -> None:
    run_id = begin(bench, ACTIVITY)
    activity = bench.poll("activity", "work")
    bench.advance(1)
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.advance(1)
    task = bench.poll()
    bench.advance(1)
    bench.respond(activity)
    bench.advance(1)
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.advance(1)
    bench.decide(task, decision("StartTimer", timerId="t", startToFireTimeout="100"))
    bench.advance(1)
    following = bench.poll()
    assert following is not None
    assert (following["previousStartedEventId"], following["startedEventId"]) == (9, 15)
    assert [event["eventId"] for event in following["events"]] == list(range(1, 16))
    assert trace(bench.history(run_id)[7:]) == (
        "8 DecisionTaskScheduled | 9 DecisionTaskStarted(8) "
        "| 10 ActivityTaskCompleted(5,6) 11 DecisionTaskScheduled "
        "| 12 WorkflowExecutionSignaled | 13 DecisionTaskCompleted(8,9) 14 TimerStarted(13) "
        "| 15 DecisionTaskStarted(11)"
    )


def test_c_unhandled_decision(bench: Bench, trace: Trace) -> None:
    run_id = begin(bench, ACTIVITY)
    run_activity(bench)
    task = bench.poll()
    bench.advance(1)
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.advance(1)
    bench.decide(task, decision("CompleteWorkflowExecution"))
    bench.advance(1)
    following = bench.poll()
    assert following is not None
    assert following["previousStartedEventId"] == 9
    assert trace(bench.history(run_id)[8:]) == (
        "9 DecisionTaskStarted(8) | 10 WorkflowExecutionSignaled 11 DecisionTaskScheduled "
        "| 12 DecisionTaskCompleted(8,9) 13 CompleteWorkflowExecutionFailed(UNHANDLED_DECISION,12) "
        "| 14 DecisionTaskStarted(11)"
    )


def test_d_decision_timeout(bench: Bench, trace: Trace, refused: Callable[..., str]) -> None:
    run_id = bench.start()
    bench.advance(1)
    late = bench.poll()
    bench.advance(61)
    task = bench.poll()
    assert task is not None
    assert task["previousStartedEventId"] == 0
    assert trace(bench.history(run_id)) == (
        "1 WorkflowExecutionStarted 2 DecisionTaskScheduled | 3 DecisionTaskStarted(2) "
        "| 4 DecisionTaskTimedOut(START_TO_CLOSE,2,3) 5 DecisionTaskScheduled | 6 DecisionTaskStarted(5)"
    )
    message = refused("UnknownResourceFault", bench.decide, late)
    assert message == "Unknown decision task, scheduledEventId = 2"


def test_e_cancel_unstarted_activity(bench: Bench, trace: Trace) -> None:
    run_id = begin(bench, ACTIVITY)
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.advance(1)
    task = bench.poll()
    bench.advance(1)
    bench.decide(task, decision("RequestCancelActivityTask", activityId="a"))
    assert trace(bench.history(run_id)[3:]) == (
        "4 DecisionTaskCompleted(2,3) 5 ActivityTaskScheduled(4) "
        "| 6 WorkflowExecutionSignaled 7 DecisionTaskScheduled | 8 DecisionTaskStarted(7) "
        "| 9 DecisionTaskCompleted(7,8) 10 ActivityTaskCancelRequested(9) 11 ActivityTaskCanceled(5,0,10) "
        "12 DecisionTaskScheduled"
    )
    assert bench.poll("activity", "work") is None


def test_f_child(bench: Bench, trace: Trace, attrs: Callable[..., dict[str, Any]]) -> None:
    """Both sides of a child's start are one unit here, which 3.1 allows, so they share their timestamp."""
    child = decision(
        "StartChildWorkflowExecution",
        workflowId="child",
        workflowType={"name": "sample", "version": "1"},
        taskList={"name": "children"},
    )
    run_id = begin(bench, child)
    bench.decide(bench.poll())
    bench.advance(1)
    task = bench.poll(task_list="children")
    assert task is not None
    bench.advance(1)
    bench.decide(task, decision("CompleteWorkflowExecution", result="r"))
    events = bench.history(run_id)
    assert trace(events[3:]) == (
        "4 DecisionTaskCompleted(2,3) 5 StartChildWorkflowExecutionInitiated(4) 6 ChildWorkflowExecutionStarted(5) "
        "7 DecisionTaskScheduled | 8 DecisionTaskStarted(7) 9 DecisionTaskCompleted(7,8) "
        "| 10 ChildWorkflowExecutionCompleted(6,5) 11 DecisionTaskScheduled"
    )
    assert attrs(events[9])["result"] == "r"
    child_run = task["workflowExecution"]["runId"]
    assert trace(bench.history(child_run, "child")[:2]) == "1 WorkflowExecutionStarted 2 DecisionTaskScheduled"
    started = attrs(task["events"][0])
    assert started["parentWorkflowExecution"] == {"workflowId": "w", "runId": run_id}
    assert started["parentInitiatedEventId"] == 5


def test_g_sticky_expiry(bench: Bench, trace: Trace, attrs: Callable[..., dict[str, Any]]) -> None:
    run_id = begin(bench, ACTIVITY, taskList={"name": "host1"}, taskListScheduleToStartTimeout="5")
    run_activity(bench)
    bench.advance(10)
    events = bench.history(run_id)
    assert trace(events[3:]) == (
        "4 DecisionTaskCompleted(2,3) 5 ActivityTaskScheduled(4) | 6 ActivityTaskStarted(5) "
        "| 7 ActivityTaskCompleted(5,6) 8 DecisionTaskScheduled "
        "| 9 DecisionTaskTimedOut(SCHEDULE_TO_START,8,0) 10 DecisionTaskScheduled"
    )
    sticky, original = attrs(events[7]), attrs(events[9])
    assert (sticky["taskList"]["name"], sticky["scheduleToStartTimeout"]) == ("host1", "5")
    assert (original["taskList"]["name"], original["scheduleToStartTimeout"]) == ("main", "NONE")
    assert events[8]["eventTimestamp"] == events[7]["eventTimestamp"] + 5
    assert bench.poll(task_list="host1") is None
    assert bench.poll() is not None


def test_h_schedule_failure(bench: Bench, trace: Trace) -> None:
    missing = decision("ScheduleActivityTask", activityId="a", activityType={"name": "none", "version": "1"})
    run_id = begin(bench, missing)
    assert trace(bench.history(run_id)[3:]) == (
        "4 DecisionTaskCompleted(2,3) 5 ScheduleActivityTaskFailed(ACTIVITY_TYPE_DOES_NOT_EXIST,4) "
        "6 DecisionTaskScheduled"
    )


def test_i_child_id_taken(bench: Bench, trace: Trace) -> None:
    bench.start("taken", taskList={"name": "elsewhere"})
    child = decision("StartChildWorkflowExecution", workflowId="taken", workflowType={"name": "sample", "version": "1"})
    run_id = begin(bench, child)
    assert trace(bench.history(run_id)[3:]) == (
        "4 DecisionTaskCompleted(2,3) 5 StartChildWorkflowExecutionInitiated(4) "
        "6 StartChildWorkflowExecutionFailed(WORKFLOW_ALREADY_RUNNING,5,4) 7 DecisionTaskScheduled"
    )
