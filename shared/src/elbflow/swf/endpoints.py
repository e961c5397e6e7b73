"""One or several endpoints of the same SWF behind the interface of one (spec/swf-long-poll-scale 5.9, 5.10).

Every call goes to the endpoint that is preferred at that moment; polls that are parked elsewhere end there. A call that
found no connection is sent to the next endpoint, for nothing of it was carried out. So the scheduler, and its breaker,
see only faults that no endpoint could avoid.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context
from typing import Any

import structlog

from elbflow import clock as clocks
from elbflow.swf import credentials, errors
from elbflow.swf.endpoint_choice import Choice, by_preference
from elbflow.swf.endpoint_time import EndpointTime
from elbflow.swf.metrics import CallCounter
from elbflow.swf.parking import current_line
from elbflow.swf.parse import Wire
from elbflow.swf.quotas import Quotas
from elbflow.swf.retry import RetryPlan
from elbflow.swf.settings import ClientSettings
from elbflow.swf.transport import Transport, open_session, open_transport
from elbflow.tasks import Supervisor

PROBE_EVERY_S = 3.0
PROBE = "ListDomains"
_PROBE_MEMBERS = {"registrationStatus": "REGISTERED", "maximumPageSize": 1}

_log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint with pools of its own."""

    url: str
    transport: Transport
    time: EndpointTime


class Endpoints(Transport):
    """Chooses the endpoint, and what to do when credentials are refused, around each try of each call.

    A request that was refused for its credentials was not carried out: it is sent once more when the credentials or
    the time of the signature have changed since.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        keeper: credentials.Keeper,
        *,
        settings: ClientSettings,
        counter: CallCounter,
        clock: clocks.Clock,
        rng: random.Random,
        plan: RetryPlan,
        quotas: Quotas,
    ) -> None:
        super().__init__(
            _POLL, _DATA, settings=settings, counter=counter, clock=clock, rng=rng, plan=plan, quotas=quotas
        )
        self._endpoints = endpoints
        self._keeper = keeper
        self._choice = Choice(len(endpoints))
        self._supervisor = Supervisor()
        self._probing: asyncio.Task[None] | None = None
        for endpoint in endpoints:
            counter.endpoint(endpoint.url, is_up=True)

    @property
    def url(self) -> str:
        """The endpoint that calls go to now."""
        return self._endpoints[self._choice.pick() or 0].url

    def endpoint_states(self) -> dict[str, bool]:
        """Every endpoint's URL, the preferred one first, and whether it is believed to answer."""
        pairs = zip(self._endpoints, self._choice.health, strict=True)
        return {endpoint.url: health.is_up for endpoint, health in pairs}

    async def close(self) -> None:
        """End the health probes."""
        self._supervisor.cancel()
        await self._supervisor.drain(1.0)

    async def _once(self, client: Any, operation: str, members: dict[str, Any]) -> Wire:
        tried: set[int] = set()
        while True:
            number = self._choice.pick(tried)
            assert number is not None, "every round of the loop leaves an endpoint to try"
            try:
                return await self._try(number, client, operation, members)
            except errors.ConnectFailed:
                tried.add(number)
                if self._choice.pick(tried) is None:
                    raise

    async def _try(self, number: int, client: Any, operation: str, members: dict[str, Any]) -> Wire:
        """One endpoint's answer; what it shows of the endpoint's health is noted."""
        endpoint, life = self._endpoints[number], self._choice.health[number].life
        try:
            answer = await self._authenticated(endpoint, client, operation, members)
        except _ENDPOINT_FAULTS as fault:
            if not _is_given_up():
                self._failed(number, fault, life)
            raise
        except errors.SwfError as fault:
            if fault.code:
                self._answered(number)
            raise
        self._answered(number)
        return answer

    async def _authenticated(self, endpoint: Endpoint, client: Any, operation: str, members: dict[str, Any]) -> Wire:
        transport = endpoint.transport
        real = transport._poll_client if client is _POLL else transport._data_client
        version, offset_s = self._keeper.version, endpoint.time.offset_s
        try:
            return await transport._once(real, operation, members)
        except errors.Unauthenticated as fault:
            corrected = endpoint.time.learned(fault) or endpoint.time.offset_s != offset_s
            if not corrected and not await self._keeper.refused(version):
                raise
        return await transport._once(real, operation, members)

    def _failed(self, number: int, fault: errors.SwfError, life: int) -> None:
        if self._choice.failed(number, fault, life):
            self._tell(number, "swf_endpoint_down", fault=type(fault).__name__)
            if self._probing is None or self._probing.done():
                # A context of its own: the probes are no part of the poll that failed.
                self._probing = Context().run(self._supervisor.start, self._probe_those_down(), "endpoint-probes")

    def _answered(self, number: int) -> None:
        if self._choice.answered(number, self._clock.monotonic()):
            self._tell(number, "swf_endpoint_up")

    def _tell(self, number: int, event: str, **fields: str) -> None:
        url = self._endpoints[number].url
        is_up = self._choice.health[number].is_up
        self._counter.endpoint(url, is_up=is_up)
        if len(self._endpoints) > 1:  # of an only endpoint the scheduler tells
            used = self._choice.pick()
            in_use = None if used is None else self._endpoints[used].url
            (_log.info if is_up else _log.warning)(event, endpoint=url, in_use=in_use, **fields)

    async def _probe_those_down(self) -> None:
        """Ask those that are down something cheap every few seconds, until none is left. Any answer is a good one."""
        while self._choice.down():
            await self._clock.sleep(PROBE_EVERY_S * self._rng.uniform(0.8, 1.2))
            await asyncio.gather(*(self._probe(number) for number in self._choice.down()))

    async def _probe(self, number: int) -> None:
        try:
            await self._try(number, _DATA, PROBE, _PROBE_MEMBERS)
        except errors.SwfError as fault:
            _log.debug("swf_endpoint_probe_refused", endpoint=self._endpoints[number].url, fault=type(fault).__name__)


_POLL, _DATA = "poll", "data"
_ENDPOINT_FAULTS = (errors.ConnectFailed, errors.Ambiguous, errors.Unavailable)


def _is_given_up() -> bool:
    """Whether this side gave up the poll that this code runs for: its end says nothing of the endpoint."""
    line = current_line()
    return line is not None and line.is_released


@asynccontextmanager
async def open_endpoints(
    settings: ClientSettings,
    *,
    counter: CallCounter,
    clock: clocks.Clock,
    rng: random.Random,
    plan: RetryPlan,
    quotas: Quotas,
) -> AsyncIterator[Endpoints]:
    """Clients of all endpoints, closed on exit: close them only after the polls have ended."""
    async with AsyncExitStack() as stack:
        keeper = await stack.enter_async_context(
            credentials.kept(settings.profile, counter=counter, clock=clock, rng=rng)
        )
        session = await open_session(settings.profile, keeper)
        endpoints = []
        for url in by_preference(settings.endpoint_urls) or (settings.endpoint_url,):
            single = dataclasses.replace(settings, endpoint_url=url, endpoint_urls=())
            time = EndpointTime(clock)
            transport = await stack.enter_async_context(
                open_transport(single, session=session, time=time, counter=counter, clock=clock, rng=rng, plan=plan)
            )
            endpoints.append(Endpoint(transport.url, transport, time))
        made = Endpoints(
            endpoints, keeper, settings=settings, counter=counter, clock=clock, rng=rng, plan=plan, quotas=quotas
        )
        stack.push_async_callback(made.close)
        yield made
