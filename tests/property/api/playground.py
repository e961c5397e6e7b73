"""A real API with working workflows for tests that hypothesis drives: a loop that runs when they ask for something."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from tests.integration import postgresql
from tests.integration.api import conftest
from tests.property.api.oracle import DEFAULT_GROUP, OTHER_GROUP, SUBNETS

from elbflow import store

T = TypeVar("T")

VPC = {
    "vpc_id": "vpc-00000001",
    "subnets": SUBNETS | {"subnet-0000000c": "local-1c"},
    "security_groups": {DEFAULT_GROUP: "default", OTHER_GROUP: "web"},
}


class Playground:
    """One API; every example gets an account of its own."""

    def __init__(self, runner: asyncio.Runner, house: conftest.House, session: aiohttp.ClientSession) -> None:
        self._runner = runner
        self._house = house
        self._session = session
        self._accounts = itertools.count(200_000_000_000)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the loop run until ``work`` is done."""
        return self._runner.run(work)

    def elb(self) -> conftest.Elb:
        """A client of an account that has nothing yet. Nobody checks signatures: the key says whose it is."""
        return conftest.Elb(self._house.api.url, str(next(self._accounts)), "unused")

    def send(self, body: bytes, *, method: str = "POST") -> tuple[int, bytes]:
        """Send a form as it is, and get the answer as it is. All such requests come from one account."""
        return self._runner.run(self._send(body, method))

    async def _send(self, body: bytes, method: str) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with self._session.request(method, self._house.api.url, data=body, headers=headers) as answer:
            return answer.status, await answer.read()


@contextlib.contextmanager
def opened(place: Path | postgresql.Server) -> Iterator[Playground]:
    """A playground on a new store: a file in a directory, or a database of a server."""
    stack = contextlib.AsyncExitStack()

    async def begin() -> tuple[conftest.House, aiohttp.ClientSession]:
        if isinstance(place, Path):
            url = f"sqlite+aiosqlite:///{place / 'store.sqlite'}"
        else:
            url = await place.new_database()
        await store.migrate(url)
        house = await stack.enter_async_context(conftest.open_house(url, auth="off", vpc=VPC))
        return house, await stack.enter_async_context(aiohttp.ClientSession())

    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        for name, value in conftest.ENVIRONMENT.items():
            patch.setenv(name, value)
        try:
            yield Playground(runner, *runner.run(begin()))
        finally:
            runner.run(stack.aclose())
