"""Reads histories through GetWorkflowExecutionHistory, parsing off the loop (spec/swf-semantics 6.3: 26)."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from elbflow_engine.console import events, source

T = TypeVar("T")
Raw = Mapping[str, Any]

_OPERATION = "GetWorkflowExecutionHistory"
_PAGE = 1000
_SLACK = 20
"""Events that may be appended between two calls."""
READ_DEADLINE_S = 20.0
"""25,000 events with payloads of the greatest size are 800 MB; nobody waits for those."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution, as its owner names it."""

    owner: str
    domain: str
    workflow_id: str
    run_id: str

    @property
    def params(self) -> dict[str, Any]:
        """Members that name it in a request."""
        return {"domain": self.domain, "execution": {"workflowId": self.workflow_id, "runId": self.run_id}}


@dataclass(slots=True)
class History:
    """``all`` events without payloads, and in wire form those ``shown`` that were asked for, ascending."""

    all: list[events.Event] = field(default_factory=list)
    shown: list[Raw] = field(default_factory=list)

    @property
    def newest(self) -> int:
        return self.all[-1].id if self.all else 0


class Reader:
    """Reads one engine's histories; ``worker`` is where the parsing happens."""

    def __init__(self, engine: source.Source, worker: Executor) -> None:
        self._engine = engine
        self._worker = worker
        self._one_at_a_time = asyncio.Semaphore(1)

    async def newest_id(self, run: Run) -> int:
        """The id of the last event. Raises what :meth:`source.Source.raw` raises."""
        page = await self._newest(run, 1)
        return int(page[0]["eventId"])

    async def read(self, run: Run, shown: range) -> History:
        """The whole history, with the events in ``shown`` in wire form.

        Raises ``TimeoutError`` after :data:`READ_DEADLINE_S`, and what :meth:`source.Source.raw` raises.
        """
        history = History()
        token: str | None = None
        async with self._one_at_a_time, asyncio.timeout(READ_DEADLINE_S):
            while True:
                params = {**run.params, "maximumPageSize": _PAGE}
                body = await self._engine.raw(
                    run.owner, _OPERATION, params | ({"nextPageToken": token} if token else {})
                )
                token = await self._work(functools.partial(_take, history, body, shown))
                if token is None:
                    return history

    async def follow(self, run: Run, known: list[events.Event], most: int) -> list[Raw] | None:
        """Bring ``known`` up to date and return the new events, ascending.

        None when they are too many: more than ``most``, or more bytes than one answer holds.

        A started task whose answer was not received is taken back (spec/swf-semantics 4.2): then the last known event
        vanishes, and another may have its id. ``known`` is left as it was when this raises or returns None.
        """
        newest = await self.newest_id(run)
        keep = len(known) - 1 if known[-1].kind.endswith("TaskStarted") else len(known)
        keep = min(keep, newest)
        if newest == len(known) and keep == newest:
            return []
        if newest - keep > most:
            return None
        page = await self._newest(run, newest - keep + _SLACK) if newest > keep else []
        page = [event for event in page if event["eventId"] > keep]
        if page and page[0]["eventId"] != keep + 1:
            return None
        fresh = events.digests(page)
        if fresh == known[keep:]:
            return []
        known[keep:] = fresh
        return page

    async def _newest(self, run: Run, count: int) -> list[Raw]:
        """The last events, ascending: at most ``count``, fewer when they are large."""
        params = {**run.params, "maximumPageSize": count, "reverseOrder": True}
        body = await self._engine.raw(run.owner, _OPERATION, params)
        answer: list[Raw] = (await self._work(lambda: orjson.loads(body)))["events"]
        return answer[::-1]

    async def _work(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, job)


def _take(history: History, body: bytes, shown: range) -> str | None:
    """Add one page; the token of the next."""
    answer = orjson.loads(body)
    page: Sequence[Raw] = answer["events"]
    history.all += events.digests(page)
    history.shown += [event for event in page if event["eventId"] in shown]
    token: str | None = answer.get("nextPageToken")
    return token
