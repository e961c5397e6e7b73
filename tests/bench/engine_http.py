"""A load generator's client: hand-made HTTP over kept-alive sockets, so that the server under test is the costly side.

A boto client costs 5 to 20 times what the server does (spec/swf-long-poll-scale 8). This one costs about 20 µs a call,
speaks to any SWF endpoint, and looks to it like a signed request of the same size.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import orjson

CALL_DEADLINE_S = 60.0
POLL_DEADLINE_S = 75.0

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, operation: str, status: int, body: bytes) -> None:
        super().__init__(f"{operation}: HTTP {status}: {body[:300]!r}")
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Answer:
    """``at`` is the monotonic time at which the answer was complete."""

    status: int
    body: bytes
    at: float


class Connection(asyncio.Protocol):
    """One kept-alive connection; answers come in the order of requests."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for future in self._waiting:
            if not future.done():
                future.set_exception(ConnectionResetError(f"The server closed the connection: {error}"))
        self._waiting.clear()

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> asyncio.Future[Answer]:
        """Write ``request``; the future is its answer, or raises ``ConnectionResetError``."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(ConnectionResetError("Not connected"))
            return future
        self._waiting.append(future)
        self._transport.write(request)
        return future

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while self._waiting and (answer := self._next_answer()) is not None:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(answer)

    def _next_answer(self) -> Answer | None:
        head, found, rest = self._buffer.partition(_HEAD_END)
        if not found:
            return None
        status = int(head[9:12])
        lowered = head.lower()
        start = lowered.find(_LENGTH)
        length = int(lowered[start + len(_LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        if b"connection: close" in lowered and self._transport is not None:
            self._transport.close()
        return Answer(status, rest[:length], time.monotonic())


class Client:
    """Calls one endpoint as one account, over one connection that is made anew when the server closes it."""

    def __init__(self, url: str, account: str = "111122223333") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._connection: Connection | None = None
        self._heads: dict[str, bytes] = {}
        self._common = (
            f"Host: {parts.netloc}\r\n"
            "Accept-Encoding: identity\r\n"
            "User-Agent: Boto3/1.43.117 md/Botocore#1.43.117 ua/2.0 os/linux lang/python#3.11.7\r\n"
            "Content-Type: application/x-amz-json-1.0\r\n"
            "X-Amz-Date: 20260131T120000Z\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={account}/20260131/us-east-1/swf/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
            f"Signature={'0' * 64}\r\n"
        )

    def encode(self, operation: str, params: Mapping[str, Any]) -> bytes:
        """The whole request, ready to be sent any number of times."""
        body = orjson.dumps(params)
        head = self._heads.get(operation)
        if head is None:
            target = f"POST / HTTP/1.1\r\n{self._common}X-Amz-Target: SimpleWorkflowService.{operation}\r\n"
            head = self._heads[operation] = target.encode() + b"Content-Length: "
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    async def connect(self) -> Connection:
        """The connection, made if there is none."""
        if self._connection is None or not self._connection.open:
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(Connection, self._host, self._port)
        return self._connection

    async def send(self, request: bytes, deadline_s: float = CALL_DEADLINE_S) -> Answer:
        """Raises ``TimeoutError``, and ``ConnectionResetError`` when the server closes before it answers."""
        connection = await self.connect()
        async with asyncio.timeout(deadline_s):
            return await connection.send(request)

    async def call(self, operation: str, /, *, deadline_s: float = CALL_DEADLINE_S, **params: Any) -> Any:
        """The decoded answer (None for a void one). Raises :class:`Refused`."""
        answer = await self.send(self.encode(operation, params), deadline_s)
        if answer.status != 200:
            raise Refused(operation, answer.status, answer.body)
        return orjson.loads(answer.body) if answer.body else None

    async def poll(self, kind: str, domain: str, task_list: str, **params: Any) -> Any:
        """A decision or activity task (``kind``: ``Decision`` or ``Activity``), or None at the end of the hold."""
        task = await self.call(
            f"PollFor{kind}Task", deadline_s=POLL_DEADLINE_S, domain=domain, taskList={"name": task_list}, **params
        )
        return task if task and task.get("taskToken") else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
