"""Answers of SWF become typed values, and empty polls become None."""

from __future__ import annotations

import pytest
from botocore import model as shapes
from botocore.loaders import Loader

from elbflow import swf
from elbflow.swf import parse

EXECUTION = {"workflowId": "w", "runId": "r"}
TYPE = {"name": "t", "version": "1"}

EMPTY_ANSWERS = [
    {"startedEventId": 0},
    {"startedEventId": 0, "previousStartedEventId": 0},
    {"taskToken": "", "startedEventId": 0},
    {"taskToken": None},
    {},
]


@pytest.mark.parametrize("answer", EMPTY_ANSWERS)
def test_absent_null_and_empty_tokens_mean_no_task(answer: dict[str, object]) -> None:
    assert parse.decision_task(answer) is None
    assert parse.activity_task(answer) is None


def test_decision_task_with_its_first_page() -> None:
    answer = {
        "taskToken": "token",
        "startedEventId": 3,
        "previousStartedEventId": 0,
        "workflowExecution": EXECUTION,
        "workflowType": TYPE,
        "nextPageToken": "more",
        "events": [
            {
                "eventId": 1,
                "eventType": "WorkflowExecutionStarted",
                "eventTimestamp": 1497091502.319,
                "workflowExecutionStartedEventAttributes": {"input": "{}", "tagList": ["a"]},
            },
            {"eventTimestamp": 1497091502, "eventId": 2, "eventType": "MarkerRecorded"},
        ],
    }
    task = parse.decision_task(answer)
    assert task == swf.DecisionTask(
        token="token",
        execution=swf.Execution("w", "r"),
        workflow_type=swf.TypeId("t", "1"),
        started_event_id=3,
        previous_started_event_id=0,
        events=(
            swf.HistoryEvent(1, "WorkflowExecutionStarted", 1497091502.319, {"input": "{}", "tagList": ["a"]}),
            swf.HistoryEvent(2, "MarkerRecorded", 1497091502.0, {}),
        ),
        next_page_token="more",
    )


def test_activity_task_without_input() -> None:
    answer = {
        "taskToken": "token",
        "activityId": "7",
        "startedEventId": 9,
        "workflowExecution": EXECUTION,
        "activityType": TYPE,
    }
    assert parse.activity_task(answer) == swf.ActivityTask(
        "token", "7", swf.TypeId("t", "1"), swf.Execution("w", "r"), 9, None
    )


@pytest.mark.parametrize("token", [None, ""])
def test_last_page_has_no_token(token: str | None) -> None:
    assert parse.next_page({"nextPageToken": token}) is None
    assert parse.next_page({}) is None


def test_execution_detail_of_a_closed_execution() -> None:
    detail = parse.execution_detail(
        {
            "executionInfo": {
                "execution": EXECUTION,
                "workflowType": TYPE,
                "startTimestamp": 10.5,
                "closeTimestamp": 12,
                "executionStatus": "CLOSED",
                "closeStatus": "COMPLETED",
                "cancelRequested": True,
                "tagList": ["x"],
            },
            "openCounts": {"openTimers": 0},
            "latestExecutionContext": "state",
        }
    )
    assert detail == swf.ExecutionDetail(
        execution=swf.Execution("w", "r"),
        workflow_type=swf.TypeId("t", "1"),
        status="CLOSED",
        close_status="COMPLETED",
        start_timestamp=10.5,
        close_timestamp=12.0,
        tags=("x",),
        cancel_requested=True,
        open_counts={"openTimers": 0},
        latest_execution_context="state",
    )


def test_execution_info_of_an_open_execution() -> None:
    info = parse.execution_info(
        {"execution": EXECUTION, "workflowType": TYPE, "startTimestamp": 1, "executionStatus": "OPEN"}
    )
    assert info.close_status is None
    assert info.close_timestamp is None
    assert info.tags == ()


def test_attribute_blocks_have_the_names_that_swf_gives_them() -> None:
    model = shapes.ServiceModel(Loader().load_service_model("swf", "service-2"), "swf")
    blocks = [name for name in model.shape_for("HistoryEvent").members if name.endswith("EventAttributes")]
    for number, kind in enumerate(model.shape_for("EventType").enum):
        block = next(name for name in blocks if name.lower() == f"{kind.lower()}eventattributes")
        wire = {"eventId": number, "eventType": kind, "new": {}, "eventTimestamp": 1, block: {"number": number}}
        assert parse.event(wire) == swf.HistoryEvent(number, kind, 1.0, {"number": number})
