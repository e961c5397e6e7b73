"""Whether commits are so slow that dispensable work must be refused: pure (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import math

SLOW_S = 1.0
_ENTER_S = (SLOW_S, 2 * SLOW_S)
_LEAVE_S = (0.5 * SLOW_S, SLOW_S)
_MEMORY_S = 2.0


class Shedding:
    """A moving average of how long commits take, weighted by time, and the level that follows from it.

    Level 0 serves all, 1 sheds visibility, 2 starts as well: entered above 1 s and 2 s, left below half of that. A
    commit that has not ended yet counts with its age, and time without commits counts as quick: neither a disk that
    hangs nor a service that refused everything keeps the level from following. All times are of one monotonic clock.
    """

    def __init__(self) -> None:
        self._average_s = 0.0
        self._updated = -math.inf
        self._pending_since: float | None = None
        self._level = 0

    @property
    def watching(self) -> bool:
        """Whether a commit is being timed; one at a time is enough."""
        return self._pending_since is not None

    def began(self, now: float) -> None:
        """A commit was queued; time it."""
        self._settle(now)
        self._pending_since = now

    def ended(self, now: float) -> None:
        """The commit that was timed is over, well or not."""
        self._settle(now)
        self._pending_since = None

    def average_s(self, now: float) -> float:
        """Seconds a commit takes, as felt now."""
        sample_s = 0.0 if self._pending_since is None else now - self._pending_since
        keep = math.exp(-max(0.0, now - self._updated) / _MEMORY_S)
        return sample_s + keep * (self._average_s - sample_s)

    def level(self, now: float) -> int:
        """The level now; it falls by one step for each threshold the average has left behind."""
        average_s = self.average_s(now)
        while self._level < len(_ENTER_S) and average_s > _ENTER_S[self._level]:
            self._level += 1
        while self._level > 0 and average_s < _LEAVE_S[self._level - 1]:
            self._level -= 1
        return self._level

    def _settle(self, now: float) -> None:
        self._average_s = self.average_s(now)
        self._updated = now
