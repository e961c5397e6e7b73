"""Puts the fast path in front of the clients of one endpoint, or tells why it stays out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from elbflow.swf.fast.sending import Pool, open_sender
from elbflow.swf.fast.takeover import take_over
from elbflow.swf.fast.trust import context_for, proxy_of

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def accelerated(
    clients: Sequence[tuple[Any, Pool]], ca_bundle: str | None, now: Callable[[], float]
) -> AsyncIterator[bool]:
    """Send what ``clients`` of one endpoint call through pools of our own until the block ends; whether it is so.

    A proxy that the environment names is left to aiobotocore. ``ca_bundle`` is the session's setting of that name,
    ``now`` the time that signatures carry, in seconds since the epoch. Raises ``OSError`` or ``ssl.SSLError`` when
    certificates cannot be read.
    """
    async with AsyncExitStack() as stack:
        yield await _take_over(clients, ca_bundle, now, stack)


async def _take_over(
    clients: Sequence[tuple[Any, Pool]], ca_bundle: str | None, now: Callable[[], float], stack: AsyncExitStack
) -> bool:
    url: str = clients[0][0].meta.endpoint_url
    if proxy_of(url) is not None:
        _log.info("swf_fast_path_off", reason="a proxy is configured", endpoint=url)
        return False
    context = await asyncio.to_thread(context_for, url, ca_bundle)
    for client, pool in clients:
        take_over(client, await stack.enter_async_context(open_sender(pool, context)), now=now)
    return True
