"""Typed calls on single tries: short calls are repeated while that can help, polls are parked, answers are read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from elbflow import clock as clocks
from elbflow.swf import classify, errors, parse
from elbflow.swf import hints as telling
from elbflow.swf.metrics import CallCounter, QuotaMetrics, outcome_of
from elbflow.swf.parking import parked
from elbflow.swf.parse import Wire
from elbflow.swf.quotas import Quotas
from elbflow.swf.retry import MAYBE_CARRIED_OUT, RetryPlan
from elbflow.swf.settings import ClientSettings
from elbflow.swf.tries import Pool, Tries

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Transport:
    """Makes calls of ``tries`` and returns what ``read`` finds in their answers; raises :mod:`elbflow.swf.errors`.

    A fault tells in ``after_ambiguous`` whether an earlier try may have been carried out.
    """

    def __init__(
        self,
        tries: Tries,
        *,
        settings: ClientSettings,
        counter: CallCounter,
        clock: clocks.Clock,
        rng: random.Random,
        plan: RetryPlan,
        quotas: Quotas | None = None,
    ) -> None:
        self._tries = tries
        self._limit_s = settings.connect_timeout_s + settings.data_read_timeout_s
        self._counter = counter
        self._clock = clock
        self._rng = rng
        self._plan = plan
        self._quotas = quotas or Quotas(None, clock=clock, metrics=QuotaMetrics(None))
        self.pages = asyncio.Semaphore(settings.page_concurrency)

    async def poll(
        self,
        operation: str,
        members: dict[str, Any],
        read: Callable[[Wire], T | None],
        *,
        hold_s: float | None = None,
        hints: telling.Hints | None = None,
    ) -> T | None:
        """One long poll, never repeated: the scheduler decides when to poll again.

        Cancelled, it gives its place at the server up, and still returns a task that was already on its way.
        ``hold_s`` is asked only of an endpoint whose last answer announced that it can be asked.
        """
        told = telling.Hints() if hints is None else hints

        async def send() -> T | None:
            if hold_s is not None:
                telling.wish(hold_s, told)
            answer = await self._tries.once(Pool.POLLS, operation, members)
            told.read(answer)
            return _read(read, answer, operation)

        return await parked(send, _is_task)

    async def call(self, operation: str, members: dict[str, Any], read: Callable[[Wire], T]) -> T:
        """A short call, repeated while repeating can help. Cancelled here, the call may or may not have happened."""
        begun = self._clock.monotonic()
        uncertain = False
        made = 0
        while True:
            made += 1
            try:
                await self._quotas.acquire(operation, self._plan.budget_s - (self._clock.monotonic() - begun))
            except errors.Throttled as refusal:
                refusal.after_ambiguous = uncertain
                raise
            try:
                return _read(read, await self._in_time(operation, members), operation)
            except errors.SwfError as fault:
                self._quotas.failed(operation, fault)
                pause = self._plan.pause(fault, made, self._clock.monotonic() - begun, self._rng)
                if pause is None:
                    fault.after_ambiguous = uncertain
                    raise
                uncertain = uncertain or isinstance(fault, MAYBE_CARRIED_OUT)
            await self._clock.sleep(pause)

    async def respond(self, operation: str, members: dict[str, Any]) -> None:
        """A call that closes a task. Once a try may have been carried out, "unknown task" means done or lost (5.14)."""
        begun = self._clock.monotonic()
        try:
            await self.call(operation, members, parse.nothing)
        except errors.SwfError as fault:
            self._counter.responded(operation, outcome_of(fault), self._clock.monotonic() - begun)
            if not (isinstance(fault, errors.UnknownResource) and fault.after_ambiguous):
                raise
            _log.warning("swf_respond_presumed_done", operation=operation, message=str(fault))
        else:
            self._counter.responded(operation, "ok", self._clock.monotonic() - begun)

    async def _in_time(self, operation: str, members: dict[str, Any]) -> Wire:
        """One try, the wait for a connection included: the pool and a server that trickles set no limit themselves."""
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._tries.once(Pool.CALLS, operation, members)
        except TimeoutError as error:
            raise errors.Ambiguous(f"{operation} was not answered within {self._limit_s:g} s") from error


def _read(read: Callable[[Wire], T], answer: Wire, operation: str) -> T:
    """What ``read`` finds; a fault where members are missing or of another kind than SWF's."""
    try:
        return read(answer)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        made = classify.senseless(operation)
        raise made(f"{operation}: the answer is not SWF's ({error!r})", operation=operation) from error


def _is_task(task: object) -> bool:
    return task is not None
