"""Several endpoints of one SWF: failing over, failing back, and what the scheduler notices of it (5.9)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.integration.swf.relay import relaying
from tests.integration.swf.responder import Responder, fault, ok, serving

from elbflow import polling, swf
from elbflow.swf import endpoint_choice, endpoints
from elbflow_engine import embedded

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
_MINUTE = timedelta(minutes=1)
QUICK = swf.RetryPlan(attempts=5, base_s=0.005)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A URL that accepts no connection, and that nobody else gets."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture
async def other() -> AsyncIterator[Responder]:
    async with serving() as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Health probes every few milliseconds, and back after a fifth of a second of answers."""
    monkeypatch.setattr(endpoints, "PROBE_EVERY_S", 0.02)
    monkeypatch.setattr(endpoint_choice, "GOOD_FOR_S", 0.2)


def state(registry: CollectorRegistry, url: str) -> float | None:
    return registry.get_sample_value("swf_endpoint_state", {"endpoint": url})


async def test_a_call_that_found_no_connection_goes_to_the_next(
    responder: Responder, nowhere: str, registry: CollectorRegistry
) -> None:
    settings = swf.ClientSettings(endpoint_urls=(nowhere, responder.url))
    with structlog.testing.capture_logs() as logs:
        async with swf.Client.open(settings, registry=registry) as client:
            assert (state(registry, nowhere), state(registry, responder.url)) == (1, 1)
            assert client._endpoints.url == nowhere
            await client.respond_activity_task_completed("token")
            assert client._endpoints.url == responder.url
            await client.respond_activity_task_completed("token")
            poll = asyncio.ensure_future(client.poll_for_activity_task(ACTIVITIES, identity="me"))
            await responder.until_parked(1)
            responder.release.set()
            assert await poll is None
    assert responder.calls["RespondActivityTaskCompleted"] == 2
    assert (state(registry, nowhere), state(registry, responder.url)) == (0, 1)
    labels = {"operation": "RespondActivityTaskCompleted", "outcome": "connect_failed"}
    assert registry.get_sample_value("elbflow_swf_calls_total", labels) == 1, "only the first call tried it"
    assert [(entry["event"], entry["endpoint"], entry["in_use"]) for entry in logs] == [
        ("swf_endpoint_down", nowhere, responder.url)
    ]


async def test_server_errors_in_a_row_give_an_endpoint_up(responder: Responder, other: Responder) -> None:
    responder.on("CountPendingActivityTasks", fault("InternalFailure", status=500))
    other.on("CountPendingActivityTasks", ok({"count": 0}))
    settings = swf.ClientSettings(endpoint_urls=(responder.url, other.url))
    async with swf.Client.open(settings, retries=swf.RetryPlan(attempts=20, base_s=0.001)) as client:
        await client.register_domain("domain", retention_days=1)
        await client.count_pending_tasks(ACTIVITIES)
    assert responder.calls == {"RegisterDomain": 1, "CountPendingActivityTasks": endpoint_choice.BREAK_AFTER}
    assert other.calls["CountPendingActivityTasks"] == 1


@pytest.mark.usefixtures("hasty")
async def test_it_fails_back_and_leaves_parked_polls_where_they_are(
    other: Responder, registry: CollectorRegistry
) -> None:
    async with relaying(other.url) as preferred, serving() as second:
        settings = swf.ClientSettings(endpoint_urls=(preferred.url, second.url))
        async with swf.Client.open(settings, registry=registry, retries=QUICK) as client:
            await preferred.stop()
            parked = asyncio.ensure_future(client.poll_for_activity_task(ACTIVITIES, identity="me"))
            await second.until_parked(1)
            await preferred.start()
            begun = time.monotonic()
            while state(registry, preferred.url) != 1:
                await asyncio.sleep(0.01)
            assert time.monotonic() - begun >= 0.2
            assert other.calls["ListDomains"] >= 2
            await client.respond_activity_task_completed("token")
            assert (other.calls["RespondActivityTaskCompleted"], second.parked, second.lost) == (1, 1, 0)
            second.release.set()
            assert await parked is None
            probes = other.calls["ListDomains"]
            await asyncio.sleep(0.1)
            assert other.calls["ListDomains"] == probes, "what is up is not probed"


@pytest.mark.usefixtures("hasty")
async def test_one_that_answers_probes_but_no_polls_is_not_used_again_until_a_poll_succeeded(
    responder: Responder, other: Responder, registry: CollectorRegistry
) -> None:
    responder.on("PollForActivityTask", fault("InternalFailure", status=500))
    other.release.set()
    settings = swf.ClientSettings(endpoint_urls=(responder.url, other.url))
    async with swf.Client.open(settings, registry=registry, retries=QUICK) as client:

        async def poll() -> None:
            with contextlib.suppress(swf.Unavailable):
                await client.poll_for_activity_task(ACTIVITIES, identity="me")

        async def until(polls: int) -> None:
            async with asyncio.timeout(20):
                while responder.calls["PollForActivityTask"] < polls:
                    await poll()
                    await asyncio.sleep(0.01)

        await until(endpoint_choice.BREAK_AFTER)
        assert state(registry, responder.url) == 0
        await until(endpoint_choice.BREAK_AFTER + 2)
        assert state(registry, responder.url) == 0, "two polls on trial failed"
        await client.respond_activity_task_completed("token")
        assert other.calls["RespondActivityTaskCompleted"] == 1
        responder.on("PollForActivityTask", ok({"startedEventId": 0}))
        await until(endpoint_choice.BREAK_AFTER + 3)
        assert state(registry, responder.url) == 1
        await client.respond_activity_task_completed("token")
    assert responder.calls["RespondActivityTaskCompleted"] == 1
    assert responder.calls["ListDomains"] >= 2


@pytest.mark.usefixtures("hasty")
async def test_no_second_poll_goes_there_on_trial_when_an_older_one_ends(
    responder: Responder, other: Responder, registry: CollectorRegistry
) -> None:
    other.release.set()
    settings = swf.ClientSettings(endpoint_urls=(responder.url, other.url))
    async with swf.Client.open(settings, registry=registry, retries=QUICK) as client:

        def poll() -> asyncio.Future[swf.ActivityTask | None]:
            return asyncio.ensure_future(client.poll_for_activity_task(ACTIVITIES, identity="me"))

        older = poll()
        await responder.until_parked(1)
        responder.on("PollForActivityTask", fault("InternalFailure", status=500))
        while state(registry, responder.url) == 1:
            with contextlib.suppress(swf.Unavailable):
                await poll()
        begun = responder.calls["PollForActivityTask"]
        responder.on("PollForActivityTask", _held)
        async with asyncio.timeout(20):
            while responder.calls["PollForActivityTask"] == begun:
                trial = poll()
                await asyncio.wait([trial], timeout=0.05)
        assert not trial.done()
        older.cancel()
        await asyncio.gather(older, return_exceptions=True)
        async with asyncio.timeout(5):
            assert await poll() is None, "the other endpoint answered it"
        assert responder.calls["PollForActivityTask"] == begun + 1
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)


async def _held(_: object, __: object) -> web.Response:
    await asyncio.sleep(30)
    return web.json_response({"startedEventId": 0})


async def test_the_scheduler_hardly_notices_that_one_of_two_is_down(other: Responder) -> None:
    async with relaying(other.url) as preferred, relaying(other.url) as second:
        settings = swf.ClientSettings(endpoint_urls=(preferred.url, second.url), poll_connections=10)
        async with (
            swf.Client.open(settings) as client,
            polling.Scheduler(client, profile=polling.EndpointProfile.local(), identity="test", budget=10) as scheduler,
        ):
            for number in range(10):
                task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"list-{number}")
                scheduler.add_lane(task_list, _never, slots=1)
            await other.until_parked(10)
            await preferred.stop()
            begun = time.monotonic()
            await other.until_parked(0)
            await other.until_parked(10)
            assert time.monotonic() - begun < 5.0
            assert scheduler.statistics().endpoint_open
            assert len(second.lines) >= 10


async def test_all_down_is_the_schedulers_affair_and_the_first_that_answers_is_used_at_once(
    responder: Responder, nowhere: str, registry: CollectorRegistry
) -> None:
    async with relaying(responder.url) as second:
        settings = swf.ClientSettings(endpoint_urls=(nowhere, second.url))
        async with swf.Client.open(settings, registry=registry, retries=swf.RetryPlan(attempts=1)) as client:
            await second.stop()
            with pytest.raises(swf.ConnectFailed):
                await client.poll_for_activity_task(ACTIVITIES, identity="me")
            assert (state(registry, nowhere), state(registry, second.url)) == (0, 0)
            await second.start()
            await client.respond_activity_task_completed("token")
            assert (state(registry, nowhere), state(registry, second.url)) == (0, 1)


async def test_a_task_is_answered_through_another_endpoint_than_it_came_from() -> None:
    async with embedded.engine() as engine, relaying(engine) as first, relaying(engine) as second:
        settings = swf.ClientSettings(endpoint_urls=(first.url, second.url))
        async with swf.Client.open(settings, retries=QUICK) as client:
            task = await _decision_task(client)
            await first.stop()
            decision = swf.Decision("CompleteWorkflowExecution", {"result": "done"})
            await client.respond_decision_task_completed(task.token, [decision])
            (closed,) = await client.list_closed_workflow_executions("domain")
    assert closed.close_status == "COMPLETED"
    assert len(second.lines) >= 1


async def _decision_task(client: swf.Client) -> swf.DecisionTask:
    workflow = swf.TypeId("w", "1")
    await client.register_domain("domain", retention_days=1)
    await client.register_workflow_type("domain", workflow, task_list="list", child_policy="TERMINATE")
    await client.start_workflow_execution("domain", "id", workflow, execution_timeout=_MINUTE, decision_timeout=_MINUTE)
    task = await client.poll_for_decision_task(swf.TaskList(swf.TaskKind.DECISION, "domain", "list"), identity="me")
    assert task is not None
    return task


async def _never(task: swf.ActivityTask) -> None:
    raise AssertionError(f"no task was scheduled, but {task.activity_id} came")


def test_one_url_or_several_but_not_both() -> None:
    with pytest.raises(ValueError, match="not both"):
        swf.ClientSettings(endpoint_url="http://a", endpoint_urls=("http://b",))


async def test_closing_a_connection_after_an_empty_answer_is_no_fault(
    responder: Responder, registry: CollectorRegistry
) -> None:
    """Some proxies do so (5.9); the next poll connects anew."""

    async def empty_and_close(_: object, __: object) -> web.Response:
        answer = web.json_response({"startedEventId": 0})
        answer.force_close()
        return answer

    responder.on("PollForActivityTask", empty_and_close)
    settings = swf.ClientSettings(endpoint_urls=(responder.url,))
    async with swf.Client.open(settings, registry=registry) as client:
        for _ in range(5):
            assert await client.poll_for_activity_task(ACTIVITIES, identity="me") is None
    assert len(responder.peers) == 5
    assert state(registry, responder.url) == 1
    labels = {"operation": "PollForActivityTask", "outcome": "empty"}
    assert registry.get_sample_value("elbflow_swf_calls_total", labels) == 5


async def test_a_stale_connection_is_replaced_without_a_pause(registry: CollectorRegistry, other: Responder) -> None:
    """The peer closed it while it was idle: a call finds out when it sends (5.4)."""
    other.on("CountPendingActivityTasks", ok({"count": 0}))
    async with relaying(other.url) as relay:
        patient = swf.RetryPlan(attempts=2, base_s=30.0, cap_s=30.0)
        settings = swf.ClientSettings(endpoint_urls=(relay.url,))
        async with swf.Client.open(settings, registry=registry, retries=patient) as client:
            await client.count_pending_tasks(ACTIVITIES)
            relay.reset_on_next_request()
            begun = time.monotonic()
            await client.count_pending_tasks(ACTIVITIES)
            assert time.monotonic() - begun < 5.0
    labels = {"operation": "CountPendingActivityTasks", "outcome": "ambiguous"}
    assert registry.get_sample_value("elbflow_swf_calls_total", labels) == 1
