"""How long the endpoint parks an empty poll, learned from its answers (spec/swf-long-poll-scale 5.4)."""

from __future__ import annotations

import math
from collections import deque

WINDOW = 20
ENOUGH = 5
COUNTED_FROM_S = 20.0
EARLY_BELOW = 0.8


class LearnedHold:
    """The 90th percentile of the last twenty empty polls of at least 20 s; the profile's value until five were seen.

    Shorter empties never count: an endpoint that answers early must not teach that early is normal.
    """

    def __init__(self, expected_s: float) -> None:
        self._expected_s = expected_s
        self._seen: deque[float] = deque(maxlen=WINDOW)
        self.hold_s = expected_s
        """Seconds that an empty poll is expected to park."""

    def observe(self, duration_s: float) -> None:
        """Take note of one empty answer to a poll that asked for no hold of its own."""
        if duration_s >= COUNTED_FROM_S:
            self._seen.append(duration_s)
            if len(self._seen) >= ENOUGH:
                self.hold_s = sorted(self._seen)[math.ceil(0.9 * len(self._seen)) - 1]

    @property
    def early_below_s(self) -> float:
        """An empty answer faster than this is early."""
        if len(self._seen) < ENOUGH:
            return min(COUNTED_FROM_S, 0.5 * self._expected_s)
        return EARLY_BELOW * self.hold_s

    def is_early(self, duration_s: float, asked_s: float | None = None) -> bool:
        """``asked_s`` is the shorter hold that the poll asked for, if it did."""
        if asked_s is not None and duration_s >= EARLY_BELOW * asked_s:
            return False
        return duration_s < self.early_below_s
