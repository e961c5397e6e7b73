"""How many polls a lane may have at most, by what the endpoint bears (spec/swf-long-poll-scale 5.4, 5.6). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

LIMIT_HOLD_S = 300.0
HERD_WITHIN_S = 0.02
HERD_AT_MOST_EVERY_S = 1.0


@dataclass(slots=True)
class Ceiling:
    """Starts at ``maximum``; falls when the endpoint refuses or wakes a herd, and rises by one with good answers."""

    maximum: int
    value: int = field(init=False)
    _limited: bool = False
    _raise_from: float = 0.0
    _early_at: float = float("-inf")
    _halved_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.value = self.maximum

    def refused(self, in_flight: int, now: float) -> None:
        """The list has too many pollers: stay at what it has, try one more every five minutes."""
        self.value = max(1, min(in_flight, self.value))
        self._limited = True
        self._raise_from = now + LIMIT_HOLD_S

    def early_empty(self, now: float) -> None:
        """Two early empties within 20 ms: the endpoint wakes all polls for one task, so more polls only add load."""
        herd = now - self._early_at <= HERD_WITHIN_S
        self._early_at = now
        if herd and now - self._halved_at >= HERD_AT_MOST_EVERY_S:
            self.value = max(1, self.value // 2)
            self._halved_at = now

    def good(self, now: float) -> None:
        """A task came, or an empty answer after the full hold."""
        if self.value >= self.maximum:
            self._limited = False
        elif now >= self._raise_from:
            self.value += 1
            self._raise_from = now + LIMIT_HOLD_S if self._limited else now
