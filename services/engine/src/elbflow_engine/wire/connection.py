"""One client's connection: bytes to requests, answers to bytes, with limits of size, number and time.

httptools does the parsing. Thousands of these wait with a parked poll, so a waiting one owns next to nothing
(spec/perf-baselines 3); silent and slow peers cost nothing (spec/swf-long-poll-scale 6.8), and whoever sends another
request behind a parked poll breaks the protocol and loses the connection (6.4).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

import httptools
import structlog

from elbflow_engine.wire import gate, intake, messages, protocol

log = structlog.get_logger()

MAX_HEAD_BYTES = 16 * 1024
MAX_HEADERS = 100
MOST_AHEAD = 64
"""Requests a client may send before it has the answer to the first; the rest stays in the socket."""
LINGER_S = 2.0

_LINE_ENDS = b"\r\n"
_NO_HEADERS = messages.Headers(())
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Handler: TypeAlias = Callable[[messages.Request, "Connection"], Awaitable[messages.Answer | None]]
"""Answers one request, or has sent the answer itself and returns None. Cancelled when the client is gone; after a
``ConnectionError`` it is hung up on."""


class Connection(asyncio.Protocol):
    """While :attr:`parked` is set the client may send nothing but stray line ends.

    The methods that begin with ``on_`` are called by the parser.
    """

    __slots__ = (
        "_begun",
        "_chunks",
        "_closing",
        "_ended",
        "_entered",
        "_fresh",
        "_gate",
        "_handler",
        "_head",
        "_head_bytes",
        "_headers",
        "_in_body",
        "_intake",
        "_late",
        "_parser",
        "_ready",
        "_resumed",
        "_retiring",
        "_size",
        "_target",
        "_task",
        "_transport",
        "held_bytes",
        "parked",
        "patient",
        "unfed",
    )

    def __init__(self, handler: Handler, watch: gate.Gate, into: intake.Intake) -> None:
        self._handler = handler
        self._gate = watch
        self._intake = into
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready: deque[messages.Request | protocol.Refused] | None = None
        self._resumed: asyncio.Future[None] | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head = _NO_HEADERS
        self._chunks: list[bytes] = []
        self._size = 0
        self._head_bytes = 0
        self._begun = self._fresh = self._in_body = self._closing = self._ended = False
        self._entered = self._late = self._retiring = False
        self.held_bytes = 0
        self.parked = False
        self.patient = True
        self.unfed: list[bytes] | None = None

    # What the endpoint asks and does.

    def is_connected(self) -> bool:
        """Whether the client can still be answered."""
        return self._transport is not None and not self._ended and not self._transport.is_closing()

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self._task is not None

    @property
    def surplus(self) -> bool:
        """Whether its requests must be turned away: it came when the server was full, and the server still is."""
        return self._late and self._gate.crowded

    @property
    def pipelined(self) -> bool:
        """Whether another request, or a part of one, stands behind the one that is served."""
        return self._begun or bool(self._ready)

    def settled(self) -> None:
        """The request was answered or parked: what it brought along is no longer in flight, only what came later."""
        later = self._size if self._begun else 0
        if self._ready:
            later += sum(len(request.body) for request in self._ready if isinstance(request, messages.Request))
        self._gate.settled(self, later)

    def intruded(self) -> None:
        """A request stands behind a poll: hang up on both."""
        self._gate.close(self, "pipelined_behind_poll")

    def send(self, answer: messages.Answer, request: messages.Request) -> None:
        """Write ``answer`` in one piece. Raises ``ConnectionError`` when the client is gone."""
        if self._transport is None or not self.is_connected():
            raise ConnectionResetError("The client went away")
        if self._retiring or not request.keeps_alive:
            answer.close = True
        self._transport.write(answer.encode(request))
        if answer.close:
            self._end(linger=self._begun)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent; raises ``ConnectionError`` when it is gone first."""
        if self._resumed is not None:
            await asyncio.shield(self._resumed)

    # What the gate asks and does.

    @property
    def receiving(self) -> bool:
        return self._begun

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def retire(self) -> None:
        """Close now, or behind the answer that is being made."""
        self._retiring = True
        if not self.busy:
            self._end(linger=False)

    def abandon(self) -> asyncio.Task[None] | None:
        """Hang up; the task that still has to end, if there is one."""
        task = self._task
        if task is not None:
            task.cancel()
        self.hang_up()
        return task

    def overloaded(self) -> None:
        self._refuse(protocol.busy())

    def overdue(self) -> None:
        """The body of a request did not arrive in time."""
        self._refuse(protocol.Refused("RequestTimeoutException", "The body did not arrive in time"))

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)  # uvloop's own are not derived from it
        self._entered = self._gate.enter(self)
        if not self._entered:
            stream.abort()
            return
        self._transport = stream
        self._late = self._gate.crowded

    def connection_lost(self, error: BaseException | None) -> None:
        self._transport = None
        if self._entered:
            self._entered = False
            self._gate.leave(self)
        if self._task is not None:
            self._task.cancel()
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_exception(ConnectionResetError("The client went away"))
            self._resumed.exception()

    def data_received(self, data: bytes) -> None:
        self._intake.take(self, data)

    def feed(self, data: bytes) -> None:
        """Parse bytes that arrived, and begin to answer what is complete."""
        if self._closing or self._transport is None:
            return  # the rest of what nobody reads any more
        if self.parked:
            if data.strip(_LINE_ENDS):
                self.intruded()
            return
        self._fresh = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            log.info("malformed_http", error=type(error).__name__)
            self._refuse(protocol.Refused("SerializationException", "The request is not valid HTTP"))
            return
        if self._begun and not self._in_body and not self._fresh:
            self._head_bytes += len(data)
        if self._begun or self._ready:
            self._gate.idle_over(self)
        self._watch_progress()
        self._gate.received(self, len(data))
        if self._task is None and self._ready and not self._closing:
            self._task = asyncio.get_running_loop().create_task(self._serve(), name="swf-connection")

    def eof_received(self) -> bool:
        """HTTP clients do not half-close: the connection is over (6.4)."""
        return False

    def pause_writing(self) -> None:
        self._resumed = asyncio.get_running_loop().create_future()
        self._gate.unread(self)

    def resume_writing(self) -> None:
        self._gate.read(self)
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)
        self._resumed = None

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._begun, self._fresh, self._in_body = True, True, False
        self._target, self._headers, self._chunks, self._size, self._head_bytes = b"", [], [], 0, 0

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # trailers say nothing that could be believed
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._gate.head_done(self)
        headers = self._head = messages.Headers(self._headers)
        if headers.size > MAX_HEAD_BYTES or len(self._headers) > MAX_HEADERS:
            self._refuse(_head_too_long())
        # The parser let nothing but digits pass, and nothing twice.
        elif int(headers.first.get(b"content-length") or 0) > protocol.MAX_BODY_BYTES:
            self._refuse(protocol.too_large())
        elif (headers.first.get(b"expect") or b"").lower() == b"100-continue":
            self._go_on()

    def on_body(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= protocol.MAX_BODY_BYTES:
            self._chunks.append(chunk)
        else:
            self._refuse(protocol.too_large())

    def on_message_complete(self) -> None:
        self._begun = self._in_body = False
        self._gate.body_done(self)
        if self._parser.should_upgrade():
            return  # the parser raises what follows
        request = messages.Request(
            self._parser.get_method().decode(),
            self._target.decode("utf-8", "surrogateescape"),
            self._head,
            b"".join(self._chunks),
            keeps_alive=self._parser.should_keep_alive(),
            old=self._parser.get_http_version() == "1.0",
        )
        self._head, self._headers, self._chunks = _NO_HEADERS, [], []
        self._enqueue(request)

    # Inside.

    async def _serve(self) -> None:
        """Answer the requests that are there, one after the other."""
        while self._ready and not self._ended and self._transport is not None:
            request = self._ready.popleft()
            if len(self._ready) == MOST_AHEAD:
                self._transport.resume_reading()
            if isinstance(request, protocol.Refused):
                self._transport.write(messages.refused(request, close=True).encode())
                self._end(linger=True)
                break
            await self._answer(request)
            if self._resumed is not None:
                try:
                    await self.drained()  # who does not take his answers gets no more of them
                except ConnectionError:
                    break
        self._ready = None
        self._task = None
        if not self._closing and self._transport is not None and not self._begun:
            self._gate.idle(self)

    async def _answer(self, request: messages.Request) -> None:
        try:
            answer = await self._handler(request, self)
        except ConnectionError:
            self.hang_up()
            return
        except Exception as error:
            log.error("request_failed", exc_info=error)
            answer = messages.refused(protocol.internal_failure(), close=True)
        if answer is not None and self.is_connected():
            self.send(answer, request)

    def _go_on(self) -> None:
        """The client waits for a word before it sends the body."""
        first = self._task is None and not self._ready
        if first and self._transport is not None and self._parser.get_http_version() != "1.0":
            self._transport.write(_CONTINUE)

    def _enqueue(self, what: messages.Request | protocol.Refused) -> None:
        if self._closing:
            return
        if self._ready is None:
            self._ready = deque()
        self._ready.append(what)
        if len(self._ready) == MOST_AHEAD + 1 and self._transport is not None:
            self._transport.pause_reading()

    def _refuse(self, refusal: protocol.Refused) -> None:
        """Answer ``refusal`` after what came before it; read nothing any more."""
        if self._closing:
            return
        self._enqueue(refusal)
        self._closing = True
        self._gate.head_done(self)
        self._gate.body_done(self)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._serve(), name="swf-connection")

    def _watch_progress(self) -> None:
        """Tell the gate what is waited for: the rest of a head, the rest of a body, or nothing."""
        if self._begun and not self._closing:
            if self._in_body:
                self._gate.body_began(self)
            elif self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_head_too_long())
            else:
                self._gate.head_began(self)

    def _end(self, *, linger: bool) -> None:
        """Close once everything is sent. With ``linger`` what still comes in is thrown away for a moment, because a
        close with unread bytes would destroy the answer on its way."""
        self._closing = self._ended = True
        transport = self._transport
        if transport is None:
            return
        if linger and transport.can_write_eof():
            transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, transport.close)
        else:
            transport.close()


def _head_too_long() -> protocol.Refused:
    return protocol.Refused("SerializationException", "The head of the request is too long")
