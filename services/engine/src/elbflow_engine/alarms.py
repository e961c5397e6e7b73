"""One timer for the earliest deadline on the wall clock (spec/swf-long-poll-scale 6.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from elbflow import clock as clocks

LONGEST_WAIT_S = 30.0
"""The wall clock may step: look at it at least this often while a deadline is ahead."""


class Alarm:
    """Calls ``ring`` at the earliest instant it was set for, sometimes before, never much later."""

    def __init__(self, clock: clocks.Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def set(self, due: float, shortest_s: float = 0.0) -> None:
        """Ring at ``due`` (epoch seconds), but not within ``shortest_s``; one that rings earlier stays as it is."""
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        wait_s = min(max(shortest_s, due - self._clock.now()), LONGEST_WAIT_S)
        self._timer = self._loop.call_later(wait_s, self._rang)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rang(self) -> None:
        self._timer = None
        self._ring()
