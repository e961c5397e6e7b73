"""Bytes to requests and answers to bytes, on a transport that only writes down what is done to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from elbflow_engine.wire import Capacity, Connection, Gate, Listener
from elbflow_engine.wire.connection import MAX_HEAD_BYTES, MOST_AHEAD
from elbflow_engine.wire.messages import Answer, Request

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.aborted = False
        self.ended = False
        self.paused = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Rig:
    def __init__(self, **capacity: Any) -> None:
        self.gate = Gate(Capacity(**capacity), lambda _: None)
        self.requests: list[Request] = []
        self.answer = asyncio.Event()
        self.cancelled = 0
        self.listener = Listener(self._handle, self.gate)

    async def _handle(self, request: Request, line: Connection) -> Answer:
        self.requests.append(request)
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            line.settled()
        return Answer(b"done %d" % len(self.requests))

    def connect(self) -> tuple[Connection, Transport]:
        line, transport = self.listener(), Transport()
        line.connection_made(transport)
        return line, transport


@pytest.fixture
async def rig() -> Rig:
    return Rig(connections=2)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_request_in_pieces_is_waited_for_until_it_is_whole(rig: Rig) -> None:
    line, transport = rig.connect()
    assert len(rig.gate._heads) == 1
    line.data_received(REQUEST[:20])
    assert (len(rig.gate._heads), line.receiving) == (1, True)
    line.data_received(REQUEST[20:])
    assert (len(rig.gate._heads), len(rig.gate._bodies), line.receiving) == (0, 1, True)
    line.data_received(b"{")
    await turns()
    assert (rig.requests, line.held_bytes) == ([], len(REQUEST) + 1)
    line.data_received(b"}")
    assert (len(rig.gate._bodies), line.receiving) == (0, False)
    await turns()
    assert (rig.requests[0].method, rig.requests[0].body, rig.requests[0].header("host")) == ("POST", b"{}", "x")
    rig.answer.set()
    await turns()
    assert transport.written.endswith(b"\r\n\r\ndone 1")
    assert (rig.gate.bytes_in_flight, len(rig.gate._idle)) == (0, 1)
    line.data_received(b"P")
    assert (len(rig.gate._heads), len(rig.gate._idle), line.receiving) == (1, 0, True)
    line.connection_lost(None)
    assert (len(rig.gate._heads), rig.gate.connections) == (0, 0)


async def test_of_headers_with_one_name_the_first_counts_and_a_signature_covers_all(rig: Rig) -> None:
    line, _ = rig.connect()
    line.data_received(REQUEST.replace(b"Host: x", b"Host: x\r\nX-Some: 1\r\nx-some: 2") + b"{}")
    await turns()
    (request,) = rig.requests
    assert request.header("x-some") == "1"
    assert request.signed().headers == [("Host", "x"), ("X-Some", "1"), ("x-some", "2"), ("Content-Length", "2")]


@pytest.mark.parametrize(("version", "told"), [(b"HTTP/1.1", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.0", b"")])
async def test_only_clients_that_know_informational_answers_get_one(rig: Rig, version: bytes, told: bytes) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST.replace(b"HTTP/1.1", version).replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"))
    assert transport.written == told


async def test_requests_in_a_row_are_answered_in_their_order(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received((REQUEST + b"{}") * 3)
    await turns()
    assert (len(rig.requests), line.pipelined) == (1, True)
    rig.answer.set()
    await turns()
    assert [transport.written.index(b"done %d" % number) for number in (1, 2, 3)] == sorted(
        transport.written.index(b"done %d" % number) for number in (1, 2, 3)
    )
    assert not line.pipelined
    line.connection_lost(None)


async def test_whoever_sends_far_ahead_is_not_read_for_a_while(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received((REQUEST + b"{}") * (MOST_AHEAD + 1))
    assert transport.paused
    rig.answer.set()
    async with asyncio.timeout(5):
        while len(rig.requests) <= MOST_AHEAD:
            await asyncio.sleep(0)
    assert not transport.paused
    line.connection_lost(None)


async def test_a_body_too_large_is_refused_at_its_announcement_and_the_rest_thrown_away(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST.replace(b": 2", b": 1048577"))
    await turns()
    assert transport.written.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in transport.written
    assert (transport.ended, transport.closed) == (True, False)
    line.data_received(bytes(5000))
    assert (rig.gate.bytes_in_flight, rig.requests) == (len(REQUEST) + 6, [])
    line.connection_lost(None)
    assert rig.gate.bytes_in_flight == 0


async def test_a_head_without_end_is_refused(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST[:-2] + b"X-Long: ")
    for _ in range(MAX_HEAD_BYTES // 1024 + 1):
        line.data_received(b"y" * 1024)
    await turns()
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert b"#SerializationException" in transport.written
    line.connection_lost(None)


async def test_a_request_behind_a_parked_poll_ends_the_connection(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST + b"{}")
    await turns()
    assert not line.pipelined
    line.parked = True
    line.data_received(b"\r\n")
    assert not transport.is_closing()
    line.data_received(b"x")
    assert transport.aborted
    assert not line.is_connected()
    line.connection_lost(None)
    await turns()
    assert (len(rig.requests), rig.cancelled) == (1, 1)


async def test_a_lost_connection_cancels_its_handler(rig: Rig) -> None:
    line, _ = rig.connect()
    line.data_received(REQUEST + b"{}")
    await turns()
    line.connection_lost(None)
    await turns()
    assert rig.cancelled == 1


async def test_one_connection_too_many_is_closed_at_once(rig: Rig) -> None:
    rig.connect()
    rig.connect()
    line, transport = rig.connect()
    assert transport.aborted
    line.data_received(REQUEST + b"{}")
    await turns()
    assert rig.requests == []
    line.connection_lost(None)
    assert rig.gate.connections == 2


async def test_an_overloaded_engine_answers_before_it_hangs_up(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST)
    line.overloaded()
    await turns()
    head, _, body = transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Connection: close" in head
    assert b"#ServiceUnavailable" in body
    assert f"Content-Length: {len(body)}".encode() in head
    assert transport.ended
    line.connection_lost(None)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"Connection: close"),
        (b"POST / HTTP/1.0\r\n\r\n", b"Connection: close"),
        (b"POST / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"Connection: keep-alive"),
    ],
)
async def test_connections_are_kept_or_closed_as_the_client_wishes(rig: Rig, head: bytes, told: bytes) -> None:
    rig.answer.set()
    line, transport = rig.connect()
    line.data_received(head)
    await turns()
    assert told in transport.written
    assert transport.closed == told.endswith(b"close")
    line.connection_lost(None)


async def test_an_error_of_a_handler_is_an_internal_failure_in_the_protocol(logs: list[Any]) -> None:
    async def explode(_request: Request, _line: Connection) -> Answer:
        raise RuntimeError("nobody expects this")

    line, transport = Listener(explode, Gate(Capacity(connections=1), lambda _: None))(), Transport()
    line.connection_made(transport)
    line.data_received(REQUEST + b"{}")
    await turns()
    assert transport.written.startswith(b"HTTP/1.1 500 ")
    assert b"com.amazon.coral.service#InternalFailure" in transport.written
    assert b"nobody expects" not in transport.written
    assert [entry["event"] for entry in logs] == ["request_failed"]
    line.connection_lost(None)


async def test_whoever_waits_for_an_answer_to_be_taken_learns_that_its_client_is_gone(rig: Rig) -> None:
    line, _ = rig.connect()
    await line.drained()
    line.pause_writing()
    waiting = asyncio.create_task(line.drained())
    await turns()
    line.connection_lost(None)
    with pytest.raises(ConnectionError):
        await waiting


async def test_an_upgrade_is_refused_once(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n{}")
    await turns()
    assert (transport.written.count(b"HTTP/1.1 400 "), rig.requests) == (1, [])
    line.connection_lost(None)


async def test_who_takes_no_answers_gets_no_more_of_them(rig: Rig) -> None:
    rig.answer.set()
    line, transport = rig.connect()
    line.pause_writing()
    line.data_received((REQUEST + b"{}") * 3)
    await turns()
    assert len(rig.requests) == 1
    line.resume_writing()
    await turns()
    assert transport.written.count(b"done") == 3
    line.connection_lost(None)


async def test_an_overloaded_engine_first_finishes_what_it_serves(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received(REQUEST + b"{}" + REQUEST)
    await turns()
    line.overloaded()
    await turns()
    assert transport.written == b""
    rig.answer.set()
    await turns()
    assert transport.written.index(b"done 1") < transport.written.index(b"HTTP/1.1 503 ")
    assert not line.busy
    line.connection_lost(None)


async def test_bytes_of_later_requests_stay_in_flight(rig: Rig) -> None:
    rig.answer.set()
    line, _ = rig.connect()
    line.data_received(REQUEST + b"{}" + REQUEST.replace(b": 2", b": 60000") + bytes(50_000))
    await turns()
    assert (len(rig.requests), rig.gate.bytes_in_flight) == (1, 50_000)
    line.connection_lost(None)
    assert rig.gate.bytes_in_flight == 0


async def test_a_head_is_not_too_long_because_of_what_came_before_it(rig: Rig) -> None:
    rig.answer.set()
    line, transport = rig.connect()
    line.data_received(REQUEST.replace(b": 2", b": 60000") + bytes(60_000) + REQUEST[:20])
    line.data_received(REQUEST[20:] + b"{}")
    await turns()
    assert transport.written.count(b"HTTP/1.1 200 ") == 2
    line.connection_lost(None)


async def test_trailers_are_no_headers(rig: Rig) -> None:
    line, _ = rig.connect()
    line.data_received(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Amz-Target: x\r\n\r\n")
    await turns()
    assert (rig.requests[0].body, rig.requests[0].header("x-amz-target")) == (b"{}", None)
    line.connection_lost(None)


async def test_nothing_behind_the_last_answer_is_carried_out(rig: Rig) -> None:
    line, transport = rig.connect()
    line.data_received((REQUEST + b"{}") * 3)
    await turns()
    line.retire()
    rig.answer.set()
    await turns()
    assert (len(rig.requests), transport.written.count(b"HTTP/1.1 "), transport.closed) == (1, 1, True)
    line.connection_lost(None)


async def test_every_body_has_its_own_time(rig: Rig) -> None:
    rig.answer.set()
    line, _ = rig.connect()
    line.data_received(REQUEST + b"{")
    before = rig.gate._bodies._deadlines[line]
    await asyncio.sleep(0.01)
    line.data_received(b"}" + REQUEST + b"{")
    assert rig.gate._bodies._deadlines[line] > before
    line.connection_lost(None)
    await turns()
