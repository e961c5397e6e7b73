"""Two connection pools on one aiobotocore session: parked polls never delay a short call (I6).

Measured in spec/perf-baselines 0: with one pool of ten, a respond waits the full hold of a poll.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore import xform_name

from elbflow import clock as clocks
from elbflow.swf import classify, errors
from elbflow.swf.metrics import CallCounter, outcome_of
from elbflow.swf.parking import PollSession, current_line, parked
from elbflow.swf.parse import Wire
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
    ) -> None:
        self._poll_client = poll_client
        self._data_client = data_client
        self._counter = counter
        self._clock = clock
        self._rng = rng
        self._plan = plan
        self.settings = settings
        self.pages = asyncio.Semaphore(settings.page_concurrency)

    async def poll(self, operation: str, members: dict[str, Any]) -> Wire:
        """One long poll, never repeated: the scheduler decides when to poll again.

        Cancelled, it gives its place at the server up, and still returns a task that was already on its way.
        """
        return await parked(lambda: self._once(self._poll_client, operation, members), _brings_task)

    async def call(self, operation: str, members: dict[str, Any]) -> Wire:
        """A short call, repeated while repeating can help. Cancelled here, the call may or may not have happened."""
        answer, fault, _ = await self._attempts(operation, members)
        if fault is not None:
            raise fault
        return answer

    async def respond(self, operation: str, members: dict[str, Any]) -> None:
        """A call that closes a task. Once a try may have been carried out, "unknown task" means done or lost (5.14)."""
        _, fault, uncertain = await self._attempts(operation, members)
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
                return await self._once(self._data_client, operation, members), None, uncertain
            except errors.SwfError as fault:
                pause = self._plan.pause(fault, made, self._clock.monotonic() - begun, self._rng)
                if pause is None:
                    return {}, fault, uncertain
                uncertain = uncertain or isinstance(fault, MAYBE_CARRIED_OUT)
            await self._clock.sleep(pause)

    async def _once(self, client: Any, operation: str, members: dict[str, Any]) -> Wire:
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
        empty = client is self._poll_client and not _brings_task(answer)
        self._counter.add(operation, "empty" if empty else "ok")
        return answer


def _brings_task(answer: Wire) -> bool:
    return bool(answer.get("taskToken"))


@asynccontextmanager
async def open_transport(
    settings: ClientSettings,
    *,
    counter: CallCounter,
    clock: clocks.Clock,
    rng: random.Random,
    plan: RetryPlan,
) -> AsyncIterator[Transport]:
    """Both clients, closed on exit: close it only after the polls have ended."""
    session = await _session(settings.profile)
    place = {"region_name": settings.region, "endpoint_url": settings.endpoint_url}
    async with (
        session.create_client("swf", config=_poll_config(settings), **place) as poll_client,
        session.create_client("swf", config=_data_config(settings), **place) as data_client,
    ):
        yield Transport(poll_client, data_client, settings=settings, counter=counter, clock=clock, rng=rng, plan=plan)


async def _session(profile: str | None) -> AioSession:
    """A session whose models and credentials were read in a thread: both are blocking file reads."""
    session = AioSession(profile=profile)
    await asyncio.to_thread(session.warm_up_loader_caches, "swf")
    # The credential chain is asynchronous but reads its files with blocking calls, hence a loop of its own.
    if await asyncio.to_thread(asyncio.run, session.get_credentials()) is None:
        raise errors.Unauthenticated("no AWS credentials in the environment, the shared credentials file or the host")
    # Timestamps as the wire's floats: a decision task of 100 events costs half the time (spec/perf-baselines 1).
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=float)
    return session


def _poll_config(settings: ClientSettings) -> AioConfig:
    pool = settings.poll_connections + POLL_POOL_SPARE
    return _config(settings, pool=pool, read_timeout_s=settings.poll_read_timeout_s, session=PollSession)


def _data_config(settings: ClientSettings) -> AioConfig:
    pool = settings.data_connections
    return _config(settings, pool=pool, read_timeout_s=settings.data_read_timeout_s, session=AIOHTTPSession)


def _config(settings: ClientSettings, *, pool: int, read_timeout_s: float, session: type[AIOHTTPSession]) -> AioConfig:
    return AioConfig(
        connect_timeout=settings.connect_timeout_s,
        read_timeout=read_timeout_s,
        max_pool_connections=pool,
        http_session_cls=session,
        # botocore would send a second poll behind our back after a reset; our own retries are in RetryPlan.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connector_args={"keepalive_timeout": 60, "ttl_dns_cache": 30, "socket_factory": keepalive_socket},
        # Building botocore's user agent costs 13 % of a call.
        user_agent="elbflow",
    )
