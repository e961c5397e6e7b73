"""What a caller may not do and may not do so often (spec/swf-semantics 1.5, 7, 11.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.engine.core import scenarios
from tests.unit.engine.core.scenarios import ACTIVITY, CLOSING, CONTINUE, OPENING, OTHERS, SAMPLE, attributes

from elbflow_engine import core
from elbflow_engine.core import rates
from elbflow_engine.testing import Bench, decision
from elbflow_engine.testing.bench import ACCOUNT

Refused = Callable[..., str]

NEVER_INITIATED = {"SignalExternal", "RequestCancelExternal", "StartChild"}


OTHERS_THAN_MARKERS = [made for made in (*OPENING, *CLOSING) if made["decisionType"] != "RecordMarker"]


@pytest.mark.parametrize("made", OTHERS_THAN_MARKERS, ids=lambda made: made["decisionType"])
def test_a_denied_decision_fails_in_the_history(bench: Bench, made: dict[str, Any]) -> None:
    """The call succeeds, the other decisions of the batch count, and the decider is asked again."""
    kind = made["decisionType"]
    run_id = bench.start()
    marker = decision("RecordMarker", markerName="allowed")
    scenarios.decide_denied(bench, bench.poll(), marker, made, denied={kind})
    recorded, failed, scheduled = bench.history(run_id)[4:]
    assert recorded["eventType"] == "MarkerRecorded"
    assert failed["eventType"] == f"{kind}Failed"
    assert scheduled["eventType"] == "DecisionTaskScheduled"
    lambdas = kind == "ScheduleLambdaFunction"  # its causes know no permission
    wanted = "LAMBDA_SERVICE_NOT_AVAILABLE_IN_REGION" if lambdas else "OPERATION_NOT_PERMITTED"
    assert attributes(failed)["cause"] == wanted
    assert attributes(failed).get("initiatedEventId", 0) == 0
    assert ("initiatedEventId" in attributes(failed)) == any(kind.startswith(name) for name in NEVER_INITIATED)


def test_a_denied_marker_keeps_its_name(bench: Bench) -> None:
    run_id = bench.start()
    marker = decision("RecordMarker", markerName="m", details="d")
    scenarios.decide_denied(bench, bench.poll(), marker, denied={"RecordMarker"})
    failed = bench.history(run_id)[4]
    assert failed["eventType"] == "RecordMarkerFailed"
    assert attributes(failed) == {
        "markerName": "m",
        "cause": "OPERATION_NOT_PERMITTED",
        "decisionTaskCompletedEventId": 4,
    }


def test_owners_of_other_regions_have_their_own_arns(bench: Bench, refused: Refused) -> None:
    owner, elsewhere = "123456789012", "123456789012@eu-west-1"

    def call(account: str, operation: str, **params: Any) -> Any:
        transition = bench.engine.call(account, operation, params, bench.now, b"e" * 32)
        bench.commit(transition)
        return bench.answer(transition)

    for account in (owner, elsewhere):
        call(account, "RegisterDomain", name="d", workflowExecutionRetentionPeriodInDays="1")
    bench.reload()
    arns = [call(account, "DescribeDomain", name="d")["domainInfo"]["arn"] for account in (owner, elsewhere)]
    assert arns == [
        "arn:aws:swf:us-east-1:123456789012:/domain/d",
        "arn:aws:swf:eu-west-1:123456789012:/domain/d",
    ]
    call(elsewhere, "TagResource", resourceArn=arns[1], tags=[{"key": "k", "value": "v"}])
    assert call(elsewhere, "ListTagsForResource", resourceArn=arns[1])["tags"] == [{"key": "k", "value": "v"}]
    assert call(owner, "ListTagsForResource", resourceArn=arns[0])["tags"] == []
    refused("UnknownResourceFault", call, owner, "ListTagsForResource", resourceArn=arns[1])


def per_execution(bench: Bench, operation: str, run_id: str, task: dict[str, Any]) -> dict[str, Any]:
    match operation:
        case "GetWorkflowExecutionHistory":
            return {"execution": {"workflowId": "w", "runId": run_id}}
        case "RecordActivityTaskHeartbeat":
            return {"taskToken": task["taskToken"], "domain": None}
        case "SignalWorkflowExecution":
            return {"workflowId": "w", "signalName": "s"}
        case _:
            return {"workflowId": "w"}


@pytest.mark.parametrize(
    ("operation", "capacity", "refill_per_s"),
    [
        ("GetWorkflowExecutionHistory", 400, 200),
        ("SignalWorkflowExecution", 1000, 1000),
        ("RecordActivityTaskHeartbeat", 1000, 1000),
        ("RequestCancelWorkflowExecution", 200, 200),
    ],
)
def test_buckets_of_one_execution(refused: Refused, operation: str, capacity: int, refill_per_s: int) -> None:
    bench = Bench(core.Limits(throttle_scale=0.01))
    run_id = bench.start()
    bench.start("other")
    bench.decide(bench.poll(), ACTIVITY)
    task = bench.poll("activity", "work")
    assert task is not None
    params = per_execution(bench, operation, run_id, task)
    for _ in range(capacity // 100):
        bench.call(operation, **params)
    assert refused("ThrottlingException", bench.call, operation, **params) == "Rate exceeded"
    if "workflowId" in params:
        bench.call(operation, **params | {"workflowId": "other"})
    bench.advance(100 / refill_per_s)
    bench.call(operation, **params)
    refused("ThrottlingException", bench.call, operation, **params)


def test_activities_per_second_on_one_list() -> None:
    """The bucket of a list is its own: another list of the same account still takes tasks."""
    bench = Bench(core.Limits(throttle_scale=0.001))
    run_id = bench.start()

    def activity(name: str, task_list: str) -> dict[str, Any]:
        return decision("ScheduleActivityTask", activityId=name, activityType=SAMPLE, taskList={"name": task_list})

    bench.decide(bench.poll(), activity("1", "x"))
    bench.advance(5)
    bucket = bench.engine._world.rates  # the decision's own bucket holds one token only, so look at the list's
    owner = (ACCOUNT, "test", str({"name": "x"}))
    assert [bucket.admit("TaskList", owner, int(bench.now * 1000)) for _ in range(3)] == [True, True, False]
    scenarios.signal(bench)
    bench.decide(bench.poll(), activity("2", "x"))
    failed = next(event for event in bench.history(run_id) if event["eventType"] == "ScheduleActivityTaskFailed")
    assert attributes(failed)["cause"] == "ACTIVITY_CREATION_RATE_EXCEEDED"
    bench.advance(5)
    bench.decide(bench.poll(), activity("3", "y"))
    assert bench.poll("activity", "y") is not None


def test_continuations_have_a_rate_too() -> None:
    bench = Bench(core.Limits(throttle_scale=0.0005))
    bench.start()
    bench.decide(bench.poll(), CONTINUE)
    task = bench.poll()
    bench.decide(task, CONTINUE)
    assert task is not None
    failed = bench.history(task["workflowExecution"]["runId"])[4]
    assert attributes(failed)["cause"] == "CONTINUE_AS_NEW_WORKFLOW_EXECUTION_RATE_EXCEEDED"
    bench.advance(20)
    bench.decide(bench.poll(), CONTINUE)
    assert bench.poll() is not None


def test_a_refused_decision_takes_no_token() -> None:
    """Limits come before rates: an execution at its limit does not use up the account's bucket."""
    bench = Bench(core.Limits(open_timers=0, throttle_scale=0.0005))
    timer = decision("StartTimer", timerId="t", startToFireTimeout="9")
    bench.start()
    bench.decide(bench.poll(), timer, timer, timer)
    assert bench.engine._world.rates.admit("StartTimer", ACCOUNT, int(bench.now * 1000))


def test_full_buckets_are_forgotten() -> None:
    buckets = rates.Rates(1.0)
    for number in range(50_000):
        assert buckets.admit("SignalWorkflowExecution", number, number)
    assert len(buckets) <= 10_001


def test_without_a_scale_everything_is_admitted_and_nothing_remembered() -> None:
    buckets = rates.Rates(0.0)
    assert all(buckets.admit("StartTimer", number, 0) for number in range(100))
    assert len(buckets) == 0


def test_a_tiny_scale_still_lets_something_through() -> None:
    buckets = rates.Rates(0.00001)
    assert [buckets.admit("StartTimer", "a", 0) for _ in range(2)] == [True, False]


def test_children_on_other_lists(bench: Bench) -> None:
    """The permission is per decision type: a denied child leaves a permitted activity alone."""
    bench.start()
    child = decision("StartChildWorkflowExecution", workflowId="c", workflowType=SAMPLE, taskList=OTHERS)
    scenarios.decide_denied(bench, bench.poll(), child, ACTIVITY, denied={"StartChildWorkflowExecution"})
    assert bench.poll(task_list="others") is None
    assert bench.poll("activity", "work") is not None
