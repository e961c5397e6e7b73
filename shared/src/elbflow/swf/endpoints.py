"""One or several endpoints of the same SWF, chosen for each try (spec/swf-long-poll-scale 5.9, 5.10).

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
from elbflow.swf.endpoint_client import EndpointClient, open_endpoint, open_session
from elbflow.swf.endpoint_time import EndpointTime
from elbflow.swf.metrics import CallCounter
from elbflow.swf.parking import current_line
from elbflow.swf.parse import Wire
from elbflow.swf.settings import ClientSettings
from elbflow.swf.tries import Pool
from elbflow.tasks import Supervisor

PROBE_EVERY_S = 3.0
PROBE = "ListDomains"
_PROBE_MEMBERS = {"registrationStatus": "REGISTERED", "maximumPageSize": 1}

_log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint with pools of its own."""

    url: str
    client: EndpointClient
    time: EndpointTime


class Endpoints:
    """Implements :class:`elbflow.swf.tries.Tries`: chooses the endpoint, and what to do when it refuses credentials.

    A request that was refused for its credentials was not carried out: it is sent once more when the credentials or
    the time of the signature have changed since.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        keeper: credentials.Keeper,
        *,
        counter: CallCounter,
        clock: clocks.Clock,
        rng: random.Random,
    ) -> None:
        self._counter = counter
        self._clock = clock
        self._rng = rng
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

    def states(self) -> dict[str, bool]:
        """Every endpoint's URL, the preferred one first, and whether it is believed to answer."""
        pairs = zip(self._endpoints, self._choice.health, strict=True)
        return {endpoint.url: health.is_up for endpoint, health in pairs}

    async def close(self) -> None:
        """End the health probes."""
        self._supervisor.cancel()
        await self._supervisor.drain(1.0)

    async def once(self, pool: Pool, operation: str, members: dict[str, Any]) -> Wire:
        tried: set[int] = set()
        while True:
            number, on_trial = self._choice.take(pool, self._clock.monotonic(), tried)
            assert number is not None, "every round of the loop leaves an endpoint to try"
            try:
                return await self._try(number, pool, operation, members)
            except errors.ConnectFailed:
                tried.add(number)
                if self._choice.pick(tried) is None:
                    raise
            finally:
                if on_trial:
                    self._choice.trial_ended(number)

    async def _try(
        self, number: int, pool: Pool, operation: str, members: dict[str, Any], *, is_probe: bool = False
    ) -> Wire:
        """One endpoint's answer; what it shows of the endpoint's health is noted."""
        shown = None if is_probe else pool
        endpoint, life = self._endpoints[number], self._choice.health[number].life
        try:
            answer = await self._authenticated(endpoint, pool, operation, members)
        except _ENDPOINT_FAULTS as fault:
            if not _is_given_up():
                self._failed(number, fault, life, pool)
            raise
        except errors.SwfError as fault:
            if fault.code:
                self._answered(number, shown)
            raise
        self._answered(number, shown)
        return answer

    async def _authenticated(self, endpoint: Endpoint, pool: Pool, operation: str, members: dict[str, Any]) -> Wire:
        version, offset_s = self._keeper.version, endpoint.time.offset_s
        try:
            return await endpoint.client.once(pool, operation, members)
        except errors.Unauthenticated as fault:
            corrected = endpoint.time.learned(fault) or endpoint.time.offset_s != offset_s
            if not corrected and not await self._keeper.refused(version):
                raise
        return await endpoint.client.once(pool, operation, members)

    def _failed(self, number: int, fault: errors.SwfError, life: int, pool: Pool) -> None:
        if self._choice.failed(number, fault, life, pool):
            self._tell(number, "swf_endpoint_down", fault=type(fault).__name__)
            if self._probing is None or self._probing.done():
                # A context of its own: the probes are no part of the poll that failed.
                self._probing = Context().run(self._supervisor.start, self._probe_those_down(), "endpoint-probes")

    def _answered(self, number: int, pool: Pool | None) -> None:
        if self._choice.answered(number, self._clock.monotonic(), pool):
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
            await self._try(number, Pool.CALLS, PROBE, _PROBE_MEMBERS, is_probe=True)
        except errors.SwfError as fault:
            _log.debug("swf_endpoint_probe_refused", endpoint=self._endpoints[number].url, fault=type(fault).__name__)


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
            client = await stack.enter_async_context(open_endpoint(single, session=session, time=time, counter=counter))
            endpoints.append(Endpoint(client.url, client, time))
        made = Endpoints(endpoints, keeper, counter=counter, clock=clock, rng=rng)
        stack.push_async_callback(made.close)
        yield made
