"""A success whose body is not SWF's: a fault of the service, never one of this code."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.integration.swf.responder import CONTENT_TYPE, Connect, Responder, drop, fault, ok

from elbflow import swf
from elbflow.polling import EndpointProfile, Metrics, Outcome, Scheduler

DECISIONS = swf.TaskList(swf.TaskKind.DECISION, "domain", "list")
ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
EXECUTION = swf.Execution("w", "r")
ONE_TRY = swf.RetryPlan(attempts=1)
Call = Callable[[swf.Client], Awaitable[object]]


def page(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=CONTENT_TYPE)


BODIES = {
    "list": page(b"[1]"),
    "text": page(b'"fine"'),
    "null": page(b"null"),
    "page": page(b"<html>welcome</html>"),
    "bytes": page(b"\xff\xfe"),
}
ASKS: dict[str, tuple[Call, dict[str, Any]]] = {
    "PollForDecisionTask": (
        lambda client: client.poll_for_decision_task(DECISIONS, identity="me"),
        {"taskToken": "t", "startedEventId": 3},
    ),
    "PollForActivityTask": (
        lambda client: client.poll_for_activity_task(ACTIVITIES, identity="me"),
        {"taskToken": "t", "workflowExecution": {"workflowId": "w"}},
    ),
    "CountPendingActivityTasks": (lambda client: client.count_pending_tasks(ACTIVITIES), {}),
    "DescribeWorkflowExecution": (
        lambda client: client.describe_workflow_execution("d", EXECUTION),
        {"openCounts": {}},
    ),
    "GetWorkflowExecutionHistory": (
        lambda client: client.get_workflow_execution_history("d", EXECUTION),
        {"events": [{"eventId": 1}]},
    ),
    "ListOpenWorkflowExecutions": (
        lambda client: client.list_open_workflow_executions("d"),
        {"executionInfos": [{"executionStatus": "OPEN"}]},
    ),
}
DOES: dict[str, Call] = {
    "StartWorkflowExecution": lambda client: client.start_workflow_execution("d", "w", swf.TypeId("t", "1")),
    "SignalWorkflowExecution": lambda client: client.signal_workflow_execution("d", "w", "s"),
    "RespondActivityTaskCompleted": lambda client: client.respond_activity_task_completed("t"),
}
BOTH_PATHS = pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "stock"])


@BOTH_PATHS
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_is_no_object_is_unavailable(
    connect: Connect, responder: Responder, body: web.Response, fast_path: bool
) -> None:
    async with connect(ONE_TRY, fast_path=fast_path) as client:
        for operation, (call, _) in ASKS.items():
            responder.on(operation, body)
            with pytest.raises(swf.Unavailable, match=operation):
                await call(client)


@BOTH_PATHS
async def test_an_answer_that_lacks_members_is_unavailable(
    connect: Connect, responder: Responder, fast_path: bool
) -> None:
    async with connect(ONE_TRY, fast_path=fast_path) as client:
        for operation, (call, members) in ASKS.items():
            responder.on(operation, ok(members))
            with pytest.raises(swf.Unavailable, match=f"{operation}: the answer is not SWF's"):
                await call(client)


@BOTH_PATHS
@pytest.mark.parametrize("body", [*BODIES.values(), ok({})], ids=[*BODIES, "empty"])
async def test_whether_something_was_done_is_unknown_after_an_answer_that_makes_no_sense(
    connect: Connect, responder: Responder, body: web.Response, fast_path: bool
) -> None:
    async with connect(ONE_TRY, fast_path=fast_path) as client:
        for operation, call in DOES.items():
            if body.body == b"{}" and operation != "StartWorkflowExecution":
                continue  # these are answered by success alone
            responder.on(operation, body)
            with pytest.raises(swf.Ambiguous, match=operation):
                await call(client)


async def test_a_start_whose_answer_made_no_sense_is_repeated_and_finds_itself(
    connect: Connect, responder: Responder
) -> None:
    responder.on("StartWorkflowExecution", ok({}), fault("WorkflowExecutionAlreadyStartedFault"))
    async with connect() as client:
        with pytest.raises(swf.AlreadyStarted) as caught:
            await client.start_workflow_execution("d", "w", swf.TypeId("t", "1"))
    assert caught.value.after_ambiguous


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("SignalWorkflowExecution", lambda client: client.signal_workflow_execution("d", "w", "s")),
        ("RequestCancelWorkflowExecution", lambda client: client.request_cancel_workflow_execution("d", "w")),
        ("TerminateWorkflowExecution", lambda client: client.terminate_workflow_execution("d", "w")),
    ],
)
async def test_an_unknown_execution_tells_whether_an_earlier_try_may_have_ended_it(
    connect: Connect, responder: Responder, operation: str, call: Call, lost: bool
) -> None:
    responder.on(operation, *([drop] if lost else []), fault("UnknownResourceFault"))
    async with connect() as client:
        with pytest.raises(swf.UnknownResource) as caught:
            await call(client)
    assert caught.value.after_ambiguous is lost


@pytest.mark.parametrize("body", [page(b"[]"), ok({"taskToken": "t"})], ids=["no object", "no members"])
async def test_the_scheduler_backs_off_from_answers_that_make_no_sense(
    connect: Connect, responder: Responder, registry: CollectorRegistry, body: web.Response
) -> None:
    responder.on("PollForActivityTask", body)
    seen = counts_of(registry)
    async with connect() as client:
        profile = EndpointProfile.local()
        scheduler = Scheduler(client, profile=profile, identity="me", rng=random.Random(1), metrics=Metrics(registry))
        async with scheduler:
            lane = scheduler.add_lane(ACTIVITIES, _refuse, slots=1)
            async with asyncio.timeout(10):
                while seen(Outcome.SERVER) < 2:
                    await asyncio.sleep(0.01)
            assert lane.statistics().last_outcome is Outcome.SERVER
    assert seen(Outcome.DEFECT) == 0
    assert responder.calls["PollForActivityTask"] < 10


def counts_of(registry: CollectorRegistry) -> Callable[[Outcome], float]:
    def seen(outcome: Outcome) -> float:
        labels = {"lane_class": "default", "kind": "activity", "outcome": outcome.value}
        return registry.get_sample_value("swf_poll_results_total", labels) or 0.0

    return seen


async def _refuse(task: swf.ActivityTask) -> None:
    raise AssertionError(f"no task was to come: {task}")
