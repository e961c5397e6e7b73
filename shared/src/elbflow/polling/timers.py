"""When paced lanes may poll again: one heap for all of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from elbflow.polling.lane import LaneState


class LaneTimers:
    """A lane has one valid timer at a time, the last that was set; an older one that comes up is dropped."""

    def __init__(self) -> None:
        self._timers: list[tuple[float, int, LaneState]] = []

    def set(self, lane: LaneState, due: float) -> None:
        """Have ``lane`` come up at monotonic ``due``."""
        if lane.timer != due:
            lane.timer = due
            heapq.heappush(self._timers, (due, lane.serial, lane))

    def due(self, now: float) -> Iterator[LaneState]:
        """The lanes whose time has come, each once."""
        while self._timers and self._timers[0][0] <= now:
            due, _, lane = heapq.heappop(self._timers)
            if lane.timer == due:
                lane.timer = None
                yield lane

    def next(self) -> float | None:
        """When to look again."""
        return self._timers[0][0] if self._timers else None
