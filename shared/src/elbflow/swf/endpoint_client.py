"""One endpoint: two connection pools on one aiobotocore session, so parked polls never delay a short call (I6).

Measured in spec/perf-baselines 0: with one pool of ten, a respond waits the full hold of a poll.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import xform_name

from elbflow import models
from elbflow.swf import bodies, classify, fast
from elbflow.swf import hints as telling
from elbflow.swf.credentials import Keeper
from elbflow.swf.direct import DirectSession
from elbflow.swf.endpoint_time import EndpointTime, sign_for
from elbflow.swf.metrics import CallCounter, outcome_of
from elbflow.swf.parking import PollSession, current_line
from elbflow.swf.parse import Wire
from elbflow.swf.settings import POLL_POOL_SPARE, ClientSettings
from elbflow.swf.sockets import keepalive_socket
from elbflow.swf.tries import Pool

Call: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[Wire]]
"""Makes one call of an operation with these members, and raises botocore's exceptions."""


class EndpointClient:
    """Implements :class:`elbflow.swf.tries.Tries` for one endpoint, and counts how each try ends.

    ``url`` is the endpoint, as botocore resolved it.
    """

    def __init__(self, url: str, calls: Mapping[Pool, Call], counter: CallCounter) -> None:
        self.url = url
        self._calls = calls
        self._counter = counter
        self._capabilities: frozenset[str] = frozenset()

    async def once(self, pool: Pool, operation: str, members: dict[str, Any]) -> Wire:
        telling.goes_to(self._capabilities)
        try:
            answer = await self._calls[pool](operation, members)
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
        self._capabilities = telling.capabilities(telling.headers_of(answer))
        empty = pool is Pool.POLLS and not answer.get("taskToken")
        self._counter.add(operation, "empty" if empty else "ok")
        return answer


@asynccontextmanager
async def open_endpoint(
    settings: ClientSettings, *, session: AioSession, time: EndpointTime, counter: CallCounter
) -> AsyncIterator[EndpointClient]:
    """Both clients of one endpoint, closed on exit: close it only after the polls have ended."""
    place = {"region_name": settings.region, "endpoint_url": settings.endpoint_url}
    async with (
        AsyncExitStack() as stack,
        session.create_client("swf", config=_poll_config(settings), **place) as poll_client,
        session.create_client("swf", config=_data_config(settings), **place) as data_client,
    ):
        poll_client.meta.events.register_first("before-call.swf", telling.add_wish)
        for client in (poll_client, data_client):
            client.meta.events.register("before-parse.swf", bodies.before_parse)
            sign_for(client, time)
        calls: Sequence[Call] = [_through(poll_client), _through(data_client)]
        if settings.fast_path:
            ways = (
                _way(poll_client, _poll_config(settings), telling.wished),
                _way(data_client, _data_config(settings)),
            )
            keys, bundle = await session.get_credentials(), session.get_config_variable("ca_bundle")
            calls = await stack.enter_async_context(fast.accelerated(ways, keys, bundle, time.now)) or calls
        url: str = data_client.meta.endpoint_url
        yield EndpointClient(url, {Pool.POLLS: calls[0], Pool.CALLS: calls[1]}, counter)


async def open_session(profile: str | None, keeper: Keeper) -> AioSession:
    """A session that signs with what ``keeper`` has; its models and files are read in a thread, for that blocks."""
    session = AioSession(profile=profile)
    await asyncio.to_thread(models.load, session, "swf")
    await asyncio.to_thread(getattr, session, "full_config")
    session._credentials = keeper
    # Timestamps as the wire's floats: a decision task of 100 events costs half the time (spec/perf-baselines 1).
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=float)
    return session


def _through(client: Any) -> Call:
    """Calls by all of aiobotocore's layers."""

    async def call(operation: str, members: dict[str, Any]) -> Wire:
        answer: Wire = await getattr(client, xform_name(operation))(**members)
        return answer

    return call


def _poll_config(settings: ClientSettings) -> AioConfig:
    pool = settings.poll_connections + POLL_POOL_SPARE
    return _config(settings, pool=pool, read_timeout_s=settings.poll_read_timeout_s, session=PollSession)


def _data_config(settings: ClientSettings) -> AioConfig:
    pool = settings.data_connections
    return _config(settings, pool=pool, read_timeout_s=settings.data_read_timeout_s, session=DirectSession)


def _way(client: Any, config: AioConfig, more_headers: Callable[[], Mapping[str, str]] = dict) -> fast.Way:
    """How ``client`` of this configuration sends without aiobotocore."""
    pool = fast.Pool(
        connections=config.max_pool_connections,
        connect_timeout_s=config.connect_timeout,
        read_timeout_s=config.read_timeout,
        **config.connector_args,
    )
    return fast.Way(client, pool, validates=config.parameter_validation, more_headers=more_headers)


def _config(settings: ClientSettings, *, pool: int, read_timeout_s: float, session: type[DirectSession]) -> AioConfig:
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
