"""Starting executions, values beyond their shape, tokens, history limits (spec/swf-semantics 1.6, 2, 3.1, 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision

Attrs = Callable[[dict[str, Any]], dict[str, Any]]
Refused = Callable[..., str]

SAMPLE = {"name": "sample", "version": "1"}
ACTIVITY = decision("ScheduleActivityTask", activityId="a", activityType=SAMPLE)


def test_started_event(bench: Bench, attrs: Attrs) -> None:
    run_id = bench.start(input="in", tagList=["a", "b"], taskPriority="-7")
    assert len(run_id) == 46
    assert run_id.startswith("22")
    started, scheduled = bench.history(run_id)
    assert attrs(started) == {
        "input": "in",
        "executionStartToCloseTimeout": "3600",
        "taskStartToCloseTimeout": "60",
        "childPolicy": "TERMINATE",
        "taskList": {"name": "main"},
        "taskPriority": "-7",
        "workflowType": SAMPLE,
        "tagList": ["a", "b"],
        "parentInitiatedEventId": 0,
    }
    assert attrs(scheduled) == {
        "taskList": {"name": "main"},
        "taskPriority": "-7",
        "startToCloseTimeout": "60",
        "scheduleToStartTimeout": "NONE",
    }


def test_run_ids_differ(bench: Bench) -> None:
    seen = set()
    for _ in range(3):
        seen.add(bench.start())
        bench.call("TerminateWorkflowExecution", workflowId="w")
    assert len(seen) == 3


def test_start_refusals(bench: Bench, refused: Refused) -> None:
    bench.start()
    assert refused("WorkflowExecutionAlreadyStartedFault", bench.start) == "Already Started"
    message = refused("UnknownResourceFault", bench.start, "v", workflowType={"name": "n", "version": "9"})
    assert message == "Unknown type: WorkflowType=[name=n, version=9]"
    bench.call("DeprecateWorkflowType", workflowType=SAMPLE)
    message = refused("TypeDeprecatedFault", bench.start, "v")
    assert message == "WorkflowType=[name=sample, version=1]"


def test_undefined_defaults_in_order(bench: Bench, refused: Refused) -> None:
    bench.call("RegisterWorkflowType", name="bare", version="1")
    given: dict[str, Any] = {"workflowType": {"name": "bare", "version": "1"}}
    for name, value in (
        ("executionStartToCloseTimeout", "10"),
        ("taskList", {"name": "main"}),
        ("taskStartToCloseTimeout", "NONE"),
        ("childPolicy", "ABANDON"),
    ):
        assert refused("DefaultUndefinedFault", bench.start, **given) == name
        given[name] = value
    assert bench.start(**given)


def test_open_execution_limit(refused: Refused) -> None:
    bench = Bench(core.Limits(open_executions=1))
    bench.start()
    refused("LimitExceededFault", bench.start, "v")
    bench.call("TerminateWorkflowExecution", workflowId="w")
    assert bench.start("v")


@pytest.mark.parametrize(
    "params",
    [
        {"executionStartToCloseTimeout": "NONE"},
        {"executionStartToCloseTimeout": "31536001"},
        {"taskStartToCloseTimeout": "ten"},
        {"taskStartToCloseTimeout": "-1"},
        {"taskPriority": "high"},
        {"taskPriority": "2147483648"},
        {"taskList": {"name": "a:b"}},
        {"taskList": {"name": " padded"}},
        {"taskList": {"name": "arn"}},
        {"workflowType": {"name": "a/b", "version": "1"}},
        {"workflowType": {"name": "a", "version": "1|2"}},
        {"workflowId": "a\u0085b"},
        {"domain": "a\tb"},
    ],
)
def test_values_that_break_a_rule(bench: Bench, refused: Refused, params: dict[str, Any]) -> None:
    given = {"workflowId": "w", "workflowType": SAMPLE} | params
    refused("ValidationException", bench.call, "StartWorkflowExecution", **given)


@pytest.mark.parametrize("days", ["91", "-1", "one"])
def test_bad_retention(bench: Bench, refused: Refused, days: str) -> None:
    given = {"name": "d", "workflowExecutionRetentionPeriodInDays": days}
    refused("ValidationException", bench.call, "RegisterDomain", domain=None, **given)


@pytest.mark.parametrize("name", ["a:b", " d", "d "])
def test_bad_domain_names(bench: Bench, refused: Refused, name: str) -> None:
    given = {"name": name, "workflowExecutionRetentionPeriodInDays": "1"}
    refused("ValidationException", bench.call, "RegisterDomain", domain=None, **given)


def test_default_execution_timeout_must_be_finite(bench: Bench, refused: Refused) -> None:
    given = {"name": "n", "version": "1", "defaultExecutionStartToCloseTimeout": "NONE"}
    refused("ValidationException", bench.call, "RegisterWorkflowType", **given)


def test_signal_and_marker_names_are_free(bench: Bench) -> None:
    run_id = bench.start()
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="a:b/c")
    bench.decide(bench.poll(), decision("RecordMarker", markerName="arn"))
    assert bench.history(run_id)[-1]["eventType"] == "MarkerRecorded"


def test_wrong_types_and_missing_members(bench: Bench, refused: Refused) -> None:
    refused("SerializationException", bench.call, "DescribeDomain", domain=None, name=5)
    refused("ValidationException", bench.call, "DescribeDomain", domain=None)
    run_id = bench.start()
    execution = {"workflowId": "w", "runId": run_id}
    for bad in ({"maximumPageSize": "1"}, {"reverseOrder": "yes"}, {"execution": "w"}):
        given = {"execution": execution} | bad
        refused("SerializationException", bench.call, "GetWorkflowExecutionHistory", **given)


def test_lists_of_the_wrong_kind(bench: Bench, refused: Refused) -> None:
    refused("SerializationException", bench.start, tagList=["a", 1])
    task = bench.poll() if bench.start() else None
    assert task is not None
    wrong: tuple[Any, ...] = (["x"], "x", {})
    for bad in wrong:
        given = {"taskToken": task["taskToken"], "decisions": bad}
        refused("SerializationException", bench.call, "RespondDecisionTaskCompleted", domain=None, **given)


def test_unknown_operation(bench: Bench, refused: Refused) -> None:
    assert refused("UnknownOperationException", bench.call, "Dance") == "Operation not served: Dance"


def test_task_tokens(bench: Bench, refused: Refused) -> None:
    bench.start()
    task = bench.poll()
    assert task is not None
    bench.decide(task, ACTIVITY)
    activity = bench.poll("activity", "work")
    assert activity is not None
    forged = activity["taskToken"][:-1] + ("A" if activity["taskToken"][-1] != "A" else "B")
    for token in (forged, "x", "", "é", task["taskToken"]):
        message = refused("ValidationException", bench.respond, {"taskToken": token})
        assert message == "Invalid token"
    refused("ValidationException", bench.decide, activity)
    bench.reload()
    bench.respond(activity)
    assert bench.poll() is not None


def test_tokens_outlive_a_domain_deprecation(bench: Bench) -> None:
    bench.start()
    task = bench.poll()
    bench.call("DeprecateDomain", name="test", domain=None)
    bench.decide(task, decision("CompleteWorkflowExecution"))
    assert bench.engine.statistics().open_executions == 0


def full_limits(events: int) -> core.Limits:
    return core.Limits(history_events=events)


def test_event_limit_terminates(attrs: Attrs) -> None:
    bench = Bench(full_limits(6))
    run_id = bench.start()
    for _ in range(3):
        bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.expire()
    events = bench.history(run_id)
    assert [event["eventId"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert attrs(events[-1]) == {"cause": "EVENT_LIMIT_EXCEEDED", "childPolicy": "TERMINATE"}
    assert bench.describe(run_id)["executionInfo"]["closeStatus"] == "TERMINATED"
    assert bench.poll() is None


def test_event_limit_inside_a_batch(attrs: Attrs) -> None:
    bench = Bench(full_limits(8))
    run_id = bench.start()
    child = decision("StartChildWorkflowExecution", workflowId="c", workflowType=SAMPLE, taskList={"name": "children"})
    markers = [decision("RecordMarker", markerName="m")] * 5
    bench.decide(bench.poll(), child, ACTIVITY, *markers)
    assert attrs(bench.history(run_id)[-1])["cause"] == "EVENT_LIMIT_EXCEEDED"
    assert len(bench.history(run_id)) == 8
    assert bench.poll(task_list="children") is None
    assert bench.poll("activity", "work") is None
    assert bench.engine.statistics().open_executions == 0


def test_event_limit_spares_a_stranger_with_the_childs_id() -> None:
    bench = Bench(full_limits(8))
    stranger = bench.start("c", taskList={"name": "other"})
    bench.start()
    child = decision("StartChildWorkflowExecution", workflowId="c", workflowType=SAMPLE)
    bench.decide(bench.poll(), child, *[decision("RecordMarker", markerName="m")] * 5)
    assert bench.describe(stranger, "c")["executionInfo"]["executionStatus"] == "OPEN"


def test_event_limit_with_another_policy_starts_the_child() -> None:
    bench = Bench(full_limits(8))
    bench.start(childPolicy="REQUEST_CANCEL")
    child = decision("StartChildWorkflowExecution", workflowId="c", workflowType=SAMPLE, taskList={"name": "children"})
    bench.decide(bench.poll(), child, *[decision("RecordMarker", markerName="m")] * 5)
    task = bench.poll(task_list="children")
    assert task is not None
    assert task["events"][2]["eventType"] == "WorkflowExecutionCancelRequested"


def test_event_limit_of_a_signal_target(attrs: Attrs) -> None:
    bench = Bench(full_limits(8))
    target = bench.start("target", taskList={"name": "other"})
    for _ in range(4):
        bench.call("SignalWorkflowExecution", workflowId="target", signalName="s")
    run_id = bench.start()
    task = bench.poll()
    bench.call("SignalWorkflowExecution", workflowId="target", signalName="s")
    bench.decide(task, decision("SignalExternalWorkflowExecution", workflowId="target", signalName="s"))
    assert bench.history(run_id)[5]["eventType"] == "ExternalWorkflowExecutionSignaled"
    assert attrs(bench.history(target, "target")[-1])["cause"] == "EVENT_LIMIT_EXCEEDED"


def test_full_history_hands_out_no_task() -> None:
    bench = Bench(full_limits(3))
    run_id = bench.start()
    assert bench.poll() is None
    waiter = bench.park()
    bench.expire()
    assert bench.delivered == {}
    assert isinstance(waiter, int)
    assert len(bench.history(run_id)) == 3


def test_undoing_the_last_start_brings_all_tasks_back() -> None:
    bench = Bench(full_limits(8))
    bench.start()
    other = decision("ScheduleActivityTask", activityId="b", activityType=SAMPLE)
    bench.decide(bench.poll(), ACTIVITY, other)
    assert bench.poll("activity", "work") is not None
    bench.reload()
    assert bench.poll("activity", "work") is None
    undone = bench.engine.undo_handoff(list(bench.handoffs.values())[-1], bench.now)
    assert undone is not None
    bench.commit(undone)
    assert bench.call("CountPendingActivityTasks", taskList={"name": "work"})["count"] == 2


def test_overdue_deadlines_fire_in_order_after_a_restart(bench: Bench) -> None:
    run_id = bench.start()
    timers = [decision("StartTimer", timerId=f"{s}", startToFireTimeout=f"{s}") for s in (30, 10, 20)]
    bench.decide(bench.poll(), *timers)
    began = bench.now
    bench.now += 1000
    bench.reload()
    bench.expire()
    fired = [event for event in bench.history(run_id) if event["eventType"] == "TimerFired"]
    assert [event["eventTimestamp"] - began for event in fired] == [10, 20, 30]


def test_expire_is_bounded(bench: Bench) -> None:
    bench.start()
    timers = [decision("StartTimer", timerId=f"{n}", startToFireTimeout="1") for n in range(5)]
    bench.decide(bench.poll(), *timers)
    bench.now += 1
    assert [len(bench.engine.expire(bench.now, limit=2)) for _ in range(4)] == [2, 2, 1, 0]
