"""Time as an argument: services run on :class:`SystemClock`, tests on :class:`ManualClock`."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Coroutine
from typing import Any, Protocol


class Clock(Protocol):
    """Where a component gets its time from. All values are seconds."""

    def now(self) -> float:
        """Wall clock: seconds since the epoch. May step in either direction."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin; never goes back. Use it for deadlines and durations."""

    async def sleep(self, delay_s: float) -> None:
        """Return after ``delay_s`` seconds. Cancellation leaves nothing behind."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, delay_s: float) -> Coroutine[Any, Any, None]:
        return asyncio.sleep(max(0.0, delay_s))


class ManualClock:
    """Virtual time that moves only when a test calls :meth:`advance`; sleepers wake in deadline order."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._monotonic = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, delay_s: float) -> None:
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + delay_s, next(self._order), future))
        await future

    def step_wall_clock(self, by_s: float) -> None:
        """Move only the wall clock, as an operator or NTP would."""
        self._now += by_s

    async def advance(self, by_s: float) -> None:
        """Move time by ``by_s`` seconds, waking each sleeper at its own instant and letting the loop settle."""
        target = self._monotonic + by_s
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            deadline, _, future = heapq.heappop(self._sleepers)
            self._move_to(max(deadline, self._monotonic))
            if not future.done():
                future.set_result(None)
            await settle()
        self._move_to(target)
        await settle()

    def next_deadline(self) -> float | None:
        """Monotonic instant of the earliest live sleeper, or None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _move_to(self, monotonic: float) -> None:
        self._now += monotonic - self._monotonic
        self._monotonic = monotonic


async def settle(turns: int = 20) -> None:
    """Let the running loop work off what is ready, without passing time."""
    for _ in range(turns):
        await asyncio.sleep(0)
