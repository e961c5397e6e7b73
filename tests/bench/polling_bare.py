"""Two pollers without a library for SWF: aiohttp as it comes, and a bare protocol, which is the limit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from tests.bench import engine_http
from tests.bench.polling_pollers import Loops, Plan, Record


class Bare(Loops):
    """The same bytes again and again, over a connection for each poll; one more is for short calls."""

    def __init__(self, plan: Plan, record: Record) -> None:
        super().__init__(plan, record)
        self._client = engine_http.Client(plan.url)
        self._polls: dict[int, engine_http.Client] = {}

    async def call(self, operation: str, members: dict[str, Any]) -> Any:
        return await self._client.call(operation, **members)

    async def poll(self, members: dict[str, Any]) -> Any:
        client = self._polls.get(id(members))
        if client is None:
            client = self._polls[id(members)] = engine_http.Client(self._plan.url)
        connection = await client.connect()
        return orjson.loads((await connection.send(client.encode("PollForActivityTask", members))).body)


class Plain(Loops):
    """No signatures."""

    def __init__(self, session: aiohttp.ClientSession, plan: Plan, record: Record) -> None:
        super().__init__(plan, record)
        self._session = session

    async def call(self, operation: str, members: dict[str, Any]) -> Any:
        target = {"X-Amz-Target": f"SimpleWorkflowService.{operation}"}
        async with self._session.post(self._plan.url, data=orjson.dumps(members), headers=target) as response:
            body = await response.read()
        return orjson.loads(body) if body else None


@asynccontextmanager
async def bare(plan: Plan, record: Record) -> AsyncIterator[Bare]:
    yield Bare(plan, record)


@asynccontextmanager
async def plain(plan: Plan, record: Record) -> AsyncIterator[Plain]:
    async with aiohttp.ClientSession() as session:
        yield Plain(session, plan, record)
