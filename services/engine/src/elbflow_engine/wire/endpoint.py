"""One HTTP request from framing to answer, in the order of checks of spec/swf-semantics 1.4."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from elbflow_engine import core, driver, meters, pages, polls
from elbflow_engine.wire import admission, bodies, callers, connection, doorway, hints, messages, protocol, shapes

log = structlog.get_logger()

_POLLS = frozenset({"PollForDecisionTask", "PollForActivityTask"})
_DECIDES = "RespondDecisionTaskCompleted"
_NOTHING: Mapping[str, str] = {}
_NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Exchange:
    """What is known so far about one request and its answer."""

    request: messages.Request
    line: connection.Connection
    began: float
    held: pages.Held
    operation: str = "unknown"
    owner: str = ""
    waited_s: float = 0.0
    code: str = "200"


class Endpoint:
    """Serves SWF requests on any path. :meth:`handle` is the handler of a :class:`.listener.Listener`: a parked poll
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
        chance: random.Random,
    ) -> None:
        self._driver = engine
        self._polls = parked
        self._callers = known
        self._inputs = inputs
        self._admission = admitted
        self._meter = meter
        self._scaling = hints.Scaling()
        self._request_ids = messages.RequestIds(chance)
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

    async def handle(self, request: messages.Request, line: connection.Connection) -> messages.Answer | None:
        """Answer one request; None when that was sent already. Raises only cancellation and ``ConnectionError``."""
        exchange = _Exchange(request, line, meters.instant(), pages.Held(self._driver.pages))
        self._active += 1
        self._activity.set()
        try:
            return await self._answer(exchange)
        finally:
            self._active -= 1
            self._activity.set()
            line.settled()
            exchange.held.release()
            self._meter.answered(exchange.operation, exchange.code, exchange.began, exchange.waited_s)

    async def _answer(self, exchange: _Exchange) -> messages.Answer | None:
        try:
            shown = self.doorway.answer(exchange.request)
            if shown is not None:
                exchange.operation, exchange.code = "console", str(shown.status)
                return shown
            exchange.line.patient = False
            caller, params = await self._accept(exchange)
            if exchange.operation in _POLLS and not params.get("nextPageToken"):
                return await self._answer_poll(exchange, params)
            denied = caller.denied_decisions if exchange.operation == _DECIDES else _NOBODY
            body = await self._driver.call(caller.owner, exchange.operation, params, denied=denied, held=exchange.held)
            answer = self._answer_of(exchange, body)
            if exchange.held.bytes:
                await _send_page(exchange, answer)
                return None
            return answer
        except (asyncio.CancelledError, ConnectionError):
            exchange.code = "disconnect"
            raise
        except Exception as error:
            return self._refuse(exchange, error)

    async def _accept(self, exchange: _Exchange) -> tuple[callers.Caller, core.Object]:
        """Everything before the core: framing, target, authentication, request rate, shape, permission."""
        request = exchange.request
        if exchange.line.surplus:
            raise protocol.busy()
        if request.method != "POST":
            raise protocol.Refused("UnknownOperationException", f"{request.method} is not supported: use POST")
        body = protocol.parse(bodies.decode(request.body, request.header("content-encoding")))
        operation = protocol.operation_of(request.header("x-amz-target"), self._inputs.operations)
        exchange.operation = operation
        caller = await self._callers.identify(request.signed())
        exchange.owner = caller.owner
        if not self._admission.admit(caller.owner, operation, self._loop.time()):
            raise protocol.Refused("ThrottlingException", "Rate exceeded")
        params = self._inputs.read(operation, body)
        refusal = caller.refusal(operation)
        if refusal is not None:
            core.check(operation, params)
            raise refusal
        return caller, params

    async def _answer_poll(self, exchange: _Exchange, params: core.Object) -> messages.Answer | None:
        """Wait, then send the answer here: only who sends it knows whether it left."""
        outcome = await self._park(exchange, params)
        exchange.waited_s = outcome.waited_s
        try:
            advice = self._hints(exchange, params, outcome.waited_s)
            if outcome.started is None:
                return self._answer_of(exchange, core.render(core.empty_poll(exchange.operation)), advice)
            answer = self._answer_of(exchange, await exchange.held.page(_page(outcome.started)), advice)
            exchange.line.send(answer, exchange.request)
        except BaseException:
            if outcome.started is not None:
                self._meter.poll_ended("disconnect")
                self._polls.take_back(outcome)
            raise
        self._meter.poll_ended("task")
        self._meter.handed_off(outcome.met)
        if exchange.held.bytes:
            await exchange.line.drained()
        return None

    async def _park(self, exchange: _Exchange, params: core.Object) -> polls.Outcome:
        """Wait for a task. Meanwhile the connection belongs to the poll alone: a request behind it ends both."""
        line = exchange.line
        if line.pipelined:
            line.intruded()
            raise ConnectionResetError("A request was sent behind a poll")
        line.settled()
        line.parked = True
        try:
            return await self._polls.poll(
                exchange.owner,
                exchange.operation,
                params,
                line.is_connected,
                hold_s=hints.hold_s(exchange.request.header(hints.MAX_HOLD_HEADER)),
            )
        finally:
            line.parked = False
            line.patient = True

    def _hints(self, exchange: _Exchange, params: core.Object, waited_s: float) -> Mapping[str, str]:
        """What is left on the list, and whether more or fewer polls would be good."""
        owner, operation = exchange.owner, exchange.operation
        try:
            backlog = hints.Backlog(*self._driver.engine.backlog(owner, operation, params, self._driver.now()))
        except core.Fault:
            return _NOTHING
        task_list = (owner, operation, str(params["domain"]), str(params["taskList"]))
        return self._scaling.headers(task_list, waited_s, backlog, self._loop.time())

    def _refuse(self, exchange: _Exchange, error: Exception) -> messages.Answer:
        refused = protocol.refusal(error)
        if refused is None:
            log.error("request_failed", operation=exchange.operation, exc_info=error)
            refused = protocol.internal_failure()
        exchange.code = refused.code
        answer = self._answer_of(exchange, protocol.error_body(refused), status=protocol.status_of(refused.code))
        answer.close = answer.close or exchange.line.surplus
        return answer

    def _answer_of(
        self, exchange: _Exchange, body: bytes, extra: Mapping[str, str] = _NOTHING, status: int = 200
    ) -> messages.Answer:
        headers = {"x-amzn-RequestId": self._request_ids.next(), "x-swf-capabilities": protocol.CAPABILITIES, **extra}
        content_type = protocol.content_type_of(exchange.request.header("content-type"))
        return messages.Answer(body, status, content_type, headers, self._polls.draining)


def _page(started: core.Transition) -> core.Page:
    assert not isinstance(started.result, core.Read), "only closed executions are read from the journal"
    return started.result


async def _send_page(exchange: _Exchange, answer: messages.Answer) -> None:
    """Send a long answer; it must also leave for the client, as far as the gate's patience allows."""
    exchange.line.send(answer, exchange.request)
    await exchange.line.drained()
