"""The limit: a bare asyncio protocol that answers HTTP requests with a body of fixed size; prints its URL."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"x-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\nContent-Length: %d\r\n\r\n"
)
_END = b"\r\n\r\n"
_LENGTH = b"Content-Length: "


class Echo(asyncio.Protocol):
    """Reads each request by its length and looks no further."""

    answer = b""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(_END)) >= 0:
            start = self._buffer.find(_LENGTH, 0, end)
            length = int(self._buffer[start + len(_LENGTH) : end].split(b"\r\n", 1)[0])
            whole = end + len(_END) + length
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._transport.write(self.answer)


async def main(answer_bytes: int) -> None:
    Echo.answer = _HEAD % answer_bytes + b"x" * answer_bytes
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
