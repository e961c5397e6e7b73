"""Requests as boto 2 and the AWS SDK for Java v1 put them on the wire, and a Flow decider on top (13.1, 13.16)."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.conformance.engine.served import ACTIVITY_DEFAULTS, LIST, TYPE, WORKFLOW_DEFAULTS

DOMAIN = "antique"
FORCED_DECISION = "FORCE_IMMEDIATE_DECISION"
MOST_DECISIONS = 100


class OldClient:
    """One kept connection; the headers those clients send, and their idea of an answer."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=70)
        self.headers = headers

    def call(self, operation: str, **params: Any) -> Any:
        answer, body = self.exchange(operation, params)
        assert answer.status == 200, body
        assert answer.headers["Content-Type"] == self.headers["Content-Type"].partition(";")[0]
        return json.loads(body) if body else None

    def exchange(self, operation: str, params: dict[str, Any]) -> tuple[http.client.HTTPResponse, bytes]:
        target = f"com.amazonaws.swf.service.model.SimpleWorkflowService.{operation}"
        body = json.dumps(params).encode()
        headers = {"X-Amz-Target": target, **self.headers}
        self.connection.request("POST", "/services/SimpleWorkflow", body, headers)
        answer = self.connection.getresponse()
        assert answer.headers["Content-Length"] is not None
        assert answer.headers["x-amzn-RequestId"]
        return answer, answer.read()


CREDENTIAL = "Credential={}/20200101/us-east-1/swf/aws4_request, SignedHeaders=host;x-amz-date, Signature=0"
BOTO_2 = {
    "Content-Type": "application/json; charset=UTF-8",
    "Content-Encoding": "amz-1.0",
    "Authorization": f"AWS4-HMAC-SHA256 {CREDENTIAL.format('222200002222')}",
}
JAVA_V1 = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": f"AWS4-HMAC-SHA256 {CREDENTIAL.format('333300003333')}",
}


@pytest.fixture(params=[BOTO_2, JAVA_V1], ids=["boto 2", "Java v1"])
def old(endpoint: str, request: pytest.FixtureRequest) -> Iterator[OldClient]:
    client = OldClient(endpoint, request.param)
    with contextlib.closing(client.connection):
        yield client


def furnish(old: OldClient, domain: str) -> None:
    """Void operations answer with no byte at all; clients of that age parse nothing else."""
    for operation, params in (
        ("RegisterDomain", {"name": domain, "workflowExecutionRetentionPeriodInDays": "1"}),
        ("RegisterWorkflowType", {"domain": domain, **TYPE, **WORKFLOW_DEFAULTS}),
        ("RegisterActivityType", {"domain": domain, **TYPE, **ACTIVITY_DEFAULTS}),
    ):
        answer, body = old.exchange(operation, params)
        assert (answer.status, answer.headers["Content-Length"], body) == (200, "0", b"")


def whole_task(old: OldClient, domain: str) -> dict[str, Any]:
    """How Flow reads a decision task: newest first, page by page, back to the event it knows; oldest first then."""
    polled = {"domain": domain, "taskList": LIST, "reverseOrder": True, "maximumPageSize": 7, "identity": "flow"}
    page = old.call("PollForDecisionTask", **polled)
    task = dict(page)
    while "nextPageToken" in page:
        page = old.call("PollForDecisionTask", **polled, nextPageToken=page["nextPageToken"])
        assert page["taskToken"] == task["taskToken"]
        assert page["startedEventId"] == task["startedEventId"]
        task["events"] = [*task["events"], *page["events"]]
    task["events"] = task["events"][::-1]
    assert [event["eventId"] for event in task["events"]] == list(range(1, task["startedEventId"] + 1))
    return task


def limited(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Flow sends at most a hundred decisions and forces the next decision task with a timer of zero seconds."""
    if len(decisions) <= MOST_DECISIONS:
        return decisions
    timer = {"timerId": FORCED_DECISION, "startToFireTimeout": "0"}
    forced = {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer}
    return [*decisions[: MOST_DECISIONS - 1], forced]


def new_decisions(events: list[dict[str, Any]], wanted: int) -> list[dict[str, Any]]:
    """What a decider that replays the whole history decides next: ``wanted`` activities, then the end."""
    kinds = [event["eventType"] for event in events]
    scheduled = kinds.count("ActivityTaskScheduled")
    if scheduled < wanted:
        return [
            {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": {"activityId": str(number), "activityType": TYPE},
            }
            for number in range(scheduled, wanted)
        ]
    if kinds.count("ActivityTaskCompleted") < wanted:
        return []
    return [{"decisionType": "CompleteWorkflowExecution", "completeWorkflowExecutionDecisionAttributes": {}}]


def test_a_flow_decider(old: OldClient) -> None:
    wanted = 120
    furnish(old, DOMAIN)
    run = {"workflowId": "w", "workflowType": TYPE, "tagList": None, "input": None}
    run_id = old.call("StartWorkflowExecution", domain=DOMAIN, **run)["runId"]
    previous = []
    for _ in range(2):
        task = whole_task(old, DOMAIN)
        previous.append(task["previousStartedEventId"])
        decisions = limited(new_decisions(task["events"], wanted))
        old.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=decisions)
    for _ in range(wanted):
        activity = old.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
        old.call("RespondActivityTaskCompleted", taskToken=activity["taskToken"], result="r")
    task = whole_task(old, DOMAIN)
    last = new_decisions(task["events"], wanted)
    assert [decision["decisionType"] for decision in last] == ["CompleteWorkflowExecution"]
    old.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=last)
    execution = {"workflowId": "w", "runId": run_id}
    detail = old.call("DescribeWorkflowExecution", domain=DOMAIN, execution=execution)
    assert detail["executionInfo"]["closeStatus"] == "COMPLETED"
    assert previous[0] == 0
    assert 0 < previous[1] < task["previousStartedEventId"]


def test_no_answer_holds_a_null(old: OldClient) -> None:
    domain = f"{DOMAIN} nulls"
    furnish(old, domain)
    old.call("StartWorkflowExecution", domain=domain, workflowId="w", workflowType=TYPE)
    for operation, params in (
        ("PollForDecisionTask", {"domain": domain, "taskList": LIST}),
        ("PollForDecisionTask", {"domain": domain, "taskList": LIST}),
        ("PollForActivityTask", {"domain": domain, "taskList": LIST}),
        ("DescribeWorkflowType", {"domain": domain, "workflowType": TYPE}),
        ("ListOpenWorkflowExecutions", {"domain": domain, "startTimeFilter": {"oldestDate": 1.5e9}}),
        ("ListClosedWorkflowExecutions", {"domain": domain, "closeTimeFilter": {"oldestDate": 1.5e9}}),
        ("CountPendingDecisionTasks", {"domain": domain, "taskList": {"name": "never used"}}),
    ):
        answer, body = old.exchange(operation, params)
        assert answer.status == 200
        assert b"null" not in body


def test_faults_of_that_age(old: OldClient) -> None:
    answer, body = old.exchange("DescribeDomain", {"name": "nothing"})
    assert answer.status == 400
    fault = json.loads(body)
    assert fault["__type"] == "com.amazonaws.swf.base.model#UnknownResourceFault"
    assert fault["message"] == "Unknown domain: nothing"
