"""The tour's clients must see every failure; these tests give them some."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from elbflow_standalone.demo import traffic

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nX-Backend: i-1\r\nContent-Length: 2\r\n%s\r\nhi"


@asynccontextmanager
async def _serving(answer: bytes, *, answers: int = 1_000_000) -> AsyncIterator[int]:
    """A server that sends ``answer`` for each request and closes after ``answers`` of them."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError), contextlib.closing(writer):  # the client went away
            for _ in range(answers):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_requests_are_counted_by_backend() -> None:
    async with _serving(OK % b"") as port:
        tally = await traffic.send("127.0.0.1", port, clients=2, requests_each=5)
    assert tally.by_backend == {"i-1": 10}
    assert tally.failures == []


async def test_connection_close_is_obeyed_and_no_failure() -> None:
    async with _serving(OK % b"Connection: close\r\n", answers=1) as port:
        tally = await traffic.send("127.0.0.1", port, clients=1, requests_each=3)
    assert tally.by_backend.total() == 3


async def test_unannounced_close_is_a_failure() -> None:
    async with _serving(OK % b"", answers=1) as port:
        tally = await traffic.send("127.0.0.1", port, clients=1, requests_each=2)
    assert tally.by_backend.total() == 1
    assert len(tally.failures) == 1


async def test_error_status_is_a_failure() -> None:
    async with _serving(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") as port:
        tally = await traffic.send("127.0.0.1", port, clients=1, requests_each=1)
    assert tally.failures == ["status 503"]


async def test_flowing_clients_stop_with_the_block() -> None:
    async with _serving(OK % b"") as port:
        async with traffic.flowing("127.0.0.1", port, clients=3) as tally:
            await asyncio.sleep(0.1)
        counted = tally.requests
        await asyncio.sleep(0.05)
    assert counted > 3
    assert tally.requests == counted
