"""Pins what :mod:`elbflow_engine.wire.connection` takes from the insides of aiohttp's server connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from elbflow_engine.wire import Capacity, Connection, Gate, Listener

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def writelines(self, data: Any) -> None:
        self.written += b"".join(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


class Rig:
    def __init__(self, **capacity: Any) -> None:
        self.gate = Gate(Capacity(**capacity), lambda _: None)
        self.requests: list[web.BaseRequest] = []
        self.answer = asyncio.Event()
        self.server = Listener(self._handle, self.gate)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        await self.answer.wait()
        return web.Response(body=b"done")

    def connect(self) -> tuple[Connection, Transport]:
        line, transport = self.server(), Transport()
        assert isinstance(line, Connection)
        line.connection_made(transport)
        return line, transport


@pytest.fixture
async def rig() -> Rig:
    return Rig(connections=2)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_head_in_pieces_is_waited_for_until_it_is_whole(rig: Rig) -> None:
    line, _ = rig.connect()
    await turns()
    assert len(rig.gate._heads) == 1
    line.data_received(REQUEST[:20])
    assert len(rig.gate._heads) == 1
    line.data_received(REQUEST[20:])
    assert (len(rig.gate._heads), line.receiving) == (0, True)
    line.data_received(b"{")
    await turns()
    assert (len(rig.gate._heads), line.receiving, line.held_bytes) == (0, True, len(REQUEST) + 1)
    line.data_received(b"}")
    assert not line.receiving
    rig.answer.set()
    await turns()
    line.settled(rig.requests[0].content)
    assert rig.gate.bytes_in_flight == 0
    line.data_received(b"P")
    assert (len(rig.gate._heads), line.receiving, line.held_bytes) == (1, True, 1)
    line.connection_lost(None)
    assert (len(rig.gate._heads), rig.gate.connections) == (0, 0)


async def test_bytes_between_two_tasks_of_aiohttp_are_no_new_head(rig: Rig) -> None:
    """After taking a request from its queue aiohttp neither waits for one nor runs a handler, for one turn."""
    line, _ = rig.connect()
    line.data_received(REQUEST)
    for _ in range(6):
        line.data_received(b"")
        await asyncio.sleep(0)
        assert len(rig.gate._heads) == 0
    line.connection_lost(None)
    await turns()


async def test_the_rest_of_a_body_that_was_refused_is_not_in_flight(rig: Rig) -> None:
    line, _ = rig.connect()
    line.data_received(REQUEST.replace(b": 2", b": 9999"))
    await turns()
    line.settled(rig.requests[0].content)
    line.data_received(bytes(5000))
    assert rig.gate.bytes_in_flight == 0
    line.connection_lost(None)
    await turns()


async def test_a_request_behind_another_is_seen(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST + b"{}")
    await turns()
    assert not line.pipelined
    line.data_received(REQUEST + b"{}")
    assert line.pipelined
    line.parked = True
    line.data_received(b"\r\n")
    assert not transport.is_closing()
    line.data_received(b"x")
    assert transport.is_closing()
    assert not line.connected
    line.connection_lost(None)
    await turns()
    assert len(rig.requests) == 1


async def test_a_lost_connection_cancels_its_handler(rig: Rig) -> None:
    line, _ = rig.connect()
    line.data_received(REQUEST + b"{}")
    await turns()
    handler = line._task_handler
    assert handler is not None
    line.connection_lost(None)
    await turns()
    assert handler.done()


async def test_one_connection_too_many_never_gets_a_task(rig: Rig) -> None:
    rig.connect()
    rig.connect()
    line, transport = rig.connect()
    assert transport.aborted
    assert line._task_handler is None
    line.connection_lost(None)
    assert rig.gate.connections == 2


async def test_an_overloaded_engine_answers_before_it_hangs_up(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST)
    line.overloaded()
    head, _, body = transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Connection: close" in head
    assert b"#ServiceUnavailable" in body
    assert f"Content-Length: {len(body)}".encode() in head
    assert transport.closed
    line.connection_lost(None)
    await turns()


async def test_an_error_of_a_handler_is_an_internal_failure_in_the_protocol(logs: list[Any]) -> None:
    async def explode(_: web.BaseRequest) -> web.StreamResponse:
        raise RuntimeError("nobody expects this")

    server = Listener(explode, Gate(Capacity(connections=1), lambda _: None))
    line, transport = server(), Transport()
    line.connection_made(transport)
    line.data_received(REQUEST + b"{}")
    await turns()
    assert transport.written.startswith(b"HTTP/1.1 500 ")
    assert b"com.amazon.coral.service#InternalFailure" in transport.written
    assert b"nobody expects" not in transport.written
    assert [entry["event"] for entry in logs] == ["request_failed"]
    line.connection_lost(None)
    await turns()
