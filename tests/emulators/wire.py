"""HTTP for emulated servers: requests come whole, answers go out in one write, a connection carries one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import httptools
import orjson

_REASONS = {200: b"OK", 400: b"Bad Request", 500: b"Internal Server Error", 503: b"Service Unavailable"}
_HEAD = b"HTTP/1.1 %d %b\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"


class Request:
    """One request; ``target`` is the operation of ``X-Amz-Target``, or empty."""

    __slots__ = ("body", "connection", "path", "target")

    def __init__(self, connection: Connection, path: str, target: str, body: bytes) -> None:
        self.connection = connection
        self.path = path
        self.target = target
        self.body = body

    def members(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body) if self.body else {}
        return found

    def answer(self, members: Mapping[str, Any] | None = None, status: int = 200) -> bool:
        """Send the answer; False when nobody is there to get it. ``None`` is an empty body."""
        body = b"" if members is None else orjson.dumps(members)
        return self.connection.write(_HEAD % (status, _REASONS[status], len(body)) + body)

    def fault(self, code: str, message: str, status: int = 400) -> bool:
        """Answer with a modelled error."""
        return self.answer({"__type": f"com.amazonaws.swf.base.model#{code}", "message": message}, status)


class Connection(asyncio.Protocol):
    """One client's connection. ``on_lost`` is set by whoever wants to know when it goes away."""

    def __init__(self, serve: Callable[[Request], None]) -> None:
        self._serve = serve
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path = self._target = ""
        self._body = b""
        self.on_lost: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def write(self, data: bytes) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._path = self._target = ""
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-amz-target":
            self._target = value.decode().rpartition(".")[2]

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._serve(Request(self, self._path, self._target, self._body))


async def listen(serve: Callable[[Request], None]) -> tuple[asyncio.Server, str]:
    """A server on a free loopback port, and its URL. Its queue of connections is long: thousands come at once."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(serve), "127.0.0.1", 0, backlog=4096)
    host, port = server.sockets[0].getsockname()[:2]
    return server, f"http://{host}:{port}"
