"""Describing, listing and counting executions; retention (spec/swf-semantics 6.3, 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from elbflow_engine import core
from elbflow_engine.testing import Bench, decision
from elbflow_engine.testing.bench import START

Refused = Callable[..., str]

EVER = {"oldestDate": 0}


def listed(bench: Bench, which: str = "Open", **params: Any) -> list[str]:
    page = bench.call(f"List{which}WorkflowExecutions", **params)
    return [info["execution"]["workflowId"] for info in page["executionInfos"]]


def fill(bench: Bench) -> None:
    """w0 … w4, started one second apart; w1 and w3 closed in the opposite order."""
    bench.call("RegisterWorkflowType", name="other", version="2")
    given = {
        "executionStartToCloseTimeout": "1000",
        "taskList": {"name": "main"},
        "taskStartToCloseTimeout": "10",
        "childPolicy": "ABANDON",
    }
    for number in range(5):
        workflow_type = {"name": "other", "version": "2"} if number == 4 else {"name": "sample", "version": "1"}
        bench.start(f"w{number}", workflowType=workflow_type, tagList=[f"even{number % 2}"], **given)
        bench.advance(1)
    for number in (3, 1):
        bench.call("TerminateWorkflowExecution", workflowId=f"w{number}")
        bench.advance(1)


def test_describe(bench: Bench) -> None:
    run_id = bench.start(tagList=["t"], taskPriority="4", lambdaRole="arn:role")
    bench.advance(1)
    activity = decision("ScheduleActivityTask", activityId="a", activityType={"name": "sample", "version": "1"})
    timer = decision("StartTimer", timerId="t", startToFireTimeout="100")
    bench.decide(bench.poll(), activity, timer, executionContext="c")
    bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    assert bench.describe(run_id) == {
        "executionInfo": {
            "execution": {"workflowId": "w", "runId": run_id},
            "workflowType": {"name": "sample", "version": "1"},
            "startTimestamp": START,
            "executionStatus": "OPEN",
            "cancelRequested": False,
            "tagList": ["t"],
        },
        "executionConfiguration": {
            "executionStartToCloseTimeout": "3600",
            "taskStartToCloseTimeout": "60",
            "childPolicy": "TERMINATE",
            "taskList": {"name": "main"},
            "taskPriority": "4",
            "lambdaRole": "arn:role",
        },
        "openCounts": {
            "openActivityTasks": 1,
            "openDecisionTasks": 1,
            "openTimers": 1,
            "openChildWorkflowExecutions": 0,
            "openLambdaFunctions": 0,
        },
        "latestActivityTaskTimestamp": START + 1,
        "latestExecutionContext": "c",
    }


def test_describe_unknown(bench: Bench, refused: Refused) -> None:
    message = refused("UnknownResourceFault", bench.describe, "r")
    assert message == "Unknown execution: WorkflowExecution=[workflowId=w, runId=r]"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["w4", "w2", "w0"]),
        ({"reverseOrder": True}, ["w0", "w2", "w4"]),
        ({"startTimeFilter": {"oldestDate": START + 2, "latestDate": START + 4}}, ["w4", "w2"]),
        ({"startTimeFilter": {"oldestDate": START + 2.001, "latestDate": START + 3.999}}, []),
        ({"executionFilter": {"workflowId": "w2"}}, ["w2"]),
        ({"executionFilter": {"workflowId": "w1"}}, []),
        ({"typeFilter": {"name": "sample"}}, ["w2", "w0"]),
        ({"typeFilter": {"name": "other", "version": "1"}}, []),
        ({"typeFilter": {"name": "other", "version": ""}}, ["w4"]),
        ({"tagFilter": {"tag": "even1"}}, []),
        ({"tagFilter": {"tag": "even0"}}, ["w4", "w2", "w0"]),
    ],
)
def test_open_executions(bench: Bench, params: dict[str, Any], expected: list[str]) -> None:
    fill(bench)
    given = {"startTimeFilter": EVER} | params
    assert listed(bench, **given) == expected
    given.pop("reverseOrder", None)
    answer = bench.call("CountOpenWorkflowExecutions", **given)
    assert answer == {"count": len(expected), "truncated": False}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"startTimeFilter": EVER}, ["w3", "w1"]),
        ({"closeTimeFilter": EVER}, ["w1", "w3"]),
        ({"closeTimeFilter": EVER, "reverseOrder": True}, ["w3", "w1"]),
        ({"closeTimeFilter": {"oldestDate": START + 6}}, ["w1"]),
        ({"closeTimeFilter": EVER, "closeStatusFilter": {"status": "TERMINATED"}}, ["w1", "w3"]),
        ({"closeTimeFilter": EVER, "closeStatusFilter": {"status": "COMPLETED"}}, []),
        ({"closeTimeFilter": EVER, "executionFilter": {"workflowId": "w3"}}, ["w3"]),
        ({"closeTimeFilter": EVER, "tagFilter": {"tag": "even1"}}, ["w1", "w3"]),
    ],
)
def test_closed_executions(bench: Bench, params: dict[str, Any], expected: list[str]) -> None:
    fill(bench)
    bench.reload()
    assert listed(bench, "Closed", **params) == expected
    counted = {name: value for name, value in params.items() if name != "reverseOrder"}
    assert bench.call("CountClosedWorkflowExecutions", **counted)["count"] == len(expected)


def test_pages_do_not_skip_or_repeat(bench: Bench) -> None:
    fill(bench)
    for reverse in (False, True):
        params: dict[str, Any] = {"startTimeFilter": EVER, "reverseOrder": reverse, "maximumPageSize": 1}
        page = bench.call("ListOpenWorkflowExecutions", **params)
        seen = [page["executionInfos"][0]["execution"]["workflowId"]]
        bench.advance(1)
        bench.start(f"new{reverse}")
        while "nextPageToken" in page:
            page = bench.call("ListOpenWorkflowExecutions", **params, nextPageToken=page["nextPageToken"])
            seen += [info["execution"]["workflowId"] for info in page["executionInfos"]]
        assert seen[:3] == (["w0", "w2", "w4"] if reverse else seen[:3])
        assert len(seen) == len(set(seen))
        assert {"w0", "w2", "w4"} <= set(seen)


def test_exactly_full_page_and_foreign_tokens(bench: Bench, refused: Refused) -> None:
    fill(bench)
    page = bench.call("ListOpenWorkflowExecutions", startTimeFilter=EVER, maximumPageSize=3)
    assert "nextPageToken" not in page
    token = bench.call("ListOpenWorkflowExecutions", startTimeFilter=EVER, maximumPageSize=2)["nextPageToken"]
    for operation, params in (
        ("ListClosedWorkflowExecutions", {"startTimeFilter": EVER}),
        ("ListOpenWorkflowExecutions", {"startTimeFilter": {"oldestDate": 1}}),
        ("ListOpenWorkflowExecutions", {"startTimeFilter": EVER, "reverseOrder": True}),
    ):
        message = refused("ValidationException", bench.call, operation, **params, nextPageToken=token)
        assert message == "Invalid token"


@pytest.mark.parametrize(
    ("which", "params", "message"),
    [
        (
            "Closed",
            {"startTimeFilter": EVER, "closeTimeFilter": EVER},
            "Cannot specify both a startTimeFilter and a closeTimeFilter",
        ),
        ("Closed", {}, "Must specify time filter"),
        (
            "Open",
            {"startTimeFilter": EVER, "tagFilter": {"tag": "t"}, "typeFilter": {"name": "n"}},
            "Cannot specify more than one exclusive filters in the same query: typeFilter, tagFilter",
        ),
        (
            "Open",
            {"startTimeFilter": {"oldestDate": 5, "latestDate": 4}},
            "startTimeFilter: oldestDate must not be after latestDate",
        ),
        (
            "Open",
            {"startTimeFilter": {"latestDate": 4}},
            "1 validation error detected: Value null at 'startTimeFilter.oldestDate' "
            "failed to satisfy constraint: Member must not be null",
        ),
    ],
)
def test_bad_filters(bench: Bench, refused: Refused, which: str, params: dict[str, Any], message: str) -> None:
    for operation in (f"List{which}WorkflowExecutions", f"Count{which}WorkflowExecutions"):
        assert refused("ValidationException", bench.call, operation, **params) == message


@pytest.mark.parametrize(("retention", "days"), [("2", 2), ("0", 0), ("NONE", 0)])
def test_retention(refused: Refused, retention: str, days: int) -> None:
    bench = Bench(core.Limits(purge_batch=4), retention=retention)
    run_id = bench.start()
    for _ in range(7):
        bench.call("SignalWorkflowExecution", workflowId="w", signalName="s")
    bench.call("TerminateWorkflowExecution", workflowId="w")
    if days:
        bench.advance(days * 86400 - 1)
        bench.reload()
        assert len(bench.history(run_id)) == 10
        bench.now += 1
    sizes = []
    for _ in range(4):
        sizes.append(len(bench.journal.history(1)))
        unknown = f"Unknown execution: WorkflowExecution=[workflowId=w, runId={run_id}]"
        assert refused("UnknownResourceFault", bench.describe, run_id) == unknown
        assert refused("UnknownResourceFault", bench.history, run_id) == unknown
        assert listed(bench, "Closed", startTimeFilter=EVER) == []
        assert bench.call("CountClosedWorkflowExecutions", closeTimeFilter=EVER)["count"] == 0
        bench.purge_unit()
        bench.reload()
    assert sizes == [10, 7, 4, 1]
    assert bench.purge() == 0
    assert list(bench.journal.closed()) == []
    assert not [row for row in bench.journal.rows() if row.table == "execution"]
    assert list(bench.journal.history(1)) == []
    assert bench.engine.next_deadline() is None
    assert bench.engine.next_purge() is None
