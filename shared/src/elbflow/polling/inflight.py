"""Polls in flight, in the order in which they were issued (spec/swf-long-poll-scale 5.8, 5.9)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from elbflow import swf
from elbflow.polling.lane import LaneState, Task
from elbflow.polling.rotation import Reason

Answer: TypeAlias = tuple[Task | None, float]


@dataclass(slots=True, eq=False)
class Poll:
    """One poll. ``task`` brings the answer and the instant it came; ``aborted`` says that losing it loses no task.

    ``turn`` and ``opens_turn`` belong to :mod:`elbflow.polling.sharing`. ``hints`` is what the endpoint said with the
    answer. ``saw_stall`` says that the event loop stood still meanwhile.
    """

    serial: int
    lane: LaneState
    begun: float
    hold_s: float | None = None
    turn: Reason | None = None
    task: asyncio.Task[Answer] | None = None
    opens_turn: bool = False
    aborted: bool = False
    saw_stall: bool = False
    hints: swf.Hints = field(default_factory=swf.Hints)

    @property
    def was_given_up(self) -> bool:
        """Cancelled although it may have held a task."""
        return self.task is not None and self.task.cancelled() and not self.aborted

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


class InFlight:
    """All polls are allowed the same age, so the oldest is always the first to be overdue: one deadline serves all.

    After a stall of the event loop they get that time anew: an answer may be waiting unread, and a poll may have been
    sent only when the stall was over.
    """

    def __init__(self, watchdog_s: float) -> None:
        self._watchdog_s = watchdog_s
        self._none_overdue_before = float("-inf")
        self._polls: dict[int, Poll] = {}
        self._by_lane: dict[int, set[Poll]] = {}
        self._watched: dict[int, Poll] = {}

    def __len__(self) -> int:
        return len(self._polls)

    def __iter__(self) -> Iterator[Poll]:
        return iter(tuple(self._polls.values()))

    def add(self, poll: Poll) -> None:
        self._polls[poll.serial] = self._watched[poll.serial] = poll
        self._by_lane.setdefault(poll.lane.serial, set()).add(poll)

    def of(self, lane: LaneState) -> frozenset[Poll]:
        """Those of one lane."""
        return frozenset(self._by_lane.get(lane.serial, ()))

    def remove(self, poll: Poll) -> None:
        del self._polls[poll.serial]
        of_lane = self._by_lane[poll.lane.serial]
        of_lane.remove(poll)
        if not of_lane:
            del self._by_lane[poll.lane.serial]
        self._watched.pop(poll.serial, None)

    def give_up_overdue(self, now: float) -> None:
        """Close polls whose connection is dead without saying so. Whether one held a task, nobody can know."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            poll = self._watched.pop(next(iter(self._watched)))
            poll.cancel()

    def next_deadline(self) -> float | None:
        """When the oldest poll becomes overdue."""
        oldest = next(iter(self._watched.values()), None)
        return None if oldest is None else max(oldest.begun + self._watchdog_s, self._none_overdue_before)

    def stalled(self, now: float) -> None:
        """The event loop stood still until ``now``."""
        self._none_overdue_before = now + self._watchdog_s
        for poll in self._polls.values():
            poll.saw_stall = True
