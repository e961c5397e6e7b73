"""aiohttp's server connection with limits, and with our protocol's own words for bytes that are no HTTP.

Parked polls are why: whoever sends another request behind one breaks the protocol and loses the connection
(spec/swf-long-poll-scale 6.4), and thousands of silent or slow peers must cost nothing (6.8).
``tests/unit/engine/wire/test_connection.py`` pins what this takes from aiohttp's insides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import http_exceptions, web
from aiohttp.streams import StreamReader

from elbflow_engine.wire import gate, protocol

log = structlog.get_logger()

KEEPALIVE_S = 75.0
LINGER_S = 2.0
READ_AHEAD_BYTES = 65536
"""Body bytes that wait for their reader before a connection is no longer read from: half of them."""

_LINE_ENDS = b"\r\n"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """One client's connection. While :attr:`parked` is set it may send nothing but stray line ends."""

    __slots__ = ("_answered", "_body", "_entered", "_gate", "_late", "held_bytes", "parked")

    def __init__(self, server: Listener, watch: gate.Gate, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGER_S,
            read_bufsize=READ_AHEAD_BYTES,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None for "none"
            logger=_HttpLog(),  # type: ignore[arg-type]  # the three methods aiohttp calls
        )
        self._gate = watch
        self._body: StreamReader | None = None
        self._answered: StreamReader | None = None
        self._entered = False
        self._late = False
        self.held_bytes = 0
        self.parked = False

    @property
    def receiving(self) -> bool:
        return self._awaits_head or (self._body is not None and not self._body.is_eof())

    @property
    def _awaits_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    @property
    def surplus(self) -> bool:
        """Whether its requests must be turned away: it came when the server was full, and the server still is."""
        return self._late and self._gate.crowded

    @property
    def pipelined(self) -> bool:
        """Whether another request waits behind the one that is served."""
        return bool(self._messages)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._entered = self._gate.enter(self)
        if self._entered:
            self._late = self._gate.crowded
            super().connection_made(transport)
        elif isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    def connection_lost(self, error: BaseException | None) -> None:
        if self._entered:
            self._entered = False
            self._gate.leave(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self.parked and data.strip(_LINE_ENDS):
            self._gate.close(self, "pipelined_behind_poll")
            return
        heads = self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._body = self._messages[-1][1]
            self._gate.head_done(self)
        elif data and self._awaits_head:
            self._gate.head_began(self)
        elif self._body is self._answered:
            return  # the rest of a body that nobody reads any more
        if data and self._entered:
            self._gate.received(self, len(data))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._gate.unread(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._gate.read(self)

    def settled(self, body: StreamReader) -> None:
        """The request with this body was answered or parked: what it brought along is no longer in flight."""
        self._answered = body
        self._gate.settled(self)

    def intruded(self) -> None:
        """A request stands behind a poll: hang up on both."""
        self._gate.close(self, "pipelined_behind_poll")

    def hang_up(self) -> None:
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def overloaded(self) -> None:
        if self.transport is not None:
            self.transport.write(protocol.BUSY)
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to bytes that are no HTTP (400), or to an error that nobody expected (500); closes."""
        if status < 500:
            log.info("malformed_http", error=type(exc).__name__)
            refused = protocol.Refused("SerializationException", "The request is not valid HTTP")
        else:
            log.error("request_failed", exc_info=exc)
            refused = protocol.internal_failure()
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has already begun")
        response = web.Response(body=protocol.error_body(refused), status=protocol.status_of(refused.code))
        response.headers["Content-Type"] = protocol.JSON_1_0
        response.force_close()
        return response


class Listener(web.Server):
    """aiohttp's server whose connections are :class:`Connection`.

    Cancels the handler of a connection that is lost: a parked poll learns of its client's end that way.
    """

    def __init__(self, handler: Handler, watch: gate.Gate) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._watch = watch

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self._watch, self._loop)


class _HttpLog:
    """aiohttp's logger. Anybody can send bytes that are no HTTP: that is one line, not a traceback, and never a part
    of the request, which may hold a signature."""

    def debug(self, message: str, *arguments: object, **_: object) -> None:
        log.debug("http", detail=message % arguments)

    def warning(self, message: str, *arguments: object, **_: object) -> None:
        log.warning("http", detail=message % arguments)

    def exception(self, message: str, *arguments: object, exc_info: BaseException | None = None) -> None:
        if isinstance(exc_info, http_exceptions.HttpProcessingError | web.RequestPayloadError):
            log.info("malformed_http", error=type(exc_info).__name__)
        else:
            log.error("http_failed", detail=message % arguments, exc_info=exc_info)
