"""How many polls a lane wants, learned from what its polls bring (spec/swf-long-poll-scale 5.5). Pure.

An endpoint that says nothing about its backlog is judged by its answers: two tasks in a row that were already waiting
mean that more tasks wait. Polls that were asked for cannot be taken back, so this guess may only grow a lane by a
quarter per second. An endpoint that tells its backlog is believed: then a lane may double with every answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from elbflow import swf

HOT_WITHIN_S = 0.2
GROW_AFTER_HOT = 2
COOL_DOWN_S = 1.0
ADVISED_COOL_DOWN_S = 0.1
FREEZE_S = 10.0
SMOOTHING = 0.2


@dataclass(slots=True)
class Demand:
    """Demand of one lane. Times are monotonic seconds, all averages are exponential with weight 0.2.

    ``wanted`` is never below ``minimum``. ``hot`` counts tasks in a row that were already waiting when asked for;
    ``is_blocked`` says that the lane would have grown if its slots or its ceiling had allowed it.
    """

    minimum: int
    wanted: int = field(init=False)
    hot: int = 0
    hit_rate: float = 0.0
    wait_s: float = 0.0
    handler_s: float = 0.0
    is_blocked: bool = False
    _turnaround_s: float = 0.0
    _gap_s: float = math.inf
    _arrived_at: float = -math.inf
    _grow_from: float = -math.inf

    def __post_init__(self) -> None:
        self.wanted = self.minimum

    def task(self, wait_s: float, now: float, room: int, hints: swf.Hints | None = None) -> None:
        """A poll brought a task after ``wait_s`` seconds; the lane could use up to ``room`` polls from now on."""
        self.hit_rate += SMOOTHING * (1.0 - self.hit_rate)
        self.wait_s += SMOOTHING * (wait_s - self.wait_s)
        self._arrived(now)
        self.hot = self.hot + 1 if wait_s < HOT_WITHIN_S else 0
        if self.hot:
            self._turnaround_s += SMOOTHING * (wait_s - self._turnaround_s)
        if hints is not None and hints.backlog is not None:
            self._advised(hints.scale, hints.backlog, now, room)
        elif self.hot >= GROW_AFTER_HOT or self.wanted < self._always_busy(now):
            self._grow(max(1, self.wanted // 4), COOL_DOWN_S, now, room)

    def full_empty(self) -> None:
        """A poll was held to its end for nothing: one poll less, of those that ended by themselves."""
        self._missed()
        self.wanted = max(self.minimum, self.wanted - 1)

    def early_empty(self) -> None:
        """An empty answer before its time says nothing about the work there is."""
        self._missed()

    def throttled(self, now: float) -> None:
        """The endpoint refused polls of this kind: half as many, and no growth for ten seconds."""
        self.hot = 0
        self.wanted = max(self.minimum, math.ceil(self.wanted / 2))
        self._grow_from = max(self._grow_from, now + FREEZE_S)

    def handled(self, took_s: float) -> None:
        """A handler ran for ``took_s`` seconds."""
        self.handler_s += SMOOTHING * (took_s - self.handler_s) if self.handler_s else took_s

    def arrivals(self, now: float) -> float:
        """Tasks per second lately."""
        gap_s = max(self._gap_s, now - self._arrived_at)
        return 1.0 / gap_s if gap_s > 0.0 else math.inf

    def _always_busy(self, now: float) -> int:
        """Polls that are under way at any time only to fetch tasks that already wait, and one to listen."""
        busy = self.arrivals(now) * self._turnaround_s
        return math.ceil(busy) + 1 if math.isfinite(busy) else 1

    def _advised(self, scale: int, backlog: int, now: float, room: int) -> None:
        if scale > 0:
            self._grow(min(backlog, self.wanted), ADVISED_COOL_DOWN_S, now, room)
        elif scale < 0:
            self.wanted = max(self.minimum, self.wanted - 1)

    def _grow(self, by: int, cool_down_s: float, now: float, room: int) -> None:
        self.is_blocked = self.wanted >= room
        if not self.is_blocked and by > 0 and now >= self._grow_from:
            self.wanted = min(self.wanted + by, room)
            self._grow_from = now + cool_down_s

    def _arrived(self, now: float) -> None:
        gap_s = now - self._arrived_at
        known = math.isfinite(self._gap_s)
        self._gap_s = self._gap_s + SMOOTHING * (gap_s - self._gap_s) if known else gap_s
        self._arrived_at = now

    def _missed(self) -> None:
        self.hot = 0
        self.is_blocked = False
        self.hit_rate -= SMOOTHING * self.hit_rate
