"""Every decision: its success, its reachable failures, batches (spec/swf-semantics 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision

Attrs = Callable[[dict[str, Any]], dict[str, Any]]
Refused = Callable[..., str]

SAMPLE = {"name": "sample", "version": "1"}
OTHER = {"name": "other", "version": "1"}
ACTIVITY = decision("ScheduleActivityTask", activityId="a", activityType=SAMPLE)
TIMER = decision("StartTimer", timerId="t", startToFireTimeout="100")


def outcome(bench: Bench, *decisions: dict[str, Any]) -> list[dict[str, Any]]:
    """Events that a first completion with these decisions appends after DecisionTaskCompleted."""
    run_id = bench.start()
    bench.decide(bench.poll(), *decisions)
    return bench.history(run_id)[4:]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventType"] for event in events]


def test_schedule_activity_records_resolved_values(bench: Bench, attrs: Attrs) -> None:
    scheduled = decision(
        "ScheduleActivityTask",
        activityId="a",
        activityType=SAMPLE,
        input="in",
        control="memo",
        startToCloseTimeout="7",
        heartbeatTimeout="",
        taskPriority="3",
    )
    events = outcome(bench, scheduled)
    assert kinds(events) == ["ActivityTaskScheduled"]
    assert attrs(events[0]) == {
        "activityType": SAMPLE,
        "activityId": "a",
        "input": "in",
        "control": "memo",
        "taskList": {"name": "work"},
        "scheduleToStartTimeout": "NONE",
        "scheduleToCloseTimeout": "NONE",
        "startToCloseTimeout": "7",
        "heartbeatTimeout": "NONE",
        "taskPriority": "3",
        "decisionTaskCompletedEventId": 4,
    }


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({}, "DEFAULT_TASK_LIST_UNDEFINED"),
        ({"taskList": {"name": "x"}}, "DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED"),
        (
            {"taskList": {"name": "x"}, "scheduleToStartTimeout": "1"},
            "DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED",
        ),
        (
            {"taskList": {"name": "x"}, "scheduleToStartTimeout": "1", "scheduleToCloseTimeout": "1"},
            "DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED",
        ),
        (
            {
                "taskList": {"name": "x"},
                "scheduleToStartTimeout": "1",
                "scheduleToCloseTimeout": "1",
                "startToCloseTimeout": "1",
            },
            "DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED",
        ),
    ],
)
def test_activity_without_defaults(bench: Bench, attrs: Attrs, given: dict[str, Any], cause: str) -> None:
    bench.call("RegisterActivityType", name="other", version="1")
    events = outcome(bench, decision("ScheduleActivityTask", activityId="a", activityType=OTHER, **given))
    assert kinds(events) == ["ScheduleActivityTaskFailed", "DecisionTaskScheduled"]
    assert attrs(events[0]) == {
        "activityType": OTHER,
        "activityId": "a",
        "cause": cause,
        "decisionTaskCompletedEventId": 4,
    }


def test_deprecated_activity_type(bench: Bench, attrs: Attrs) -> None:
    bench.call("DeprecateActivityType", activityType=SAMPLE)
    assert attrs(outcome(bench, ACTIVITY)[0])["cause"] == "ACTIVITY_TYPE_DEPRECATED"


def test_activity_id_in_use_until_closed(bench: Bench, attrs: Attrs) -> None:
    events = outcome(bench, ACTIVITY, ACTIVITY)
    assert attrs(events[1])["cause"] == "ACTIVITY_ID_ALREADY_IN_USE"
    bench.decide(bench.poll(), decision("RequestCancelActivityTask", activityId="a"), ACTIVITY)
    assert bench.poll("activity", "work") is not None


def test_open_activity_limit(attrs: Attrs) -> None:
    bench = Bench(core.Limits(open_activities=1))
    second = decision("ScheduleActivityTask", activityId="b", activityType=SAMPLE)
    assert attrs(outcome(bench, ACTIVITY, second)[1])["cause"] == "OPEN_ACTIVITIES_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (
            lambda n: decision("ScheduleActivityTask", activityId=f"{n}", activityType=SAMPLE),
            "ACTIVITY_CREATION_RATE_EXCEEDED",
        ),
        (
            lambda n: decision("StartTimer", timerId=f"{n}", startToFireTimeout="9"),
            "TIMER_CREATION_RATE_EXCEEDED",
        ),
        (
            lambda n: decision("StartChildWorkflowExecution", workflowId=f"{n}", workflowType=SAMPLE),
            "CHILD_CREATION_RATE_EXCEEDED",
        ),
        (
            lambda _: decision("SignalExternalWorkflowExecution", workflowId="x", signalName="s"),
            "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED",
        ),
        (
            lambda _: decision("RequestCancelExternalWorkflowExecution", workflowId="x"),
            "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_RATE_EXCEEDED",
        ),
    ],
)
def test_rate_buckets(attrs: Attrs, make: Callable[[int], dict[str, Any]], cause: str) -> None:
    bench = Bench(core.Limits(throttle_scale=0.002))
    events = outcome(bench, *(make(n) for n in range(5)))
    causes = [attrs(event).get("cause") for event in events if event["eventType"].endswith("Failed")]
    assert cause in causes
    refused = next(event for event in events if attrs(event).get("cause") == cause)
    assert attrs(refused).get("initiatedEventId", 0) == 0


def test_cancel_unknown_activity(bench: Bench, attrs: Attrs) -> None:
    events = outcome(bench, decision("RequestCancelActivityTask", activityId="a"))
    assert kinds(events) == ["RequestCancelActivityTaskFailed", "DecisionTaskScheduled"]
    assert attrs(events[0])["cause"] == "ACTIVITY_ID_UNKNOWN"


@pytest.mark.parametrize(
    ("closing", "event", "status", "echo"),
    [
        (decision("CompleteWorkflowExecution", result="r"), "WorkflowExecutionCompleted", "COMPLETED", {"result": "r"}),
        (
            decision("FailWorkflowExecution", reason="r", details="d"),
            "WorkflowExecutionFailed",
            "FAILED",
            {"reason": "r", "details": "d"},
        ),
        (decision("CancelWorkflowExecution", details="d"), "WorkflowExecutionCanceled", "CANCELED", {"details": "d"}),
        ({"decisionType": "CompleteWorkflowExecution"}, "WorkflowExecutionCompleted", "COMPLETED", {}),
    ],
)
def test_closing(
    bench: Bench, attrs: Attrs, closing: dict[str, Any], event: str, status: str, echo: dict[str, str]
) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), ACTIVITY, TIMER, closing)
    last = bench.history(run_id)[-1]
    assert (last["eventType"], attrs(last)) == (event, {"decisionTaskCompletedEventId": 4, **echo})
    detail = bench.describe(run_id)
    assert detail["executionInfo"]["closeStatus"] == status
    assert detail["executionInfo"]["closeTimestamp"] == last["eventTimestamp"]
    assert set(detail["openCounts"].values()) == {0}
    assert bench.poll("activity", "work") is None
    bench.advance(200)
    assert bench.history(run_id)[-1] == last


@pytest.mark.parametrize(
    "closing",
    [
        "CompleteWorkflowExecution",
        "FailWorkflowExecution",
        "CancelWorkflowExecution",
        "ContinueAsNewWorkflowExecution",
    ],
)
def test_unhandled_decision(bench: Bench, attrs: Attrs, closing: str) -> None:
    run_id = bench.start()
    task = bench.poll()
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.decide(task, TIMER, decision(closing))
    events = bench.history(run_id)
    assert kinds(events)[-2:] == ["TimerStarted", f"{closing}Failed"]
    assert attrs(events[-1])["cause"] == "UNHANDLED_DECISION"
    following = bench.poll()
    assert following is not None
    bench.decide(following, decision("CompleteWorkflowExecution"))
    assert bench.history(run_id)[-1]["eventType"] == "WorkflowExecutionCompleted"


def test_failures_of_the_same_batch_do_not_block_the_close(bench: Bench) -> None:
    events = outcome(
        bench, decision("RequestCancelActivityTask", activityId="none"), decision("CompleteWorkflowExecution")
    )
    assert kinds(events) == ["RequestCancelActivityTaskFailed", "WorkflowExecutionCompleted"]


def test_continue_as_new(bench: Bench, attrs: Attrs) -> None:
    first = bench.start(taskList={"name": "own"}, tagList=["t"], input="old")
    continuing = decision("ContinueAsNewWorkflowExecution", input="new")
    bench.decide(bench.poll(task_list="own"), continuing)
    closed = attrs(bench.history(first)[-1])
    second = closed["newExecutionRunId"]
    started = attrs(bench.history(second)[0])
    assert started["continuedExecutionRunId"] == first
    assert started["input"] == "new"
    assert started["parentInitiatedEventId"] == 0
    assert "tagList" not in started
    assert started["taskList"] == closed["taskList"] == {"name": "main"}
    assert bench.describe(first)["executionInfo"]["closeStatus"] == "CONTINUED_AS_NEW"
    assert bench.poll() is not None


def test_continue_as_new_with_another_version(bench: Bench, attrs: Attrs) -> None:
    bench.call("RegisterWorkflowType", name="sample", version="2")
    given = {
        "executionStartToCloseTimeout": "NONE",
        "taskList": {"name": "v2"},
        "taskStartToCloseTimeout": "10",
        "childPolicy": "ABANDON",
        "tagList": ["x"],
        "taskPriority": "5",
    }
    run_id = bench.start()
    bench.decide(bench.poll(), decision("ContinueAsNewWorkflowExecution", workflowTypeVersion="2", **given))
    task = bench.poll(task_list="v2")
    assert task is not None
    assert task["workflowType"] == {"name": "sample", "version": "2"}
    assert given.items() <= attrs(task["events"][0]).items()
    assert given.items() <= attrs(bench.history(run_id)[-1]).items()


@pytest.mark.parametrize(
    ("version", "given", "cause"),
    [
        ("9", {}, "WORKFLOW_TYPE_DOES_NOT_EXIST"),
        ("8", {}, "WORKFLOW_TYPE_DEPRECATED"),
        ("7", {}, "DEFAULT_EXECUTION_START_TO_CLOSE_TIMEOUT_UNDEFINED"),
        ("7", {"executionStartToCloseTimeout": "1"}, "DEFAULT_TASK_LIST_UNDEFINED"),
        (
            "7",
            {"executionStartToCloseTimeout": "1", "taskList": {"name": "x"}},
            "DEFAULT_TASK_START_TO_CLOSE_TIMEOUT_UNDEFINED",
        ),
        (
            "7",
            {"executionStartToCloseTimeout": "1", "taskList": {"name": "x"}, "taskStartToCloseTimeout": "1"},
            "DEFAULT_CHILD_POLICY_UNDEFINED",
        ),
    ],
)
def test_unusable_workflow_types(bench: Bench, attrs: Attrs, version: str, given: dict[str, Any], cause: str) -> None:
    bench.call("RegisterWorkflowType", name="sample", version="7")
    bench.call("RegisterWorkflowType", name="sample", version="8")
    bench.call("DeprecateWorkflowType", workflowType={"name": "sample", "version": "8"})
    child = decision(
        "StartChildWorkflowExecution",
        workflowId="c",
        workflowType={"name": "sample", "version": version},
        control="memo",
        **given,
    )
    events = outcome(bench, child, decision("ContinueAsNewWorkflowExecution", workflowTypeVersion=version, **given))
    assert attrs(events[0]) == {
        "workflowId": "c",
        "workflowType": {"name": "sample", "version": version},
        "control": "memo",
        "cause": cause,
        "initiatedEventId": 0,
        "decisionTaskCompletedEventId": 4,
    }
    assert kinds(events)[1:] == ["ContinueAsNewWorkflowExecutionFailed", "DecisionTaskScheduled"]
    assert attrs(events[1])["cause"] == cause


def test_marker(bench: Bench, attrs: Attrs) -> None:
    events = outcome(bench, decision("RecordMarker", markerName="a:b", details="d"))
    assert kinds(events) == ["MarkerRecorded"]
    assert attrs(events[0]) == {"markerName": "a:b", "details": "d", "decisionTaskCompletedEventId": 4}
    assert bench.poll() is None


def test_timer(bench: Bench, attrs: Attrs) -> None:
    timer = decision("StartTimer", timerId="t", startToFireTimeout="30", control="memo")
    events = outcome(bench, timer)
    assert attrs(events[0]) == {
        "timerId": "t",
        "startToFireTimeout": "30",
        "control": "memo",
        "decisionTaskCompletedEventId": 4,
    }
    bench.advance(100)
    task = bench.poll()
    assert task is not None
    fired = task["events"][5]
    assert attrs(fired) == {"timerId": "t", "startedEventId": 5}
    assert fired["eventTimestamp"] == events[0]["eventTimestamp"] + 30
    bench.decide(task, decision("CancelTimer", timerId="t"), timer, decision("CancelTimer", timerId="t"))
    events = bench.history(task["workflowExecution"]["runId"])[9:]
    assert kinds(events) == ["CancelTimerFailed", "TimerStarted", "TimerCanceled", "DecisionTaskScheduled"]
    assert attrs(events[0])["cause"] == "TIMER_ID_UNKNOWN"
    assert attrs(events[2]) == {"timerId": "t", "startedEventId": 11, "decisionTaskCompletedEventId": 9}
    bench.advance(100)
    assert "TimerFired" not in kinds(bench.history(task["workflowExecution"]["runId"])[9:])


def test_timer_refusals(attrs: Attrs) -> None:
    bench = Bench(core.Limits(open_timers=1))
    events = outcome(bench, TIMER, TIMER, decision("StartTimer", timerId="u", startToFireTimeout="1"))
    assert [attrs(event)["cause"] for event in events[1:3]] == [
        "TIMER_ID_ALREADY_IN_USE",
        "OPEN_TIMERS_LIMIT_EXCEEDED",
    ]
    assert kinds(events).count("DecisionTaskScheduled") == 1


def test_zero_timer_fires_at_once_in_its_own_unit(bench: Bench) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), decision("StartTimer", timerId="t", startToFireTimeout="0"))
    assert kinds(bench.history(run_id))[-1] == "TimerStarted"
    bench.expire()
    assert kinds(bench.history(run_id))[-2:] == ["TimerFired", "DecisionTaskScheduled"]


def test_lambda_is_not_available(bench: Bench, attrs: Attrs) -> None:
    events = outcome(bench, decision("ScheduleLambdaFunction", id="i", name="f", startToCloseTimeout="900"))
    assert kinds(events) == ["ScheduleLambdaFunctionFailed", "DecisionTaskScheduled"]
    assert attrs(events[0]) == {
        "id": "i",
        "name": "f",
        "cause": "LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION",
        "decisionTaskCompletedEventId": 4,
    }


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ([decision("CompleteWorkflowExecution"), TIMER], "Close must be last decision in list"),
        (
            [decision("FailWorkflowExecution"), decision("CompleteWorkflowExecution")],
            "Close must be last decision in list",
        ),
        (
            [TIMER, {"decisionType": "StartTimer"}],
            "1 validation error detected: Value null at 'decisions.2.member.startTimerDecisionAttributes' "
            "failed to satisfy constraint: Member must not be null",
        ),
        (
            [decision("ScheduleActivityTask", activityId="a", activityType={"name": "x"})],
            "1 validation error detected: Value null at "
            "'decisions.1.member.scheduleActivityTaskDecisionAttributes.activityType.version' "
            "failed to satisfy constraint: Member must not be null",
        ),
        (
            [decision("StartTimer", timerId="t", startToFireTimeout="NONE")],
            "Invalid duration for startToFireTimeout: NONE",
        ),
        (
            [decision("StartTimer", timerId="a:b", startToFireTimeout="1")],
            "Invalid value for timerId: it contains a reserved character or word",
        ),
        (
            [decision("ScheduleLambdaFunction", id="i", name="f", startToCloseTimeout="901")],
            "Invalid duration for startToCloseTimeout: 901",
        ),
        ([{"decisionType": "Nonsense"}], "Unknown decision type: Nonsense"),
    ],
)
def test_invalid_batches_leave_everything_untouched(
    bench: Bench, refused: Refused, decisions: list[dict[str, Any]], message: str
) -> None:
    run_id = bench.start()
    task = bench.poll()
    before = bench.history(run_id)
    assert refused("ValidationException", bench.decide, task, *decisions) == message
    assert bench.history(run_id) == before
    bench.decide(task, decision("CompleteWorkflowExecution"))
    assert bench.describe(run_id)["executionInfo"]["closeStatus"] == "COMPLETED"


def test_execution_context_is_kept(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start()
    bench.decide(bench.poll(), executionContext="one")
    assert attrs(bench.history(run_id)[3])["executionContext"] == "one"
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.decide(bench.poll())
    assert bench.describe(run_id)["latestExecutionContext"] == "one"
