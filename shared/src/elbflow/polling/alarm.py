"""One wake-up for everything that is due later: no lane has a timer of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from elbflow import clock as clocks
from elbflow.tasks import Supervisor


class Alarm:
    """Calls ``ring`` at the earliest instant asked for. A later instant does not move an earlier one: who is rung
    too early asks again."""

    def __init__(self, clock: clocks.Clock, supervisor: Supervisor, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._supervisor = supervisor
        self._ring = ring
        self._at: float | None = None
        self._sleeper: asyncio.Task[None] | None = None

    def set(self, at: float) -> None:
        """Ring at monotonic ``at``, or earlier."""
        if self._at is not None and self._at <= at:
            return
        self.clear()
        self._at = at
        self._sleeper = self._supervisor.start(self._sleep_until(at), "polling-alarm")

    def clear(self) -> None:
        """Do not ring."""
        if self._sleeper is not None:
            self._sleeper.cancel()
        self._at = self._sleeper = None

    async def _sleep_until(self, at: float) -> None:
        await self._clock.sleep(at - self._clock.monotonic())
        self._at = self._sleeper = None
        self._ring()
