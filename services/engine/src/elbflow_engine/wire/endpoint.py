"""One HTTP request from framing to answer, in the order of checks of spec/swf-semantics 1.4."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web

from elbflow import service
from elbflow_engine import core, driver, meters, pages, polls
from elbflow_engine.wire import admission, bodies, callers, connection, doorway, hints, protocol, shapes

log = structlog.get_logger()

_POLLS = frozenset({"PollForDecisionTask", "PollForActivityTask"})
_DECIDES = "RespondDecisionTaskCompleted"
_NOTHING: Mapping[str, str] = {}


@dataclass(slots=True)
class _Exchange:
    """What is known so far about one request and its answer."""

    request: web.BaseRequest
    began: float
    held: pages.Held
    operation: str = "unknown"
    owner: str = ""
    waited_s: float = 0.0
    code: str = "200"


class Endpoint:
    """Serves SWF requests on any path. :meth:`handle` is the handler of a :class:`connection.Listener`: a parked poll
    learns of its client's end by being cancelled (spec/swf-long-poll-scale 6.4).
    """

    def __init__(
        self,
        engine: driver.Driver,
        parked: polls.Polls,
        known: callers.Callers,
        inputs: shapes.Inputs,
        admitted: admission.Admission,
        meter: meters.Meters,
    ) -> None:
        self._driver = engine
        self._polls = parked
        self._callers = known
        self._inputs = inputs
        self._admission = admitted
        self._meter = meter
        self._scaling = hints.Scaling()
        self.doorway = doorway.Doorway()
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
        exchange = _Exchange(request, meters.instant(), pages.Held(self._driver.pages))
        self._active += 1
        self._activity.set()
        try:
            return await self._answer(exchange)
        finally:
            self._active -= 1
            self._activity.set()
            _connection(request).settled(request.content)
            exchange.held.release()
            self._meter.answered(exchange.operation, exchange.code, exchange.began, exchange.waited_s)

    async def _answer(self, exchange: _Exchange) -> web.StreamResponse:
        try:
            shown = self.doorway.answer(exchange.request)
            if shown is not None:
                exchange.operation, exchange.code = "console", str(shown.status)
                return shown
            caller, params = await self._accept(exchange)
            if exchange.operation in _POLLS and not params.get("nextPageToken"):
                return await self._answer_poll(exchange, params)
            denied = caller.denied_decisions if exchange.operation == _DECIDES else frozenset[str]()
            body = await self._driver.call(caller.owner, exchange.operation, params, denied=denied, held=exchange.held)
            response = self._response(exchange, body)
            if exchange.held.bytes:
                await _write(exchange.request, response)
            return response
        except asyncio.CancelledError:
            exchange.code = "disconnect"
            raise
        except ConnectionError:
            # aiohttp meets the same error when it sends this, and closes the connection without a fuss.
            exchange.code = "disconnect"
            return self._response(exchange, b"")
        except Exception as error:
            return self._refuse(exchange, error)

    async def _accept(self, exchange: _Exchange) -> tuple[callers.Caller, core.Object]:
        """Everything before the core: framing, target, authentication, request rate, shape, permission."""
        request = exchange.request
        if _connection(request).surplus:
            raise protocol.busy()
        if request.method != "POST":
            raise protocol.Refused("UnknownOperationException", f"{request.method} is not supported: use POST")
        raw = await bodies.read(request)
        body = protocol.parse(bodies.decode(raw, request.headers.get("Content-Encoding")))
        operation = protocol.operation_of(request.headers.get("X-Amz-Target"), self._inputs.operations)
        exchange.operation = operation
        caller = await self._callers.identify(service.from_aiohttp(request, raw))
        exchange.owner = caller.owner
        if not self._admission.admit(caller.owner, operation, self._loop.time()):
            raise protocol.Refused("ThrottlingException", "Rate exceeded")
        params = self._inputs.read(operation, body)
        refusal = caller.refusal(operation)
        if refusal is not None:
            core.check(operation, params)
            raise refusal
        return caller, params

    async def _answer_poll(self, exchange: _Exchange, params: core.Object) -> web.StreamResponse:
        """Wait, then write the answer here: only who writes it knows whether it left."""
        request = exchange.request
        outcome = await self._park(exchange, params)
        exchange.waited_s = outcome.waited_s
        try:
            advice = self._hints(exchange, params, outcome.waited_s)
            if outcome.started is None:
                return self._response(exchange, core.render(core.empty_poll(exchange.operation)), advice)
            response = self._response(exchange, await exchange.held.page(_page(outcome.started)), advice)
            if not _connected(request):
                raise ConnectionResetError("The client went away")
            await _write(request, response)
        except BaseException:
            if outcome.started is not None:
                self._meter.poll_ended("disconnect")
                self._polls.take_back(outcome)
            raise
        self._meter.poll_ended("task")
        self._meter.handed_off(outcome.met)
        return response

    async def _park(self, exchange: _Exchange, params: core.Object) -> polls.Outcome:
        """Wait for a task. Meanwhile the connection belongs to the poll alone: a request behind it ends both."""
        request = exchange.request
        line = _connection(request)
        if line.pipelined:
            line.intruded()
            raise ConnectionResetError("A request was sent behind a poll")
        line.settled(request.content)
        line.parked = True
        try:
            return await self._polls.poll(
                exchange.owner,
                exchange.operation,
                params,
                lambda: _connected(request),
                hold_s=hints.hold_s(request.headers.get(hints.MAX_HOLD_HEADER)),
            )
        finally:
            line.parked = False

    def _hints(self, exchange: _Exchange, params: core.Object, waited_s: float) -> Mapping[str, str]:
        """What is left on the list, and whether more or fewer polls would be good."""
        owner, operation = exchange.owner, exchange.operation
        try:
            backlog = hints.Backlog(*self._driver.engine.backlog(owner, operation, params, self._driver.now()))
        except core.Fault:
            return _NOTHING
        task_list = (owner, operation, str(params["domain"]), str(params["taskList"]))
        scale = self._scaling.advice(task_list, waited_s, backlog, self._loop.time())
        told = {hints.BACKLOG_HEADER: str(backlog)}
        return told if scale is None else told | {hints.SCALE_HEADER: f"{scale:+d}" if scale else "0"}

    def _refuse(self, exchange: _Exchange, error: Exception) -> web.Response:
        refused = protocol.refusal(error)
        if refused is None:
            log.error("request_failed", operation=exchange.operation, exc_info=error)
            refused = protocol.internal_failure()
        exchange.code = refused.code
        response = self._response(exchange, protocol.error_body(refused), status=protocol.status_of(refused.code))
        if not exchange.request.content.is_eof() or _connection(exchange.request).surplus:
            response.force_close()
        return response

    def _response(
        self, exchange: _Exchange, body: bytes, extra: Mapping[str, str] = _NOTHING, status: int = 200
    ) -> web.Response:
        headers = {
            "Content-Type": protocol.content_type_of(exchange.request.headers.get("Content-Type")),
            "x-amzn-RequestId": str(uuid.uuid4()),
            "x-swf-capabilities": protocol.CAPABILITIES,
            **extra,
        }
        response = web.Response(body=body, status=status, headers=headers)
        if self._polls.draining:
            response.force_close()
        return response


def _page(started: core.Transition) -> core.Page:
    assert not isinstance(started.result, core.Read), "only closed executions are read from the journal"
    return started.result


async def _write(request: web.BaseRequest, response: web.Response) -> None:
    """Write an answer; a long one must also leave for the client, as far as the gate's patience allows."""
    await response.prepare(request)
    await response.write_eof()
    await request.writer.drain()


def _connected(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is not None and not transport.is_closing()


def _connection(request: web.BaseRequest) -> connection.Connection:
    line = request.protocol
    assert isinstance(line, connection.Connection), "an Endpoint serves a connection.Listener"
    return line
