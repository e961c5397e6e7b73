"""The known message texts of faults, and which of several reasons wins (spec/swf-semantics 1.3, 1.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.engine.core.scenarios import ACTIVITY, COMPLETE, SAMPLE

from elbflow_engine.testing import Bench, decision

Refused = Callable[..., str]

UNKNOWN = "UnknownResourceFault"
RUN = {"workflowId": "w", "runId": "none"}
SINCE = {"startTimeFilter": {"oldestDate": 0}}


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        ("CountOpenWorkflowExecutions", {"domain": "d", **SINCE}, UNKNOWN, "Unknown domain: d"),
        ("DescribeDomain", {"name": "d", "domain": None}, UNKNOWN, "Unknown domain: d"),
        (
            "DescribeWorkflowType",
            {"workflowType": {"name": "n", "version": "v"}},
            UNKNOWN,
            "Unknown type: WorkflowType=[name=n, version=v]",
        ),
        (
            "DescribeActivityType",
            {"activityType": {"name": "n", "version": "v"}},
            UNKNOWN,
            "Unknown type: ActivityType=[name=n, version=v]",
        ),
        (
            "SignalWorkflowExecution",
            {"signalName": "s", **RUN},
            UNKNOWN,
            "Unknown execution: WorkflowExecution=[workflowId=w, runId=none]",
        ),
        ("TerminateWorkflowExecution", {"workflowId": "w"}, UNKNOWN, "Unknown execution, workflowId = w"),
        (
            "RequestCancelWorkflowExecution",
            {"workflowId": "w", "runId": ""},
            UNKNOWN,
            "Unknown execution, workflowId = w",
        ),
        (
            "GetWorkflowExecutionHistory",
            {"execution": RUN},
            UNKNOWN,
            "Unknown execution: WorkflowExecution=[workflowId=w, runId=none]",
        ),
        (
            "RegisterWorkflowType",
            SAMPLE,
            "TypeAlreadyExistsFault",
            "WorkflowType=[name=sample, version=1]",
        ),
        (
            "DeleteActivityType",
            {"activityType": SAMPLE},
            "TypeNotDeprecatedFault",
            "The type is currently registered and cannot be deleted in its current state",
        ),
        ("UndeprecateDomain", {"name": "test", "domain": None}, "DomainAlreadyExistsFault", "test"),
        ("RespondActivityTaskFailed", {"taskToken": "x", "domain": None}, "ValidationException", "Invalid token"),
        (
            "ListClosedWorkflowExecutions",
            {},
            "ValidationException",
            "Must specify time filter",
        ),
        (
            "CountClosedWorkflowExecutions",
            {**SINCE, "closeTimeFilter": {"oldestDate": 0}},
            "ValidationException",
            "Cannot specify both a startTimeFilter and a closeTimeFilter",
        ),
        (
            "CountOpenWorkflowExecutions",
            {**SINCE, "executionFilter": {"workflowId": "w"}, "tagFilter": {"tag": "t"}},
            "ValidationException",
            "Cannot specify more than one exclusive filters in the same query: executionFilter, tagFilter",
        ),
    ],
)
def test_texts(bench: Bench, refused: Refused, operation: str, params: dict[str, Any], code: str, message: str) -> None:
    assert refused(code, bench.call, operation, **params) == message


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        # A value that breaks a rule is refused before anybody asks whether the domain exists.
        ("StartWorkflowExecution", {"domain": "d", "workflowId": "a:b", "workflowType": SAMPLE}, "ValidationException"),
        ("ListOpenWorkflowExecutions", {"domain": "a/b", **SINCE}, "ValidationException"),
        # The domain comes before the type, the type before its defaults, these before the workflow id.
        (
            "StartWorkflowExecution",
            {"domain": "d", "workflowId": "w", "workflowType": {"name": "n", "version": "1"}},
            UNKNOWN,
        ),
        ("StartWorkflowExecution", {"workflowId": "open", "workflowType": {"name": "n", "version": "1"}}, UNKNOWN),
        (
            "StartWorkflowExecution",
            {"workflowId": "open", "workflowType": {"name": "bare", "version": "1"}},
            "DefaultUndefinedFault",
        ),
        (
            "StartWorkflowExecution",
            {"workflowId": "open", "workflowType": SAMPLE},
            "WorkflowExecutionAlreadyStartedFault",
        ),
        # The domain comes before the page token.
        (
            "PollForDecisionTask",
            {"domain": "d", "taskList": {"name": "main"}, "nextPageToken": "x"},
            UNKNOWN,
        ),
        ("GetWorkflowExecutionHistory", {"domain": "d", "execution": RUN, "nextPageToken": "x"}, UNKNOWN),
    ],
)
def test_order_of_checks(bench: Bench, refused: Refused, operation: str, params: dict[str, Any], code: str) -> None:
    bench.call("RegisterWorkflowType", name="bare", version="1")
    bench.start("open")
    refused(code, bench.call, operation, **params)


def test_a_decision_list_is_checked_before_its_token(bench: Bench, refused: Refused) -> None:
    bench.start()
    task = bench.poll()
    bench.decide(task)
    wrong = [COMPLETE, ACTIVITY]
    assert refused("ValidationException", bench.decide, task, *wrong) == "Close must be last decision in list"
    assert refused(UNKNOWN, bench.decide, task) == "Unknown decision task, scheduledEventId = 2"


def test_polling_a_deprecated_domain_is_legal(bench: Bench) -> None:
    bench.start()
    bench.call("DeprecateDomain", name="test", domain=None)
    task = bench.poll()
    bench.decide(task, decision("RecordMarker", markerName="m"))
    assert isinstance(bench.park(), int)
