"""aiobotocore with one client for everything, as its users have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import xform_name
from tests.bench.polling_pollers import PLACE, POOL_SPARE, READ_TIMEOUT_S, Loops, Plan, Record


class Library(Loops):
    """Validates, signs, sends and parses as the library does."""

    def __init__(self, client: Any, plan: Plan, record: Record) -> None:
        super().__init__(plan, record)
        self._client = client

    async def call(self, operation: str, members: dict[str, Any]) -> Any:
        return await getattr(self._client, xform_name(operation))(**members)


@asynccontextmanager
async def library(plan: Plan, record: Record, config: AioConfig | None) -> AsyncIterator[Library]:
    async with AioSession().create_client("swf", endpoint_url=plan.url, config=config, **PLACE) as client:
        yield Library(client, plan, record)


def default(plan: Plan, record: Record) -> AbstractAsyncContextManager[Library]:
    """As it comes: ten connections."""
    return library(plan, record, None)


def stock(plan: Plan, record: Record) -> AbstractAsyncContextManager[Library]:
    """A connection for every poll, and a read timeout that is longer than the hold."""
    pool = plan.wanted + POOL_SPARE
    return library(plan, record, AioConfig(max_pool_connections=pool, read_timeout=READ_TIMEOUT_S))
