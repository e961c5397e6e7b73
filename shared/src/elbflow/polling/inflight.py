"""Polls in flight, in the order in which they were issued (spec/swf-long-poll-scale 5.8, 5.9)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from elbflow.polling.lane import LaneState, Task

Answer: TypeAlias = tuple[Task | None, float]


@dataclass(slots=True, eq=False)
class Poll:
    """One poll. ``task`` brings the answer and the instant it came; ``aborted`` says that losing it loses no task."""

    serial: int
    lane: LaneState
    begun: float
    task: asyncio.Task[Answer] | None = None
    aborted: bool = False

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


class InFlight:
    """All polls are allowed the same age, so the oldest is always the first to be overdue: one deadline serves all."""

    def __init__(self, watchdog_s: float) -> None:
        self._watchdog_s = watchdog_s
        self._polls: dict[int, Poll] = {}
        self._watched: dict[int, Poll] = {}

    def __len__(self) -> int:
        return len(self._polls)

    def __iter__(self) -> Iterator[Poll]:
        return iter(tuple(self._polls.values()))

    def add(self, poll: Poll) -> None:
        self._polls[poll.serial] = self._watched[poll.serial] = poll

    def remove(self, poll: Poll) -> None:
        del self._polls[poll.serial]
        self._watched.pop(poll.serial, None)

    def give_up_overdue(self, now: float) -> None:
        """Close polls whose connection is dead without saying so. Whether one held a task, nobody can know."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            poll = self._watched.pop(next(iter(self._watched)))
            poll.cancel()

    def next_deadline(self) -> float | None:
        """When the oldest poll becomes overdue."""
        oldest = next(iter(self._watched.values()), None)
        return None if oldest is None else oldest.begun + self._watchdog_s
