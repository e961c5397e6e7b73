"""Notices that the event loop stood still: a suspended machine, a debugger, a blocking call (5.8)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

BEAT_S = 2.5
STALL_S = 5.0
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Pulse:
    """Calls ``stalled`` when more than five seconds passed without a beat or a :meth:`check`.

    Answers that waited while the loop stood still are worked off before timers, so whoever handles them asks
    :meth:`check` first. Time is the loop's own, and that since boot, which goes on while the machine sleeps.
    """

    def __init__(self, stalled: Callable[[float], None]) -> None:
        self._stalled = stalled
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen = (0.0, 0.0)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._seen = self._now(self._loop)
        self._beat()

    def stop(self) -> None:
        """Beat no more; stopping twice is harmless."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop = None

    def check(self) -> None:
        """Report a stall, if there was one since the last sign of life."""
        if self._loop is None:
            return
        now, seen = self._now(self._loop), self._seen
        self._seen = now
        gap_s = max(now[0] - seen[0], now[1] - seen[1])
        if gap_s > STALL_S:
            self._stalled(gap_s)

    def _beat(self) -> None:
        self.check()
        if self._loop is not None:
            self._timer = self._loop.call_later(BEAT_S, self._beat)

    @staticmethod
    def _now(loop: asyncio.AbstractEventLoop) -> tuple[float, float]:
        return loop.time(), time.clock_gettime(_SINCE_BOOT)
