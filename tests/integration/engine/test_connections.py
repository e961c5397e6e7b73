"""Pipelining, slow and silent peers, too many of them (spec/swf-long-poll-scale 6.4, 6.8)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import prometheus_client
import pytest
from tests.integration.engine import raw, rig

from elbflow.swf import sockets
from elbflow_engine import embedded, server, wire

LARGE = b'{"registrationStatus": "REGISTERED"' + b" " * 60_000


class Engine:
    def __init__(self, client: rig.Wire, registry: prometheus_client.CollectorRegistry) -> None:
        self.wire = client
        self.url = client.url
        self._registry = registry

    def value(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(name, labels) or 0.0

    def closed(self, reason: str) -> float:
        return self.value("swfd_connections_closed_total", reason=reason)

    async def parked(self, count: int) -> None:
        await until(lambda: self.value("swfd_parked_polls", domain=rig.DOMAIN, kind="decision") == count)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


Start = Callable[[wire.Capacity], AbstractAsyncContextManager[Engine]]


@pytest.fixture
def start(session: aiohttp.ClientSession) -> Start:
    @contextlib.asynccontextmanager
    async def run(capacity: wire.Capacity) -> AsyncIterator[Engine]:
        registry = prometheus_client.CollectorRegistry()
        async with embedded.engine(hold_s=20, registry=registry, capacity=capacity) as url:
            client = rig.Wire(session, url)
            await client.prepare()
            yield Engine(client, registry)

    return run


@pytest.fixture
async def engine(start: Start) -> AsyncIterator[Engine]:
    async with start(wire.Capacity(head_s=0.3)) as running:
        yield running


async def test_a_connection_serves_one_request_after_the_other_and_short_ones_in_a_row(engine: Engine) -> None:
    async with raw.connect(engine.url) as line:
        for _ in range(3):
            await line.send(raw.listing())
            assert (await line.reply()).status == 200
        await line.send(raw.listing() * 3)
        assert [(await line.reply()).status for _ in range(3)] == [200, 200, 200]


async def test_a_poll_leaves_its_connection_usable(engine: Engine) -> None:
    async with raw.connect(engine.url) as line:
        await line.send(raw.listing() + raw.poll())
        assert (await line.reply()).status == 200
        await engine.parked(1)
        await line.send(b"\r\n")
        await engine.wire.start("w")
        assert b'"taskToken"' in (await line.reply()).body
        await line.send(raw.listing())
        assert (await line.reply()).status == 200


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_request_behind_a_parked_poll_closes_the_connection_and_swallows_no_task(
    engine: Engine, at_once: bool
) -> None:
    async with raw.connect(engine.url) as line:
        await line.send(raw.poll() + raw.listing() if at_once else raw.poll())
        if not at_once:
            await engine.parked(1)
            await line.send(raw.listing()[:1])
        assert await line.closed() == b""
    await engine.parked(0)
    assert engine.closed("pipelined_behind_poll") == 1
    run_id = await engine.wire.start("w")
    assert (await engine.wire.poll_decision())["workflowExecution"]["runId"] == run_id
    kinds = [event["eventType"] for event in await engine.wire.history("w", run_id)]
    assert kinds.count("DecisionTaskStarted") == 1


async def test_a_task_on_its_way_to_a_poll_that_breaks_the_protocol_is_not_lost(engine: Engine) -> None:
    for number in range(25):
        async with raw.connect(engine.url) as line:
            await line.send(raw.poll())
            await engine.parked(1)
            starting = asyncio.create_task(engine.wire.start(f"w{number}"))
            await asyncio.sleep(0.0002 * number)
            await line.send(raw.listing())
            try:
                assert b'"taskToken"' in (await line.reply()).body
                assert (await line.reply()).status == 200
                continue
            except (asyncio.IncompleteReadError, ConnectionError):
                run_id = await starting
        assert (await engine.wire.poll_decision())["workflowExecution"]["runId"] == run_id


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\nX-A", b"\r\n"],
    ids=["nothing", "line", "header", "blank"],
)
async def test_a_head_that_does_not_come_is_not_waited_for(engine: Engine, sent: bytes) -> None:
    async with raw.connect(engine.url) as line:
        await line.send(sent)
        assert await line.closed() == b""
    assert engine.closed("silent") == 1


async def test_a_body_that_does_not_come_is_answered_and_not_waited_for(start: Start) -> None:
    async with start(wire.Capacity(body_s=0.2)) as engine, raw.connect(engine.url) as line:
        await line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        reply = await line.reply()
        assert (reply.status, reply.code) == (400, "RequestTimeoutException")
        await line.closed()


async def test_a_connection_that_is_not_used_any_more_is_closed(start: Start) -> None:
    async with start(wire.Capacity(idle_s=0.2)) as engine, raw.connect(engine.url) as line:
        await line.send(raw.listing())
        assert (await line.reply()).status == 200
        await line.send(b"\r\n")
        assert await line.closed() == b""


async def test_a_trickle_of_header_bytes_buys_no_time(engine: Engine) -> None:
    async with raw.connect(engine.url) as line:
        await line.send(raw.listing())
        assert (await line.reply()).status == 200
        await line.send(b"POST / HTTP/1.1\r\n")
        ending = asyncio.create_task(line.closed(2))
        with contextlib.suppress(ConnectionError):
            while not ending.done():
                await line.send(b"X-A: b\r\n")
                await asyncio.sleep(0.02)
        assert await ending == b""
    assert engine.closed("silent") == 1


async def test_an_idle_connection_and_a_parked_poll_outlive_the_patience_with_heads(engine: Engine) -> None:
    async with raw.connect(engine.url) as idle, raw.connect(engine.url) as polling:
        await idle.send(raw.listing())
        assert (await idle.reply()).status == 200
        await polling.send(raw.poll())
        await engine.parked(1)
        await asyncio.sleep(0.5)
        await idle.send(raw.listing())
        assert (await idle.reply()).status == 200
        await engine.wire.start("w")
        assert b'"taskToken"' in (await polling.reply()).body
    assert engine.closed("silent") == 0


async def test_silent_and_slow_connections_do_not_disturb_others(engine: Engine) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(150):
            line = await stack.enter_async_context(raw.connect(engine.url))
            await line.send(raw.poll()[: number % 90])
        assert (await engine.wire.send("ListDomains", raw.LISTING)).status == 200
        await until(lambda: engine.closed("silent") == 150)
        assert (await engine.wire.send("ListDomains", raw.LISTING)).status == 200


async def test_beyond_the_soft_limit_new_connections_are_answered_503_and_parked_polls_stay(start: Start) -> None:
    async with start(wire.Capacity(connections=10)) as engine, contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(raw.connect(engine.url)) for _ in range(8)]
        for line in lines:
            await line.send(raw.poll())
        await engine.parked(8)
        async with raw.connect(engine.url) as late:
            await late.send(raw.listing())
            reply = await late.reply()
            assert (reply.status, reply.code, reply.headers["Connection"]) == (503, "ServiceUnavailable", "close")
            assert await late.closed() == b""
        # The client that prepared the engine has an old connection: it is served.
        assert (await engine.wire.send("ListDomains", raw.LISTING)).status == 200
        await engine.wire.start("w")
        assert b'"taskToken"' in (await lines[0].reply()).body
        await engine.parked(7)


async def test_beyond_the_hard_limit_connections_are_closed_at_once(start: Start) -> None:
    async with start(wire.Capacity(connections=10)) as engine, contextlib.AsyncExitStack() as stack:
        for _ in range(8):
            line = await stack.enter_async_context(raw.connect(engine.url))
            await line.send(raw.poll())
        await engine.parked(8)
        await stack.enter_async_context(raw.connect(engine.url))
        async with raw.connect(engine.url) as refused:
            assert await refused.closed() == b""
        assert engine.closed("connections") == 1
        assert engine.value("swfd_parked_polls", domain=rig.DOMAIN, kind="decision") == 8
        await stack.aclose()
        await engine.parked(0)
        async with raw.connect(engine.url) as welcome:
            await welcome.send(raw.listing())
            assert (await welcome.reply()).status == 200


async def test_slow_bodies_make_room_for_others_oldest_first(start: Start) -> None:
    async with start(wire.Capacity(request_bytes=200_000)) as engine, contextlib.AsyncExitStack() as stack:
        slow = []
        for _ in range(4):
            line = await stack.enter_async_context(raw.connect(engine.url))
            await line.send(raw.request("ListDomains", LARGE + b"}")[:-1])
            slow.append(line)
        first = await slow[0].reply()
        assert (first.status, first.code) == (503, "ServiceUnavailable")
        assert (await engine.wire.send("ListDomains", LARGE + b"}")).status == 200
        assert engine.closed("bytes") == 2
        await slow[-1].send(b"}")
        assert (await slow[-1].reply()).status == 200


async def test_an_answer_that_nobody_reads_is_given_up(start: Start) -> None:
    async with start(wire.Capacity(unread_s=0.2)) as engine:
        long_name = {"registrationStatus": "x" * 1_000_000}
        async with raw.connect(engine.url) as line:
            transport = line.writer.transport
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            for _ in range(12):
                line.writer.write(raw.request("ListDomains", long_name))
            await until(lambda: engine.closed("unread_answer") == 1)
        assert (await engine.wire.send("ListDomains", raw.LISTING)).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["tls", "length", "smuggled", "long", "many", "chunk", "http2"],
)
async def test_bytes_that_are_no_http_get_a_protocol_error_and_the_connection_ends(engine: Engine, sent: bytes) -> None:
    async with raw.connect(engine.url) as line:
        await line.send(sent)
        reply = await line.reply()
        assert (reply.status, reply.code) == (400, "SerializationException")
        assert reply.headers["Content-Type"] == "application/x-amz-json-1.0"
        await line.closed()
    assert (await engine.wire.send("ListDomains", raw.LISTING)).status == 200


async def test_header_bytes_that_are_no_text_are_quoted_as_far_as_possible(engine: Engine) -> None:
    async with raw.connect(engine.url) as line:
        await line.send(raw.listing().replace(b"SimpleWorkflowService", b"Simple\xff\xfeService"))
        reply = await line.reply()
    assert (reply.status, reply.code) == (400, "UnknownOperationException")


async def test_chunked_bodies_with_trailers(engine: Engine) -> None:
    body = b'{"registrationStatus": "REGISTERED"}'
    head = raw.listing().partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
    async with raw.connect(engine.url) as line:
        await line.send(head)
        for byte in body:
            await line.send(b"1\r\n" + bytes([byte]) + b"\r\n")
        await line.send(b"0\r\nX-Trailer: x\r\n\r\n")
        assert (await line.reply()).status == 200
        await line.send(raw.listing())
        assert (await line.reply()).status == 200


def test_connections_notice_a_vanished_peer_within_fifty_seconds() -> None:
    with server._listen("127.0.0.1", 0) as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as line:
            tcp = socket.IPPROTO_TCP
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle, interval, probes = (
                line.getsockopt(tcp, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + interval * probes <= 50
            assert line.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == sockets.USER_TIMEOUT_MS
