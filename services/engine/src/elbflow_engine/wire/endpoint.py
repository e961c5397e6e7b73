"""One HTTP request from framing to answer, in the order of checks of spec/swf-semantics 1.4."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp import web

from elbflow import service
from elbflow_engine import core, driver, meters, polls
from elbflow_engine.wire import admission, protocol, shapes

log = structlog.get_logger()

_POLLS = frozenset({"PollForDecisionTask", "PollForActivityTask"})
BODY_DEADLINE_S = 30.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class _Exchange:
    """What is known so far about one request and its answer."""

    request: web.BaseRequest
    began: float
    operation: str = "unknown"
    account: str = ""
    waited_s: float = 0.0
    code: str = "200"


class Endpoint:
    """Serves SWF requests on any path. :meth:`handle` is an aiohttp low-level handler.

    It must run under a server with ``handler_cancellation``: a parked poll learns of its client's end by being
    cancelled (spec/swf-long-poll-scale 6.4).
    """

    def __init__(
        self,
        engine: driver.Driver,
        parked: polls.Polls,
        authenticator: service.Authenticator,
        inputs: shapes.Inputs,
        admitted: admission.Admission,
        meter: meters.Meters,
    ) -> None:
        self._driver = engine
        self._polls = parked
        self._authenticator = authenticator
        self._inputs = inputs
        self._admission = admitted
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        self._active = 0
        self._activity = asyncio.Event()

    async def quiet(self, idle_s: float) -> None:
        """Return once nothing but parked polls was served for ``idle_s`` seconds. Bound it with a timeout."""
        quiet = False
        while not quiet or self._active > self._polls.parked:
            self._activity.clear()
            quiet = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._activity.wait()
                    quiet = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises only cancellation."""
        exchange = _Exchange(request, self._loop.time())
        self._active += 1
        self._activity.set()
        try:
            return await self._answer(exchange)
        finally:
            self._active -= 1
            self._activity.set()
            seconds = self._loop.time() - exchange.began - exchange.waited_s
            self._meter.answered(exchange.operation, exchange.code, seconds)

    async def _answer(self, exchange: _Exchange) -> web.StreamResponse:
        try:
            params = await self._accept(exchange)
            if exchange.operation in _POLLS and not params.get("nextPageToken"):
                return await self._answer_poll(exchange, params)
            body = await self._driver.call(exchange.account, exchange.operation, params)
        except asyncio.CancelledError:
            exchange.code = "disconnect"
            raise
        except ConnectionError:
            # aiohttp meets the same error when it sends this, and closes the connection without a fuss.
            exchange.code = "disconnect"
            return self._response(exchange, b"")
        except Exception as error:
            return self._refuse(exchange, error)
        return self._response(exchange, body)

    async def _accept(self, exchange: _Exchange) -> core.Object:
        """Everything before the core: framing, target, authentication, request rate, shape."""
        request = exchange.request
        if request.method != "POST":
            raise protocol.Refused("UnknownOperationException", f"{request.method} is not supported: use POST")
        protocol.check_encoding(request.headers.get("Content-Encoding"))
        raw = await _read(request)
        body = protocol.parse(raw)
        operation = protocol.operation_of(request.headers.get("X-Amz-Target"), self._inputs.operations)
        exchange.operation = operation
        identity = await self._authenticator.verify(service.from_aiohttp(request, raw))
        exchange.account = identity.account
        if not self._admission.admit(identity.account, operation, self._loop.time()):
            raise protocol.Refused("ThrottlingException", "Rate exceeded")
        return self._inputs.read(operation, body)

    async def _answer_poll(self, exchange: _Exchange, params: core.Object) -> web.StreamResponse:
        """Wait, then write the answer here: only who writes it knows whether it left."""
        request = exchange.request
        outcome = await self._polls.poll(exchange.account, exchange.operation, params, lambda: _connected(request))
        exchange.waited_s = outcome.waited_s
        if outcome.started is None:
            return self._response(exchange, core.render(core.empty_poll(exchange.operation)))
        try:
            response = self._response(exchange, _render(outcome.started))
            if not _connected(request):
                raise ConnectionResetError("The client went away")
            await response.prepare(request)
            await response.write_eof()
        except BaseException:
            self._meter.poll_ended("disconnect")
            self._polls.take_back(outcome)
            raise
        self._meter.poll_ended("task")
        self._meter.handed_off(self._loop.time() - outcome.met)
        return response

    def _refuse(self, exchange: _Exchange, error: Exception) -> web.Response:
        refused = protocol.refusal(error)
        if refused is None:
            log.error("request_failed", operation=exchange.operation, exc_info=error)
            refused = protocol.Refused("InternalFailure", "The request failed because of an internal error")
        exchange.code = refused.code
        response = self._response(exchange, protocol.error_body(refused), status=protocol.status_of(refused.code))
        if not exchange.request.content.is_eof():
            response.force_close()
        return response

    def _response(self, exchange: _Exchange, body: bytes, status: int = 200) -> web.Response:
        headers: Mapping[str, str] = {
            "Content-Type": protocol.content_type_of(exchange.request.headers.get("Content-Type")),
            "x-amzn-RequestId": str(uuid.uuid4()),
            "x-swf-capabilities": protocol.CAPABILITIES,
        }
        response = web.Response(body=body, status=status, headers=headers)
        if self._polls.draining:
            response.force_close()
        return response


async def _read(request: web.BaseRequest) -> bytes:
    """The body, up to the limits of size and time. Raises :class:`protocol.Refused`."""
    if (request.content_length or 0) > protocol.MAX_BODY_BYTES:
        raise protocol.too_large()
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(_CONTINUE)
    if request.content.is_eof():
        return request.content.read_nowait()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return await _collect(request.content)
    except TimeoutError as error:
        raise protocol.Refused("RequestTimeoutException", "The body did not arrive in time") from error
    except web.RequestPayloadError as error:
        raise protocol.Refused("SerializationException", f"The body is not valid HTTP: {error}") from error


async def _collect(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > protocol.MAX_BODY_BYTES:
            raise protocol.too_large()
    return bytes(body)


def _render(started: core.Transition) -> bytes:
    assert not isinstance(started.result, core.HistoryWindow), "only closed executions are read from the journal"
    return core.render(started.result)


def _connected(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is not None and not transport.is_closing()
