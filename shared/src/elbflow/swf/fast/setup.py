"""Puts the fast path in front of the clients of one endpoint, or tells why it stays out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from elbflow.swf.fast.calls import Calls, Keys
from elbflow.swf.fast.requests import Requests, endpoint_of
from elbflow.swf.fast.sending import Pool, open_sender
from elbflow.swf.fast.trust import context_for, proxy_of

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """A client of aiobotocore and the pool that its calls are to use.

    ``validates`` is the client's setting ``parameter_validation``, ``more_headers`` as in :class:`Calls`.
    """

    client: Any
    pool: Pool
    validates: bool = True
    more_headers: Callable[[], Mapping[str, str]] = dict


@asynccontextmanager
async def accelerated(
    ways: Sequence[Way], keys: Keys, ca_bundle: str | None, now: Callable[[], float]
) -> AsyncIterator[Sequence[Calls]]:
    """What clients of one endpoint call, through pools of our own until the block ends; empty when it is not to be.

    A proxy that the environment names is left to aiobotocore. ``keys`` are what the clients sign with, ``ca_bundle``
    is the session's setting of that name, ``now`` the time that signatures carry, in seconds since the epoch. Raises
    ``OSError`` or ``ssl.SSLError`` when certificates cannot be read.
    """
    async with AsyncExitStack() as stack:
        url: str = ways[0].client.meta.endpoint_url
        if proxy_of(url) is not None:
            _log.info("swf_fast_path_off", reason="a proxy is configured", endpoint=url)
            yield ()
            return
        context = await asyncio.to_thread(context_for, url, ca_bundle)
        made = []
        for way in ways:
            service, endpoint = way.client.meta.service_model, await endpoint_of(way.client)
            sender = await stack.enter_async_context(open_sender(way.pool, context, endpoint.url))
            requests = Requests(service, endpoint, validates=way.validates)
            made.append(Calls(way.client, keys, requests, sender, now=now, more_headers=way.more_headers))
        yield made
