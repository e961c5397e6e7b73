"""Cancelling a parked poll gives its place up and still delivers a task that was on its way (I3, I4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests import stopwatch
from tests.integration.swf.responder import Connect, Responder, ok, serving

from elbflow import swf
from elbflow.swf import parking

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
TASK = {
    "taskToken": "token",
    "activityId": "1",
    "startedEventId": 5,
    "workflowExecution": {"workflowId": "w", "runId": "r"},
    "activityType": {"name": "a", "version": "1"},
}


def poll(client: swf.Client) -> asyncio.Task[swf.ActivityTask | None]:
    return asyncio.ensure_future(client.poll_for_activity_task(ACTIVITIES, identity="me"))


def counted(registry: CollectorRegistry, outcome: str) -> float | None:
    labels = {"operation": "PollForActivityTask", "outcome": outcome}
    return registry.get_sample_value("elbflow_swf_calls_total", labels)


async def test_a_parked_poll_ends_at_once_and_the_server_knows(
    connect: Connect, responder: Responder, registry: CollectorRegistry
) -> None:
    async with connect() as client:
        cancelled = poll(client)
        await responder.until_parked(1)
        async with stopwatch.within(1.0):
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
    assert responder.lost == 1
    assert counted(registry, "cancelled") == 1
    assert counted(registry, "ambiguous") is None


async def test_a_task_that_is_on_its_way_arrives(
    connect: Connect, responder: Responder, registry: CollectorRegistry
) -> None:
    async with connect() as client:
        polls: list[asyncio.Task[swf.ActivityTask | None]] = []

        async def answer_while_the_poll_is_given_up(_: dict[str, Any], __: web.Request) -> web.Response:
            polls[0].cancel()
            return ok(TASK)

        responder.on("PollForActivityTask", answer_while_the_poll_is_given_up)
        polls.append(poll(client))
        task = await polls[0]
    assert task is not None
    assert task.token == "token"
    assert counted(registry, "ok") == 1


async def test_an_empty_answer_on_its_way_does_not_hide_the_cancellation(
    connect: Connect, responder: Responder
) -> None:
    async with connect() as client:
        polls: list[asyncio.Task[swf.ActivityTask | None]] = []

        async def answer(_: dict[str, Any], __: web.Request) -> web.Response:
            polls[0].cancel()
            return ok({"startedEventId": 0})

        responder.on("PollForActivityTask", answer)
        polls.append(poll(client))
        with pytest.raises(asyncio.CancelledError):
            await polls[0]


async def test_the_pool_is_whole_after_many_released_polls(connect: Connect, responder: Responder) -> None:
    async with connect(poll_connections=2) as client:
        for _ in range(20):
            given_up = [poll(client), poll(client)]
            await responder.until_parked(2)
            for one in given_up:
                one.cancel()
            await asyncio.gather(*given_up, return_exceptions=True)
        last = [poll(client), poll(client)]
        await responder.until_parked(2)
        responder.release.set()
        assert await asyncio.gather(*last) == [None, None]


async def test_a_poll_without_a_connection_ends_at_once(connect: Connect, responder: Responder) -> None:
    async with connect(poll_connections=1) as client:
        polls = [poll(client) for _ in range(6)]
        await responder.until_parked(5)
        polls[5].cancel()
        with pytest.raises(asyncio.CancelledError):
            await polls[5]
        responder.release.set()
        assert await asyncio.gather(*polls[:5]) == [None] * 5


def test_it_works_on_uvloop_too() -> None:
    """Services run on uvloop, whose transports are of another family."""

    async def scenario() -> swf.ActivityTask | None:
        async with (
            serving() as responder,
            swf.Client.open(swf.ClientSettings(endpoint_url=responder.url)) as client,
        ):
            polls = [poll(client)]
            await responder.until_parked(1)
            polls[0].cancel()
            await asyncio.gather(*polls, return_exceptions=True)
            assert polls[0].cancelled()
            assert responder.lost == 1

            async def answer(_: dict[str, Any], __: web.Request) -> web.Response:
                polls[1].cancel()
                return ok(TASK)

            responder.on("PollForActivityTask", answer)
            polls.append(poll(client))
            return await polls[1]

    task = uvloop.run(scenario())
    assert task is not None
    assert task.token == "token"


@pytest.fixture
async def deaf_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Never answers, not even to a half-closed connection; the event is set when a request has begun to arrive."""
    over, asked = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}", asked
    over.set()
    server.close()
    await server.wait_closed()


async def test_a_server_that_does_not_react_delays_the_end_only_shortly(
    deaf_server: tuple[str, asyncio.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "RELEASE_S", 0.2)
    url, asked = deaf_server
    async with swf.Client.open(swf.ClientSettings(endpoint_url=url)) as client:
        cancelled = poll(client)
        await asyncio.wait_for(asked.wait(), 10)
        cancelled.cancel()
        begun = time.perf_counter()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert 0.15 < time.perf_counter() - begun < 5.0
