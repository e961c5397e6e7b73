"""Answers every request with the bytes that a test gives it, so that answers can be broken in any way."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the wire. ``then`` is what follows: nothing (``keep``), ``close``, ``reset`` or ``hang``."""

    data: bytes
    then: str = "keep"


def http(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, length: int | None = None
) -> Wire:
    """An answer with a date that never changes, so that answers can be compared; ``length`` lies about the body."""
    given = {
        "x-amzn-RequestId": "id-1",
        "Content-Type": "application/x-amz-json-1.0",
        "Date": "Thu, 01 Jan 2015 00:00:00 GMT",
        "Content-Length": str(len(body) if length is None else length),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return Wire(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + body, "keep" if length is None else "close")


@dataclass
class BytesServer:
    """``answer`` is what the next request gets; ``heads`` and ``bodies`` are the requests' parts.

    ``writers`` are those of all connections so far, to say what nobody asked for.
    """

    url: str = ""
    answer: Wire = field(default_factory=lambda: http(200))
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(_END)
                self.heads.append(head)
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                answer = self.answer
                writer.write(answer.data)
                await writer.drain()
                if answer.then == "hang":
                    await reader.read()
                if answer.then == "reset":
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if answer.then != "keep":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client is gone
        finally:
            writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[BytesServer]:
    """On a free port of the running loop."""
    made = BytesServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    made.url = f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}"
    async with server:
        yield made
