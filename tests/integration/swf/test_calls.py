"""Every operation travels in SWF's own spelling, and its answer comes back typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.integration.swf.responder import Connect, Responder, ok

from elbflow import swf

TYPE = swf.TypeId("type", "1.0")
EXECUTION = swf.Execution("w", "r")
DECISIONS = swf.TaskList(swf.TaskKind.DECISION, "domain", "list")
ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")

Call = Callable[[swf.Client], Awaitable[object]]

SENT: list[tuple[str, Call, dict[str, Any]]] = [
    (
        "RespondDecisionTaskCompleted",
        lambda client: client.respond_decision_task_completed(
            "t", [swf.Decision("CancelTimer", {"timerId": "1"})], execution_context="{}"
        ),
        {
            "taskToken": "t",
            "executionContext": "{}",
            "decisions": [{"decisionType": "CancelTimer", "cancelTimerDecisionAttributes": {"timerId": "1"}}],
        },
    ),
    (
        "RespondDecisionTaskCompleted",
        lambda client: client.respond_decision_task_completed(
            "t", [], task_list="mine", schedule_to_start=timedelta(seconds=4.2)
        ),
        {"taskToken": "t", "decisions": [], "taskList": {"name": "mine"}, "taskListScheduleToStartTimeout": "5"},
    ),
    (
        "RespondActivityTaskFailed",
        lambda client: client.respond_activity_task_failed("t", "reason", "details"),
        {"taskToken": "t", "reason": "reason", "details": "details"},
    ),
    ("RespondActivityTaskCanceled", lambda client: client.respond_activity_task_canceled("t"), {"taskToken": "t"}),
    (
        "SignalWorkflowExecution",
        lambda client: client.signal_workflow_execution("domain", "w", "update", input="1"),
        {"domain": "domain", "workflowId": "w", "signalName": "update", "input": "1"},
    ),
    (
        "RequestCancelWorkflowExecution",
        lambda client: client.request_cancel_workflow_execution("domain", "w", run_id="r"),
        {"domain": "domain", "workflowId": "w", "runId": "r"},
    ),
    (
        "TerminateWorkflowExecution",
        lambda client: client.terminate_workflow_execution("domain", "w", reason="why"),
        {"domain": "domain", "workflowId": "w", "reason": "why"},
    ),
    (
        "RegisterDomain",
        lambda client: client.register_domain("domain", retention_days=7),
        {"name": "domain", "workflowExecutionRetentionPeriodInDays": "7"},
    ),
    (
        "RegisterWorkflowType",
        lambda client: client.register_workflow_type("domain", TYPE, execution_timeout=timedelta(hours=1)),
        {"domain": "domain", "name": "type", "version": "1.0", "defaultExecutionStartToCloseTimeout": "3600"},
    ),
    (
        "RegisterWorkflowType",
        lambda client: client.register_workflow_type("domain", TYPE, priority=-3),
        {"domain": "domain", "name": "type", "version": "1.0", "defaultTaskPriority": "-3"},
    ),
    (
        "RegisterActivityType",
        lambda client: client.register_activity_type(
            "domain", TYPE, task_list="list", start_to_close=timedelta(seconds=30)
        ),
        {
            "domain": "domain",
            "name": "type",
            "version": "1.0",
            "defaultTaskList": {"name": "list"},
            "defaultTaskScheduleToStartTimeout": "NONE",
            "defaultTaskStartToCloseTimeout": "30",
            "defaultTaskScheduleToCloseTimeout": "NONE",
            "defaultTaskHeartbeatTimeout": "NONE",
        },
    ),
]


@pytest.mark.parametrize(("operation", "call", "members"), SENT, ids=[row[0] for row in SENT])
async def test_members_on_the_wire(
    connect: Connect, responder: Responder, operation: str, call: Call, members: dict[str, Any]
) -> None:
    async with connect() as client:
        assert await call(client) is None
    assert responder.bodies == [(operation, members)]


async def test_start_returns_the_run_id(connect: Connect, responder: Responder) -> None:
    responder.on("StartWorkflowExecution", ok({"runId": "run-1"}))
    async with connect() as client:
        run_id = await client.start_workflow_execution(
            "domain",
            "w",
            TYPE,
            input="{}",
            task_list="list",
            tags=["a", "b"],
            execution_timeout=timedelta(seconds=90),
            decision_timeout=timedelta(seconds=10),
            child_policy="TERMINATE",
            priority=7,
        )
    assert run_id == "run-1"
    assert responder.bodies[0][1] == {
        "domain": "domain",
        "workflowId": "w",
        "workflowType": {"name": "type", "version": "1.0"},
        "input": "{}",
        "taskList": {"name": "list"},
        "tagList": ["a", "b"],
        "executionStartToCloseTimeout": "90",
        "taskStartToCloseTimeout": "10",
        "childPolicy": "TERMINATE",
        "taskPriority": "7",
    }


@pytest.mark.parametrize("asked", [True, False])
async def test_heartbeat_tells_whether_to_cancel(connect: Connect, responder: Responder, asked: bool) -> None:
    responder.on("RecordActivityTaskHeartbeat", ok({"cancelRequested": asked}))
    async with connect() as client:
        assert await client.record_activity_task_heartbeat("t", "half") is asked


async def test_history_is_read_page_by_page(connect: Connect, responder: Responder) -> None:
    async def page(body: dict[str, Any], _: web.Request) -> web.Response:
        first = int(body.get("nextPageToken", "1"))
        events = [
            {
                "eventId": number,
                "eventType": "TimerFired",
                "eventTimestamp": 1.5,
                "timerFiredEventAttributes": {"timerId": str(number)},
            }
            for number in (first, first + 1)
        ]
        return ok({"events": events} | ({"nextPageToken": str(first + 2)} if first < 5 else {}))

    responder.on("GetWorkflowExecutionHistory", page)
    async with connect() as client:
        everything = await client.get_workflow_execution_history("domain", EXECUTION)
        few = await client.get_workflow_execution_history("domain", EXECUTION, limit=3, reverse=True)
    assert [event.id for event in everything] == [1, 2, 3, 4, 5, 6]
    assert everything[0] == swf.HistoryEvent(1, "TimerFired", 1.5, {"timerId": "1"})
    assert [event.id for event in few] == [1, 2, 3]
    assert responder.bodies[-1][1]["reverseOrder"] is True


async def test_further_pages_of_a_decision_task_use_the_short_pool(connect: Connect, responder: Responder) -> None:
    responder.on("PollForDecisionTask", ok({"taskToken": "t", "startedEventId": 3, "events": []}))
    async with connect() as client:
        events, token = await client.decision_task_page(DECISIONS, "page-2", identity="me", start_at_previous=True)
    assert (list(events), token) == ([], None)
    assert responder.bodies[0][1] == {
        "domain": "domain",
        "taskList": {"name": "list"},
        "identity": "me",
        "maximumPageSize": 1000,
        "nextPageToken": "page-2",
        "startAtPreviousStartedEvent": True,
    }


async def test_listings_join_their_pages(connect: Connect, responder: Responder) -> None:
    row = {
        "execution": {"workflowId": "w", "runId": "r"},
        "workflowType": {"name": "type", "version": "1.0"},
        "startTimestamp": 1.0,
        "executionStatus": "OPEN",
        "cancelRequested": False,
    }
    responder.on(
        "ListOpenWorkflowExecutions", ok({"executionInfos": [row], "nextPageToken": "2"}), ok({"executionInfos": [row]})
    )
    responder.on("ListClosedWorkflowExecutions", ok({"executionInfos": []}))
    async with connect() as client:
        assert len(await client.list_open_workflow_executions("domain", workflow_id="w")) == 2
        assert await client.list_closed_workflow_executions("domain", tag="x") == ()
    assert responder.bodies[0][1]["executionFilter"] == {"workflowId": "w"}
    assert responder.bodies[0][1]["startTimeFilter"] == {"oldestDate": 0}
    assert responder.bodies[2][1]["tagFilter"] == {"tag": "x"}


async def test_a_listing_ends_at_its_limit(connect: Connect, responder: Responder) -> None:
    row = {
        "execution": {"workflowId": "w", "runId": "r"},
        "workflowType": {"name": "type", "version": "1.0"},
        "startTimestamp": 1.0,
        "executionStatus": "OPEN",
    }
    responder.on("ListOpenWorkflowExecutions", ok({"executionInfos": [row, row], "nextPageToken": "on"}))
    async with connect() as client:
        assert len(await client.list_open_workflow_executions("domain", workflow_type=TYPE, limit=3)) == 3
    assert [body["maximumPageSize"] for _, body in responder.bodies] == [3, 3]
    assert responder.bodies[0][1]["typeFilter"] == {"name": "type", "version": "1.0"}


@pytest.mark.parametrize(
    ("task_list", "operation"),
    [(DECISIONS, "CountPendingDecisionTasks"), (ACTIVITIES, "CountPendingActivityTasks")],
)
async def test_pending_tasks_are_counted_by_kind(
    connect: Connect, responder: Responder, task_list: swf.TaskList, operation: str
) -> None:
    responder.on(operation, ok({"count": 4, "truncated": False}))
    async with connect() as client:
        assert await client.count_pending_tasks(task_list) == 4


async def test_every_call_is_counted_by_operation_and_outcome(
    connect: Connect, responder: Responder, registry: CollectorRegistry
) -> None:
    responder.release.set()
    responder.on("CountPendingActivityTasks", ok({"count": 0}))
    async with connect() as client, connect() as other:
        await client.poll_for_activity_task(ACTIVITIES, identity="me")
        await client.count_pending_tasks(ACTIVITIES)
        await other.count_pending_tasks(ACTIVITIES)

    def total(operation: str, outcome: str) -> float | None:
        return registry.get_sample_value("elbflow_swf_calls_total", {"operation": operation, "outcome": outcome})

    assert total("PollForActivityTask", "empty") == 1
    assert total("CountPendingActivityTasks", "ok") == 2
