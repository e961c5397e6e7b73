"""The wheel of parked polls: one timer for all of them (spec/swf-long-poll-scale 6.6)."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable

GRANULARITY_S = 0.05


class Holds:
    """Calls ``expired(waiter)`` when a hold ends: never before its time, at most about ``GRANULARITY_S`` after it.

    Waiters are kept in buckets of equal expiry, so a thousand polls that end together cost one timer.
    """

    def __init__(self, expired: Callable[[int], None]) -> None:
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._buckets: dict[int, dict[int, None]] = {}
        self._ticks: list[int] = []
        self._tick_of: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed: int | None = None

    def __len__(self) -> int:
        return len(self._tick_of)

    def add(self, waiter: int, hold_s: float) -> None:
        """Start the hold of ``waiter``, which must not have one."""
        tick = math.ceil((self._loop.time() + hold_s) / GRANULARITY_S)
        if tick not in self._buckets:
            self._buckets[tick] = {}
            heapq.heappush(self._ticks, tick)
        self._buckets[tick][waiter] = None
        self._tick_of[waiter] = tick
        self._arm()

    def discard(self, waiter: int) -> None:
        """The poll ended otherwise; unknown waiters are ignored."""
        tick = self._tick_of.pop(waiter, None)
        if tick is not None:
            del self._buckets[tick][waiter]

    def close(self) -> None:
        """Stop the timer; holds that are left never expire."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if not self._ticks or self._ticks[0] == self._armed:
            return
        self.close()
        self._armed = self._ticks[0]
        self._timer = self._loop.call_at(self._armed * GRANULARITY_S, self._turn)

    def _turn(self) -> None:
        self._armed = None
        while self._ticks and self._ticks[0] * GRANULARITY_S <= self._loop.time():
            for waiter in self._buckets.pop(heapq.heappop(self._ticks)):
                del self._tick_of[waiter]
                self._expired(waiter)
        self._arm()
