"""Two connection pools on one aiobotocore session: parked polls never delay a short call (I6).

Measured in spec/perf-baselines 0: with one pool of ten, a respond waits the full hold of a poll.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore import xform_name

from elbflow import clock as clocks
from elbflow.swf import classify, errors, fast
from elbflow.swf import hints as telling
from elbflow.swf.credentials import Keeper
from elbflow.swf.endpoint_time import EndpointTime, sign_for
from elbflow.swf.metrics import CallCounter, QuotaMetrics, outcome_of
from elbflow.swf.parking import PollSession, current_line, parked
from elbflow.swf.parse import Wire
from elbflow.swf.quotas import Quotas
from elbflow.swf.retry import MAYBE_CARRIED_OUT, RetryPlan
from elbflow.swf.settings import POLL_POOL_SPARE, ClientSettings
from elbflow.swf.sockets import keepalive_socket

_log = structlog.get_logger(__name__)


class Transport:
    """Sends one SWF operation and returns the members of its answer; faults come as :mod:`elbflow.swf.errors`."""

    def __init__(
        self,
        poll_client: Any,
        data_client: Any,
        *,
        settings: ClientSettings,
        counter: CallCounter,
        clock: clocks.Clock,
        rng: random.Random,
        plan: RetryPlan,
        quotas: Quotas | None = None,
    ) -> None:
        self._poll_client = poll_client
        self._data_client = data_client
        self._counter = counter
        self._clock = clock
        self._rng = rng
        self._plan = plan
        self._quotas = quotas or Quotas(None, clock=clock, metrics=QuotaMetrics(None))
        self.settings = settings
        self.pages = asyncio.Semaphore(settings.page_concurrency)
        self.capabilities: frozenset[str] = frozenset()

    async def poll(
        self,
        operation: str,
        members: dict[str, Any],
        *,
        hold_s: float | None = None,
        hints: telling.Hints | None = None,
    ) -> Wire:
        """One long poll, never repeated: the scheduler decides when to poll again.

        Cancelled, it gives its place at the server up, and still returns a task that was already on its way.
        ``hold_s`` is asked only of an endpoint whose last answer announced that it can be asked.
        """
        told = telling.Hints() if hints is None else hints

        async def send() -> Wire:
            if hold_s is not None:
                telling.wish(hold_s, told)
            return await self._once(self._poll_client, operation, members)

        answer = await parked(send, _brings_task)
        told.read(answer)
        return answer

    @property
    def url(self) -> str:
        """The endpoint, as botocore resolved it."""
        return str(self._data_client.meta.endpoint_url)

    def endpoint_states(self) -> dict[str, bool]:
        """Every endpoint's URL and whether it is believed to answer; nothing is believed of a single transport."""
        return {}

    async def call(self, operation: str, members: dict[str, Any]) -> Wire:
        """A short call, repeated while repeating can help. Cancelled here, the call may or may not have happened."""
        answer, fault, _ = await self._attempts(operation, members)
        if fault is not None:
            raise fault
        return answer

    async def respond(self, operation: str, members: dict[str, Any]) -> None:
        """A call that closes a task. Once a try may have been carried out, "unknown task" means done or lost (5.14)."""
        begun = self._clock.monotonic()
        _, fault, uncertain = await self._attempts(operation, members)
        result = "ok" if fault is None else outcome_of(fault)
        self._counter.responded(operation, result, self._clock.monotonic() - begun)
        if isinstance(fault, errors.UnknownResource) and uncertain:
            _log.warning("swf_respond_presumed_done", operation=operation, message=str(fault))
        elif fault is not None:
            raise fault

    async def start(self, operation: str, members: dict[str, Any]) -> Wire:
        """A call that creates something once: tells in ``after_ambiguous`` whether a conflict may be our own doing."""
        answer, fault, uncertain = await self._attempts(operation, members)
        if fault is not None:
            fault.after_ambiguous = uncertain
            raise fault
        return answer

    async def _attempts(self, operation: str, members: dict[str, Any]) -> tuple[Wire, errors.SwfError | None, bool]:
        """Answer, last fault, and whether an earlier try may have been carried out."""
        begun = self._clock.monotonic()
        uncertain = False
        made = 0
        while True:
            made += 1
            try:
                await self._quotas.acquire(operation, self._plan.budget_s - (self._clock.monotonic() - begun))
            except errors.Throttled as refusal:
                return {}, refusal, uncertain
            try:
                return await self._in_time(operation, members), None, uncertain
            except errors.SwfError as fault:
                self._quotas.failed(operation, fault)
                pause = self._plan.pause(fault, made, self._clock.monotonic() - begun, self._rng)
                if pause is None:
                    return {}, fault, uncertain
                uncertain = uncertain or isinstance(fault, MAYBE_CARRIED_OUT)
            await self._clock.sleep(pause)

    async def _in_time(self, operation: str, members: dict[str, Any]) -> Wire:
        """One try, the wait for a connection included: the pool and a server that trickles set no limit themselves."""
        limit_s = self.settings.connect_timeout_s + self.settings.data_read_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._once(self._data_client, operation, members)
        except TimeoutError as error:
            raise errors.Ambiguous(f"{operation} was not answered within {limit_s:g} s") from error

    async def _once(self, client: Any, operation: str, members: dict[str, Any]) -> Wire:
        telling.goes_to(self.capabilities)
        try:
            answer: Wire = await getattr(client, xform_name(operation))(**members)
        except asyncio.CancelledError:
            self._counter.add(operation, "cancelled")
            raise
        except Exception as error:
            fault = classify.fault(error, operation)
            line = current_line()
            released = line is not None and line.is_released
            self._counter.add(operation, "cancelled" if released else outcome_of(fault))
            if fault is None:
                raise
            raise fault from error
        self.capabilities = telling.capabilities(telling.headers_of(answer))
        empty = client is self._poll_client and not _brings_task(answer)
        self._counter.add(operation, "empty" if empty else "ok")
        return answer


def _brings_task(answer: Wire) -> bool:
    return bool(answer.get("taskToken"))


@asynccontextmanager
async def open_transport(
    settings: ClientSettings,
    *,
    session: AioSession,
    time: EndpointTime,
    counter: CallCounter,
    clock: clocks.Clock,
    rng: random.Random,
    plan: RetryPlan,
) -> AsyncIterator[Transport]:
    """Both clients of one endpoint, closed on exit: close it only after the polls have ended."""
    place = {"region_name": settings.region, "endpoint_url": settings.endpoint_url}
    async with (
        AsyncExitStack() as stack,
        session.create_client("swf", config=_poll_config(settings), **place) as poll_client,
        session.create_client("swf", config=_data_config(settings), **place) as data_client,
    ):
        poll_client.meta.events.register_first("before-call.swf", telling.add_wish)
        for client in (poll_client, data_client):
            sign_for(client, time)
        if settings.fast_path:
            pools = [(poll_client, _pool(_poll_config(settings))), (data_client, _pool(_data_config(settings)))]
            await stack.enter_async_context(fast.accelerated(pools, session.get_config_variable("ca_bundle"), time.now))
        yield Transport(
            poll_client,
            data_client,
            settings=settings,
            counter=counter,
            clock=clock,
            rng=rng,
            plan=plan,
        )


async def open_session(profile: str | None, keeper: Keeper) -> AioSession:
    """A session that signs with what ``keeper`` has; its models and files are read in a thread, for that blocks."""
    session = AioSession(profile=profile)
    await asyncio.to_thread(session.warm_up_loader_caches, "swf")
    await asyncio.to_thread(getattr, session, "full_config")
    session._credentials = keeper
    # Timestamps as the wire's floats: a decision task of 100 events costs half the time (spec/perf-baselines 1).
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=float)
    return session


def _poll_config(settings: ClientSettings) -> AioConfig:
    pool = settings.poll_connections + POLL_POOL_SPARE
    return _config(settings, pool=pool, read_timeout_s=settings.poll_read_timeout_s, session=PollSession)


def _data_config(settings: ClientSettings) -> AioConfig:
    pool = settings.data_connections
    return _config(settings, pool=pool, read_timeout_s=settings.data_read_timeout_s, session=AIOHTTPSession)


def _pool(config: AioConfig) -> fast.Pool:
    """The pool of ``config``, for sending without aiobotocore."""
    return fast.Pool(
        connections=config.max_pool_connections,
        connect_timeout_s=config.connect_timeout,
        read_timeout_s=config.read_timeout,
        **config.connector_args,
    )


def _config(settings: ClientSettings, *, pool: int, read_timeout_s: float, session: type[AIOHTTPSession]) -> AioConfig:
    return AioConfig(
        connect_timeout=settings.connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=pool,
        http_session_cls=session,
        # botocore would send a second poll behind our back after a reset; our own retries are in RetryPlan.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connector_args={"keepalive_timeout": 60, "ttl_dns_cache": 30, "socket_factory": keepalive_socket},
        # Polls have a handful of members that typed calls make, and SWF looks at them anyway.
        parameter_validation=session is not PollSession,
        # Building botocore's user agent costs 13 % of a call.
        user_agent="elbflow",
    )
