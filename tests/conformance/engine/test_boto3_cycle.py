"""boto3 with default settings: whole workflows, paginators, long polls (13.7, 13.16)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.conformance.engine import served
from tests.conformance.engine.served import DOMAIN, LIST, TYPE

from elbflow_engine import core

WORK = {"name": "work"}


def decision(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"decisionType": kind, f"{kind[0].lower()}{kind[1:]}DecisionAttributes": attributes}


def decide(swf: Any, *decisions: dict[str, Any], task_list: dict[str, str] = LIST, **params: Any) -> Any:
    """Poll for a decision task and complete it."""
    task = swf.poll_for_decision_task(domain=DOMAIN, taskList=task_list, **params)
    swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=list(decisions))
    return task


def start(swf: Any, workflow_id: str, **params: Any) -> dict[str, str]:
    run = swf.start_workflow_execution(domain=DOMAIN, workflowId=workflow_id, workflowType=TYPE, **params)
    return {"workflowId": workflow_id, "runId": run["runId"]}


def kinds(swf: Any, execution: dict[str, str]) -> list[str]:
    pages = swf.get_paginator("get_workflow_execution_history").paginate(domain=DOMAIN, execution=execution)
    return [event["eventType"] for page in pages for event in page["events"]]


def test_a_whole_execution(fresh: Any) -> None:
    """Trace A of the specification, as botocore's own parser sees it."""
    execution = start(fresh, "whole", input="in", tagList=["a", "b"])
    first = decide(fresh, decision("ScheduleActivityTask", activityId="a", activityType=TYPE, input="in"))
    assert first["previousStartedEventId"] == 0
    activity = fresh.poll_for_activity_task(domain=DOMAIN, taskList=WORK, identity="worker")
    assert activity["activityType"] == TYPE
    assert fresh.record_activity_task_heartbeat(taskToken=activity["taskToken"])["cancelRequested"] is False
    fresh.respond_activity_task_completed(taskToken=activity["taskToken"], result="out")
    assert decide(fresh, decision("CompleteWorkflowExecution", result="done"))["previousStartedEventId"] == 3
    assert kinds(fresh, execution) == [
        "WorkflowExecutionStarted",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        "DecisionTaskCompleted",
        "ActivityTaskScheduled",
        "ActivityTaskStarted",
        "ActivityTaskCompleted",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
        "DecisionTaskCompleted",
        "WorkflowExecutionCompleted",
    ]
    detail = fresh.describe_workflow_execution(domain=DOMAIN, execution=execution)
    assert detail["executionInfo"]["closeStatus"] == "COMPLETED"
    assert detail["executionInfo"]["tagList"] == ["a", "b"]
    assert detail["executionInfo"]["startTimestamp"] <= detail["latestActivityTaskTimestamp"]
    assert detail["openCounts"]["openActivityTasks"] == 0


def test_an_empty_poll_has_no_token(fresh: Any) -> None:
    began = time.monotonic()
    decision_task = fresh.poll_for_decision_task(domain=DOMAIN, taskList=LIST)
    assert time.monotonic() - began >= 0.9
    assert "taskToken" not in decision_task
    assert (decision_task["startedEventId"], decision_task["previousStartedEventId"]) == (0, 0)
    activity_task = fresh.poll_for_activity_task(domain=DOMAIN, taskList=LIST)
    del activity_task["ResponseMetadata"]
    assert activity_task == {"startedEventId": 0}


@pytest.fixture(scope="module")
def crowd(swf: Any) -> Any:
    """Thirteen executions: seven closed, six open; five more types of each kind; two more domains."""
    for name in ("x", "y"):
        swf.register_domain(name=name, workflowExecutionRetentionPeriodInDays="1")
    for number in range(5):
        swf.register_workflow_type(domain=DOMAIN, name=f"t{number}", version="1")
        swf.register_activity_type(domain=DOMAIN, name=f"t{number}", version="1")
    for number in range(13):
        start(swf, f"w{number}", taskList={"name": "crowd"})
    for number in range(7):
        swf.terminate_workflow_execution(domain=DOMAIN, workflowId=f"w{number}")
    return swf


SINCE = {"startTimeFilter": {"oldestDate": 0}}
LISTINGS: dict[str, tuple[dict[str, Any], str, int]] = {
    "list_domains": ({"registrationStatus": "REGISTERED"}, "domainInfos", 3),
    "list_workflow_types": ({"domain": DOMAIN, "registrationStatus": "REGISTERED"}, "typeInfos", 6),
    "list_activity_types": ({"domain": DOMAIN, "registrationStatus": "REGISTERED"}, "typeInfos", 6),
    "list_open_workflow_executions": ({"domain": DOMAIN, **SINCE}, "executionInfos", 6),
    "list_closed_workflow_executions": ({"domain": DOMAIN, **SINCE}, "executionInfos", 7),
}


@pytest.mark.parametrize("page_size", [1, 3, 6, 1000])
@pytest.mark.parametrize("operation", LISTINGS)
def test_paginators_of_lists(crowd: Any, operation: str, page_size: int) -> None:
    """botocore follows the tokens to the end; forwards and backwards give the same, in opposite order."""
    params, member, count = LISTINGS[operation]
    config = {"PageSize": page_size}
    found = []
    for reverse in (False, True):
        pages = list(crowd.get_paginator(operation).paginate(**params, reverseOrder=reverse, PaginationConfig=config))
        assert len(pages) == -(-count // page_size), "no empty page behind an exactly full one"
        found.append([item for page in pages for item in page[member]])
    assert len(found[0]) == count
    assert found[0] == found[1][::-1]


@pytest.mark.parametrize("reverse", [False, True])
def test_paginator_of_histories(crowd: Any, reverse: bool) -> None:
    execution = start(crowd, f"long {reverse}", taskList={"name": "crowd"})
    for number in range(20):
        crowd.signal_workflow_execution(domain=DOMAIN, workflowId=f"long {reverse}", signalName=str(number))
    for closed in (False, True):
        if closed:
            crowd.terminate_workflow_execution(domain=DOMAIN, workflowId=f"long {reverse}")
        pages = crowd.get_paginator("get_workflow_execution_history").paginate(
            domain=DOMAIN, execution=execution, reverseOrder=reverse, PaginationConfig={"PageSize": 5}
        )
        ids = [event["eventId"] for page in pages for event in page["events"]]
        assert ids == sorted(range(1, 23 + closed), reverse=reverse)


def test_paginator_of_a_decision_task(fresh: Any) -> None:
    """The paginator starts one task, and every further page belongs to it."""
    execution = start(fresh, "paged")
    for number in range(9):
        fresh.signal_workflow_execution(domain=DOMAIN, workflowId="paged", signalName=str(number))
    pages = list(
        fresh.get_paginator("poll_for_decision_task").paginate(
            domain=DOMAIN, taskList=LIST, reverseOrder=True, PaginationConfig={"PageSize": 4}
        )
    )
    assert [len(page["events"]) for page in pages] == [4, 4, 4]
    assert [event["eventId"] for page in pages for event in page["events"]] == list(range(12, 0, -1))
    assert len({page["taskToken"] for page in pages}) == 1
    assert kinds(fresh, execution).count("DecisionTaskStarted") == 1
    fresh.respond_decision_task_completed(taskToken=pages[0]["taskToken"])


def test_tokens_belong_to_their_operation(crowd: Any) -> None:
    page = crowd.list_open_workflow_executions(domain=DOMAIN, **SINCE, maximumPageSize=1)
    token = page["nextPageToken"]
    for misuse in (
        lambda: crowd.list_closed_workflow_executions(domain=DOMAIN, **SINCE, nextPageToken=token),
        lambda: crowd.list_open_workflow_executions(domain="x", **SINCE, nextPageToken=token),
        lambda: crowd.list_domains(registrationStatus="REGISTERED", nextPageToken=token),
        lambda: crowd.poll_for_decision_task(domain=DOMAIN, taskList=LIST, nextPageToken=token),
        lambda: crowd.list_open_workflow_executions(domain=DOMAIN, **SINCE, nextPageToken=token + "x"),
    ):
        with pytest.raises(crowd.exceptions.ClientError, match="Invalid token") as caught:
            misuse()
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_standard_retries_outlast_throttling() -> None:
    """The bucket holds two calls and gains 1.2 per second: a patient client gets all of them through."""
    arn = "arn:aws:swf:us-east-1:111122223333:/domain/d"
    with served.engine(limits=core.Limits(throttle_scale=0.04)) as url:
        hasty = served.client(url, retries={"total_max_attempts": 1})
        patient = served.client(url, retries={"mode": "standard", "total_max_attempts": 8})
        hasty.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
        for _ in range(2):
            hasty.list_tags_for_resource(resourceArn=arn)
        with pytest.raises(hasty.exceptions.ClientError) as caught:
            hasty.list_tags_for_resource(resourceArn=arn)
        assert caught.value.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
        answer = patient.list_tags_for_resource(resourceArn=arn)
        assert answer["ResponseMetadata"]["RetryAttempts"] >= 1


def exhaust(swf: Any, execution: dict[str, str]) -> None:
    """Twice as many reads as the bucket holds; some are gained meanwhile."""
    for _ in range(16):
        swf.get_workflow_execution_history(domain=DOMAIN, execution=execution)


def test_one_execution_is_throttled_alone() -> None:
    """The bucket of an execution is refilled at once for patient clients, and others are not touched."""
    with served.engine(limits=core.Limits(throttle_scale=0.02)) as url:
        swf = served.client(url, retries={"total_max_attempts": 1})
        served.furnish(swf)
        one, other = start(swf, "one"), start(swf, "other")
        with pytest.raises(swf.exceptions.ClientError, match="Rate exceeded"):
            exhaust(swf, one)
        swf.get_workflow_execution_history(domain=DOMAIN, execution=other)
        patient = served.client(url, retries={"mode": "standard"})
        patient.get_workflow_execution_history(domain=DOMAIN, execution=one)
