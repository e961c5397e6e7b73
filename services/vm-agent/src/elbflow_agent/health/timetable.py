"""When checks are due: one sleeping task for all VMs of a process, for each of them would take 2 KiB."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from typing import Protocol

from elbflow import clock

_EARLY_S = 0.001
"""The loop's timers are no more exact."""


class Entry(Protocol):
    """What is due at some time. ``ticket`` belongs to the timetable: it is 0 while nothing is planned."""

    ticket: int

    def ring(self) -> None:
        """It is due now. Must not raise; it may be planned anew."""


class Timetable:
    """Rings every entry at its time, each at one time at most; used in the event loop."""

    def __init__(self, time: clock.Clock) -> None:
        self._clock = time
        self._tickets = itertools.count(1)
        self._planned: list[tuple[float, int, Entry]] = []  # also what was put off or given up, until its time
        self._waiting = 0
        self._sleeper: asyncio.Task[None] | None = None
        self._wakes_at = math.inf

    def plan(self, entry: Entry, due: float) -> None:
        """Ring ``entry`` at monotonic ``due``, and not when it was to be rung before."""
        self._waiting += not entry.ticket
        entry.ticket = next(self._tickets)
        heapq.heappush(self._planned, (due, entry.ticket, entry))
        if due < self._wakes_at:
            self._sleep()

    def give_up(self, entry: Entry) -> None:
        """Do not ring ``entry``."""
        self._waiting -= bool(entry.ticket)
        entry.ticket = 0
        if not self._waiting:
            self._planned.clear()
            self._sleep()

    def _sleep(self) -> None:
        if self._sleeper is not None:
            self._sleeper.cancel()
        self._sleeper, self._wakes_at = None, math.inf
        if self._planned:
            self._wakes_at = self._planned[0][0]
            self._sleeper = asyncio.create_task(self._ring_at(self._wakes_at), name="health-timetable")

    async def _ring_at(self, due: float) -> None:
        await self._clock.sleep(due - self._clock.monotonic())
        self._sleeper = None
        now = self._clock.monotonic() + _EARLY_S
        while self._planned and self._planned[0][0] <= now:
            _, ticket, entry = heapq.heappop(self._planned)
            if entry.ticket == ticket:
                entry.ticket = 0
                self._waiting -= 1
                entry.ring()
        self._sleep()
