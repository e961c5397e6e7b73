"""Faults that the client once had on the wire, one test each."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.integration.swf.responder import CONTENT_TYPE, Connect, Responder, ok

from elbflow import swf

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
RESPOND = "RespondActivityTaskCompleted"
POLL = "PollForActivityTask"
ONE_TRY = swf.RetryPlan(attempts=1)
TASK = {
    "taskToken": "token",
    "activityId": "1",
    "startedEventId": 5,
    "workflowExecution": {"workflowId": "w", "runId": "r"},
    "activityType": {"name": "a", "version": "1"},
}
BOTH_PATHS = pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "stock"])


@asynccontextmanager
async def foreign_host(seen: list[tuple[str, bytes]]) -> AsyncIterator[str]:
    """Accepts whatever comes and notes it in ``seen``."""

    async def accept(request: web.Request) -> web.Response:
        seen.append((request.method, await request.read()))
        return web.Response(body=b"{}", content_type=CONTENT_TYPE)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", accept)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}/elsewhere"
    finally:
        await runner.cleanup()


@BOTH_PATHS
@pytest.mark.parametrize("status", [302, 307])
async def test_no_signed_request_goes_where_a_redirect_points(
    connect: Connect, responder: Responder, status: int, fast_path: bool
) -> None:
    seen: list[tuple[str, bytes]] = []
    async with foreign_host(seen) as url, connect(ONE_TRY, fast_path=fast_path) as client:

        async def redirect(_: dict[str, Any], __: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": url})

        responder.on(RESPOND, redirect)
        responder.on(POLL, redirect)
        with pytest.raises(swf.Unavailable):
            await client.respond_activity_task_completed("token", "private")
        with pytest.raises(swf.Unavailable):
            await client.poll_for_activity_task(ACTIVITIES, identity="me")
    assert seen == []
    assert (responder.calls[RESPOND], responder.calls[POLL]) == (1, 1)


@BOTH_PATHS
async def test_all_calls_that_a_clock_skew_refused_together_are_repeated(
    connect: Connect, responder: Responder, fast_path: bool
) -> None:
    refused = 0
    all_here = asyncio.Event()

    async def an_hour_ahead(_: dict[str, Any], request: web.Request) -> web.Response:
        nonlocal refused
        signed = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        here = datetime.now(UTC) + timedelta(hours=1)
        if abs(here - signed) < timedelta(minutes=5):
            return ok()
        refused += 1
        if refused == 5:
            all_here.set()
        await all_here.wait()
        body = {"__type": "x#InvalidSignatureException", "message": "Signature expired: a is now earlier than b"}
        headers = {"Date": format_datetime(here, usegmt=True)}
        return web.Response(status=400, headers=headers, body=json.dumps(body).encode(), content_type=CONTENT_TYPE)

    responder.on(RESPOND, an_hour_ahead)
    async with connect(ONE_TRY, fast_path=fast_path) as client, asyncio.timeout(10):
        await asyncio.gather(*(client.respond_activity_task_completed(f"token-{number}") for number in range(5)))
    assert (refused, responder.calls[RESPOND]) == (5, 10)


@dataclass
class Patient:
    """Answers every poll with a task once ``answer`` is set, and keeps connections whose client half is closed."""

    url: str = ""
    connections: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        body = json.dumps(TASK).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                self.asked.set()
                await self.answer.wait()
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.over.wait()  # the client's half is closed, this one stays open
        writer.close()


@pytest.fixture
async def patient() -> AsyncIterator[Patient]:
    made = Patient()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    made.answer.set()
    made.over.set()
    server.close()
    await server.wait_closed()


def poll(client: swf.Client) -> asyncio.Task[swf.ActivityTask | None]:
    return asyncio.ensure_future(client.poll_for_activity_task(ACTIVITIES, identity="me"))


async def delivered(polled: asyncio.Task[swf.ActivityTask | None]) -> bool:
    async with asyncio.timeout(5):
        task = await polled
    return task is not None and task.token == "token"


@BOTH_PATHS
async def test_a_half_closed_connection_is_not_used_again(patient: Patient, fast_path: bool) -> None:
    async with swf.Client.open(swf.ClientSettings(endpoint_url=patient.url, fast_path=fast_path)) as client:
        first = poll(client)
        await patient.asked.wait()
        first.cancel()
        await asyncio.sleep(0.02)
        patient.answer.set()
        assert await delivered(first)
        assert await delivered(poll(client))
    assert patient.connections == 2


@BOTH_PATHS
async def test_a_poll_cancelled_twice_still_delivers_its_task(patient: Patient, fast_path: bool) -> None:
    async with swf.Client.open(swf.ClientSettings(endpoint_url=patient.url, fast_path=fast_path)) as client:
        polled = poll(client)
        await patient.asked.wait()
        for _ in range(3):
            polled.cancel()
            await asyncio.sleep(0.02)
        patient.answer.set()
        assert await delivered(polled)


@BOTH_PATHS
async def test_a_short_call_that_trickles_ends(connect: Connect, responder: Responder, fast_path: bool) -> None:
    async def trickle(_: dict[str, Any], request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE, "Content-Length": "100000"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    responder.on(RESPOND, trickle)
    async with connect(ONE_TRY, fast_path=fast_path, connect_timeout_s=0.1, data_read_timeout_s=0.1) as client:
        async with asyncio.timeout(5):
            with pytest.raises(swf.Ambiguous, match=re.escape(f"{RESPOND} was not answered within 0.2 s")):
                await client.respond_activity_task_completed("token")


@BOTH_PATHS
async def test_a_short_call_does_not_wait_for_a_connection_without_end(
    connect: Connect, responder: Responder, fast_path: bool
) -> None:
    async def hang(_: dict[str, Any], __: web.Request) -> web.Response:
        await responder.release.wait()
        return ok()

    responder.on(RESPOND, hang)
    quick = {"connect_timeout_s": 0.3, "data_read_timeout_s": 0.15, "data_connections": 1}
    async with connect(ONE_TRY, fast_path=fast_path, **quick) as client, asyncio.timeout(5):
        calls = (client.respond_activity_task_completed(f"token-{number}") for number in range(20))
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [swf.Ambiguous] * 20
    assert responder.calls[RESPOND] < 10, "most ended in the queue, before the connection was theirs"


@pytest.mark.parametrize("problem", ["no such profile", "half a key", "no configuration file"])
async def test_credentials_that_cannot_be_read_are_a_fault_of_swf(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: str
) -> None:
    profile = None
    if problem == "no such profile":
        profile = "missing"
    elif problem == "half a key":
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        (tmp_path / "config").write_text("garbage[")
    settings = swf.ClientSettings(endpoint_url="http://127.0.0.1:1", profile=profile)
    with pytest.raises(swf.Unauthenticated, match="the AWS credentials cannot be read: "):
        async with swf.Client.open(settings):
            pytest.fail("opened without credentials")
