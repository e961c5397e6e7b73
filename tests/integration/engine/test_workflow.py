"""Real clients against the real server (spec/swf-semantics 8.1, 13)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiobotocore import session as aiobotocore_session
from botocore import exceptions
from tests import stopwatch
from tests.integration.engine import rig

from elbflow_engine import core, embedded

SIMPLE_TRACE = [
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


def simple_workflow(swf: Any) -> list[Any]:
    """Trace A of spec/swf-semantics 8.1, with every answer looked at on the way."""
    swf.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
    version = {"name": "w", "version": "1"}
    swf.register_workflow_type(domain="d", **version, defaultChildPolicy="TERMINATE")
    swf.register_activity_type(domain="d", name="a", version="1")
    run_id = swf.start_workflow_execution(
        domain="d",
        workflowId="one",
        workflowType=version,
        taskList={"name": "main"},
        executionStartToCloseTimeout="60",
        taskStartToCloseTimeout="10",
        input="in",
    )["runId"]
    task = swf.poll_for_decision_task(domain="d", taskList={"name": "main"}, identity="decider")
    assert (task["startedEventId"], task["previousStartedEventId"]) == (3, 0)
    schedule = {
        "activityType": {"name": "a", "version": "1"},
        "activityId": "first",
        "input": "work",
        "taskList": {"name": "workers"},
        "scheduleToStartTimeout": "NONE",
        "scheduleToCloseTimeout": "NONE",
        "startToCloseTimeout": "20",
        "heartbeatTimeout": "NONE",
    }
    decision = {"decisionType": "ScheduleActivityTask", "scheduleActivityTaskDecisionAttributes": schedule}
    swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
    work = swf.poll_for_activity_task(domain="d", taskList={"name": "workers"})
    assert (work["activityId"], work["input"], work["startedEventId"]) == ("first", "work", 6)
    assert swf.record_activity_task_heartbeat(taskToken=work["taskToken"])["cancelRequested"] is False
    swf.respond_activity_task_completed(taskToken=work["taskToken"], result="out")
    task = swf.poll_for_decision_task(domain="d", taskList={"name": "main"})
    assert (task["startedEventId"], task["previousStartedEventId"]) == (9, 3)
    close = {"decisionType": "CompleteWorkflowExecution"}
    swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[close])
    with pytest.raises(swf.exceptions.UnknownResourceFault):
        swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[close])
    execution = {"workflowId": "one", "runId": run_id}
    described = swf.describe_workflow_execution(domain="d", execution=execution)
    assert described["executionInfo"]["closeStatus"] == "COMPLETED"
    events = []
    for page in swf.get_paginator("get_workflow_execution_history").paginate(
        domain="d", execution=execution, maximumPageSize=4
    ):
        assert len(page["events"]) <= 4
        events += page["events"]
    return events


async def test_the_simple_workflow_with_boto3(endpoint: str) -> None:
    events = await asyncio.to_thread(lambda: simple_workflow(rig.boto_client(endpoint)))
    assert [event["eventType"] for event in events] == SIMPLE_TRACE
    assert [event["eventId"] for event in events] == list(range(1, 12))
    assert events[5]["activityTaskStartedEventAttributes"] == {"scheduledEventId": 5}


async def test_accounts_do_not_see_each_other(endpoint: str) -> None:
    def run() -> None:
        mine, other = rig.boto_client(endpoint), rig.boto_client(endpoint, access_key="999988887777")
        mine.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
        with pytest.raises(mine.exceptions.DomainAlreadyExistsFault):
            mine.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
        assert other.list_domains(registrationStatus="REGISTERED")["domainInfos"] == []
        with pytest.raises(other.exceptions.UnknownResourceFault):
            other.describe_domain(name="d")
        other.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
        assert ":111122223333:" in mine.describe_domain(name="d")["domainInfo"]["arn"]

    await asyncio.to_thread(run)


async def test_a_validation_error_reaches_boto3_whole(endpoint: str) -> None:
    def run() -> str:
        swf = rig.boto_client(endpoint)
        with pytest.raises(exceptions.ClientError) as caught:
            swf.count_pending_activity_tasks(domain="d" * 300, taskList={"name": "x" * 300})
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        return str(caught.value.response["Error"]["Message"])

    assert (await asyncio.to_thread(run)).startswith("2 validation errors detected: Value 'ddd")


async def test_a_parked_poll_is_woken_at_once_with_aiobotocore(endpoint: str, wire: rig.Wire) -> None:
    await wire.prepare()
    session = aiobotocore_session.get_session()
    options = {"region_name": "us-east-1", "aws_access_key_id": "000000000000", "aws_secret_access_key": "x"}
    async with session.create_client("swf", endpoint_url=endpoint, **options) as swf:
        for number in range(3):
            poll = asyncio.create_task(swf.poll_for_decision_task(domain=rig.DOMAIN, taskList=rig.LIST))
            await asyncio.sleep(0.2)
            assert not poll.done()
            with stopwatch.running() as watch:
                await swf.start_workflow_execution(domain=rig.DOMAIN, workflowId=f"w{number}", workflowType=rig.TYPE)
                task = await poll
                assert watch.seconds() < 0.2
            assert task["workflowExecution"]["workflowId"] == f"w{number}"


async def test_the_history_of_a_closed_execution_is_read_from_the_journal(wire: rig.Wire) -> None:
    await wire.prepare()
    run_id = await wire.start("w")
    task = await wire.poll_decision()
    marker = {"decisionType": "RecordMarker", "recordMarkerDecisionAttributes": {"markerName": "m"}}
    open_history = await wire.history("w", run_id)
    await wire.decide(task["taskToken"], marker, {"decisionType": "CompleteWorkflowExecution"})
    forward = await wire.history("w", run_id)
    assert forward[:3] == open_history
    assert [event["eventId"] for event in forward] == [1, 2, 3, 4, 5, 6]
    execution = {"workflowId": "w", "runId": run_id}
    backward = await wire.ok(
        "GetWorkflowExecutionHistory", domain=rig.DOMAIN, execution=execution, reverseOrder=True, maximumPageSize=2
    )
    assert [event["eventId"] for event in backward["events"]] == [6, 5]
    assert backward["nextPageToken"]


async def test_a_timer_fires_on_time(wire: rig.Wire) -> None:
    await wire.prepare()
    await wire.start("w")
    task = await wire.poll_decision()
    timer = {"timerId": "t", "startToFireTimeout": "1"}
    began = time.monotonic()
    with stopwatch.running() as watch:
        await wire.decide(task["taskToken"], {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer})
        task = await wire.poll_decision()
        assert watch.seconds() < 1.5
    assert time.monotonic() - began > 0.9
    assert [event["eventType"] for event in task["events"]][-3:] == [
        "TimerFired",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
    ]


async def test_throttling_is_emulated_on_request_and_a_patient_boto3_recovers() -> None:
    def run(url: str) -> int:
        impatient, patient = rig.boto_client(url), rig.boto_client(url, attempts=10)
        impatient.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
        arn = impatient.describe_domain(name="d")["domainInfo"]["arn"]
        for _ in range(2):
            impatient.list_tags_for_resource(resourceArn=arn)
        with pytest.raises(exceptions.ClientError) as caught:
            impatient.list_tags_for_resource(resourceArn=arn)
        assert caught.value.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
        answers = [patient.list_tags_for_resource(resourceArn=arn) for _ in range(3)]
        return sum(answer["ResponseMetadata"]["RetryAttempts"] for answer in answers)

    async with embedded.engine(limits=core.Limits(throttle_scale=0.05)) as url:
        assert await asyncio.to_thread(run, url) > 0
