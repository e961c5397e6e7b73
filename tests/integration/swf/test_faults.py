"""What the client does when SWF refuses, vanishes, or answers nonsense (spec/swf-long-poll-scale 5.14)."""

from __future__ import annotations

import socket

import pytest
import structlog
from prometheus_client import CollectorRegistry
from tests.integration.swf.responder import Answer, Connect, Responder, drop, fault, ok

from elbflow import swf

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
EMPTY = {"startedEventId": 0}


@pytest.mark.parametrize("status", [400, 403])
async def test_faults_are_known_by_code(connect: Connect, responder: Responder, status: int) -> None:
    responder.on("SignalWorkflowExecution", fault("UnknownResourceFault", "Unknown execution, workflowId = w", status))
    async with connect() as client:
        with pytest.raises(swf.UnknownResource, match="Unknown execution, workflowId = w") as caught:
            await client.signal_workflow_execution("domain", "w", "update")
    assert (caught.value.code, caught.value.operation) == ("UnknownResourceFault", "SignalWorkflowExecution")
    assert responder.calls["SignalWorkflowExecution"] == 1


@pytest.mark.parametrize(
    "first",
    [fault("ThrottlingException", "Rate exceeded"), fault("InternalFailure", status=500), fault("x", status=503), drop],
    ids=["throttled", "server error", "unavailable", "connection lost"],
)
async def test_short_calls_are_repeated(connect: Connect, responder: Responder, first: Answer) -> None:
    responder.on("CountPendingActivityTasks", first, first, ok({"count": 1}))
    async with connect() as client:
        assert await client.count_pending_tasks(ACTIVITIES) == 1
    assert responder.calls["CountPendingActivityTasks"] == 3


async def test_repeating_ends_after_the_tries_of_the_plan(
    connect: Connect, responder: Responder, registry: CollectorRegistry
) -> None:
    responder.on("CountPendingActivityTasks", fault("ServiceUnavailable", status=503))
    async with connect() as client:
        with pytest.raises(swf.Unavailable):
            await client.count_pending_tasks(ACTIVITIES)
    assert responder.calls["CountPendingActivityTasks"] == 5
    labels = {"operation": "CountPendingActivityTasks", "outcome": "unavailable"}
    assert registry.get_sample_value("elbflow_swf_calls_total", labels) == 5


@pytest.mark.parametrize("lost", [drop, fault("InternalFailure", status=500)], ids=["lost", "server error"])
async def test_unknown_task_after_a_lost_respond_is_success_with_a_warning(
    connect: Connect, responder: Responder, lost: Answer
) -> None:
    responder.on("RespondActivityTaskCompleted", lost, fault("UnknownResourceFault"))
    async with connect() as client:
        with structlog.testing.capture_logs() as logs:
            await client.respond_activity_task_completed("token", "result")
    assert responder.calls["RespondActivityTaskCompleted"] == 2
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("swf_respond_presumed_done", "warning")]
    assert "token" not in logs[0].values()


@pytest.mark.parametrize("before", [[], [fault("ThrottlingException")]], ids=["first try", "after throttling"])
async def test_unknown_task_is_a_fault_when_no_respond_was_lost(
    connect: Connect, responder: Responder, before: list[Answer]
) -> None:
    responder.on("RespondActivityTaskCompleted", *before, fault("UnknownResourceFault"))
    async with connect() as client:
        with pytest.raises(swf.UnknownResource):
            await client.respond_activity_task_completed("token")


async def test_unknown_task_of_a_heartbeat_is_always_a_fault(connect: Connect, responder: Responder) -> None:
    responder.on("RecordActivityTaskHeartbeat", drop, fault("UnknownResourceFault"))
    async with connect() as client:
        with pytest.raises(swf.UnknownResource):
            await client.record_activity_task_heartbeat("token")


@pytest.mark.parametrize("lost", [True, False])
async def test_already_started_tells_whether_it_may_be_this_call(
    connect: Connect, responder: Responder, lost: bool
) -> None:
    taken = fault("WorkflowExecutionAlreadyStartedFault", "Already Started")
    responder.on("StartWorkflowExecution", *([drop] if lost else []), taken)
    async with connect() as client:
        with pytest.raises(swf.AlreadyStarted) as caught:
            await client.start_workflow_execution("domain", "w", swf.TypeId("t", "1"))
    assert caught.value.after_ambiguous is lost


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (drop, swf.Ambiguous),
        (fault("ThrottlingException", "Rate exceeded"), swf.Throttled),
        (fault("LimitExceededFault"), swf.LimitExceeded),
        (fault("InternalFailure", status=500), swf.Unavailable),
    ],
)
async def test_polls_are_never_repeated(
    connect: Connect, responder: Responder, answer: Answer, expected: type[swf.SwfError]
) -> None:
    responder.on("PollForActivityTask", answer)
    async with connect() as client:
        with pytest.raises(expected):
            await client.poll_for_activity_task(ACTIVITIES, identity="me")
    assert responder.calls["PollForActivityTask"] == 1


async def test_a_silent_endpoint_is_ambiguous_and_a_closed_port_is_not(connect: Connect, responder: Responder) -> None:
    async with connect(poll_read_timeout_s=0.1) as client:
        with pytest.raises(swf.Ambiguous):
            await client.poll_for_activity_task(ACTIVITIES, identity="me")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = swf.ClientSettings(endpoint_url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        async with swf.Client.open(nobody, retries=swf.RetryPlan(attempts=1)) as client:
            with pytest.raises(swf.ConnectFailed):
                await client.poll_for_activity_task(ACTIVITIES, identity="me")


async def test_an_error_page_instead_of_json_is_unavailable(connect: Connect, responder: Responder) -> None:
    page = ok()
    page.body = b"<html>busy</html>"
    page.set_status(502)
    responder.on("PollForActivityTask", page)
    async with connect() as client:
        with pytest.raises(swf.Unavailable):
            await client.poll_for_activity_task(ACTIVITIES, identity="me")


@pytest.mark.parametrize("token", [None, ""])
async def test_null_and_empty_tokens_are_empty_polls(connect: Connect, responder: Responder, token: str | None) -> None:
    responder.on("PollForActivityTask", ok(EMPTY | {"taskToken": token}))
    async with connect() as client:
        assert await client.poll_for_activity_task(ACTIVITIES, identity="me") is None


async def test_a_client_without_credentials_does_not_open(
    connect: Connect, responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(swf.Unauthenticated, match="no AWS credentials"):
        async with connect():
            pass
    assert responder.calls.total() == 0
