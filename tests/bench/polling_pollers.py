"""Pollers to compare, what they are told, and what they note.

* ``threads``: boto3 and a thread per poll. ``default``: aiobotocore as it comes. ``stock``: aiobotocore with a pool
  that is large enough. ``aiohttp``: that library as it comes. ``bare``: an asyncio protocol that sends the same
  unsigned bytes again and again. All of these poll again at once, whatever the answer was: the naive loop.
* ``ours``: :class:`elbflow.swf.Client` and :class:`elbflow.polling.Scheduler`.

Each has a module of its own, so that a process has only the libraries of one. A poller runs until its process ends.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

DOMAIN = "bench"
PROBE_TOKEN = "probe"
READ_TIMEOUT_S = 70.0
POOL_SPARE = 16
PLACE = {"region_name": "us-east-1", "aws_access_key_id": "bench", "aws_secret_access_key": "bench"}
POLLERS = {
    "threads": "tests.bench.polling_threads:threads",
    "default": "tests.bench.polling_library:default",
    "stock": "tests.bench.polling_library:stock",
    "aiohttp": "tests.bench.polling_bare:plain",
    "bare": "tests.bench.polling_bare:bare",
    "ours": "tests.bench.polling_ours:ours",
}


@dataclass(frozen=True)
class Plan:
    """``polls`` wanted for each list. ``answer``: tasks are answered, after ``handler_s`` seconds of work.

    The rest is for ``ours``: the ``budget`` (0: all polls), and the ``profile`` of an endpoint whose time runs
    ``faster``: its holds are shorter by that factor, its issue rate is higher.
    """

    url: str
    lists: tuple[str, ...]
    polls: int = 1
    answer: bool = False
    handler_s: float = 0.0
    profile: Literal["local", "aws", "eucalyptus"] = "local"
    faster: float = 1.0
    budget: int = 0

    @property
    def wanted(self) -> int:
        return len(self.lists) * self.polls


@dataclass
class Record:
    """What happened to the polls since the last look. ``latencies`` are seconds from a task's creation."""

    latencies: list[float] = field(default_factory=list)
    empties: int = 0
    faults: list[str] = field(default_factory=list)

    def task(self, stamp: str | None) -> None:
        self.latencies.append(time.monotonic() - float(stamp or 0.0))

    def answer(self, answer: Any) -> bool:
        """Take note of a poll's answer; whether it brought a task."""
        if answer and answer.get("taskToken"):
            self.task(answer["input"])
            return True
        self.empties += 1
        return False

    def fault(self, error: Exception) -> None:
        self.faults.append(repr(error)[:200])


class Poller(Protocol):
    """A client that is ready. ``start`` begins to poll, ``probe`` makes a short call on the same client, ``state``
    tells more of it as JSON."""

    async def start(self) -> None: ...
    async def probe(self) -> None: ...
    def state(self) -> dict[str, Any]: ...


class Loops(ABC):
    """The naive poller: a task for each poll, which polls again at once, whatever happens."""

    def __init__(self, plan: Plan, record: Record) -> None:
        self._plan = plan
        self._record = record
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        for name in self._plan.lists:
            for _ in range(self._plan.polls):
                self._running.append(asyncio.create_task(self._forever(name)))

    async def probe(self) -> None:
        await self.call("RespondActivityTaskCompleted", {"taskToken": PROBE_TOKEN})

    def state(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    async def call(self, operation: str, members: dict[str, Any]) -> Any:
        """A short call."""

    async def poll(self, members: dict[str, Any]) -> Any:
        """A long poll for an activity task."""
        return await self.call("PollForActivityTask", members)

    async def _forever(self, name: str) -> None:
        members = {"domain": DOMAIN, "taskList": {"name": name}, "identity": "bench"}
        while True:
            try:
                answer = await self.poll(members)
                if self._record.answer(answer) and self._plan.answer:
                    await asyncio.sleep(self._plan.handler_s)
                    await self.call("RespondActivityTaskCompleted", {"taskToken": answer["taskToken"]})
            except Exception as error:
                self._record.fault(error)
                await asyncio.sleep(0)


def opened(name: str, plan: Plan, record: Record) -> AbstractAsyncContextManager[Poller]:
    """The poller of this name."""
    module, _, function = POLLERS[name].partition(":")
    found: AbstractAsyncContextManager[Poller] = getattr(importlib.import_module(module), function)(plan, record)
    return found
