"""Requests written byte by byte, for what no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from tests.integration.engine.rig import DOMAIN, LIST

LISTING = {"registrationStatus": "REGISTERED"}


def request(operation: str, body: Any, *headers: str) -> bytes:
    """A whole request; ``headers`` are added lines."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["POST / HTTP/1.1", "Host: x", f"X-Amz-Target: SimpleWorkflowService.{operation}", *headers]
    lines.append(f"Content-Length: {len(raw)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def poll(task_list: dict[str, str] = LIST) -> bytes:
    return request("PollForDecisionTask", {"domain": DOMAIN, "taskList": task_list})


def listing() -> bytes:
    return request("ListDomains", LISTING)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["__type"].partition("#")[2])


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, within_s: float = 5.0) -> Reply:
        async with asyncio.timeout(within_s):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            body = await self._reader.readexactly(int(headers.get("Content-Length", 0)))
        return Reply(int(head[0].split()[1]), headers, body)

    async def closed(self, within_s: float = 5.0) -> bytes:
        """Wait until the server has closed; what it sent before."""
        async with asyncio.timeout(within_s):
            with contextlib.suppress(ConnectionError):
                return await self._reader.read()
        return b""


@contextlib.asynccontextmanager
async def connect(url: str) -> AsyncIterator[Line]:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
