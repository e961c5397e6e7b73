"""Real back ends that cost next to nothing: one answer, kept-alive or not, from a bare protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

from elbflow_standalone.demo import backends

PORT = backends.PORT
_END_OF_HEAD = b"\r\n\r\n"


class _Answerer(asyncio.Protocol):
    """Answers every request without a body by the name of the instance."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._unread = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *requests, self._unread = (self._unread + data).split(_END_OF_HEAD)
        self._transport.write(self._answer * len(requests))


@contextlib.asynccontextmanager
async def serving(network: str, count: int) -> AsyncIterator[list[str]]:
    """``count`` back ends at the end of the stack's loopback network; gives their addresses."""
    loop = asyncio.get_running_loop()
    addresses = [backends.address_in(network, number) for number in range(1, count + 1)]
    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            body = address.encode()
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            server = await loop.create_server(lambda answer=answer: _Answerer(answer), address, PORT)  # type: ignore[misc]
            stack.callback(server.close)
        yield addresses
