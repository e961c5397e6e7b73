"""What an emulated server saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Counts:
    """Totals since the last reset. Times are monotonic seconds of this machine, so clients can compare them.

    ``per_s`` has the polls that came in each second since ``since``. ``done`` and ``done_s`` (seconds from creation to
    answer) are of tasks created since then. ``parked_max`` and ``queued_max`` are the highest numbers at one moment.
    """

    since: float = 0.0
    polls: int = 0
    short_calls: int = 0
    offered: int = 0
    given: int = 0
    done: int = 0
    lost: int = 0
    empty_full: int = 0
    empty_early: int = 0
    throttled: int = 0
    limited: int = 0
    parked_max: int = 0
    queued_max: int = 0
    per_s: Counter[int] = field(default_factory=Counter)
    done_s: list[float] = field(default_factory=list)

    def poll(self, now: float) -> None:
        """A poll came in."""
        self.polls += 1
        self.per_s[int(now - self.since)] += 1

    def report(self, now: float) -> dict[str, Any]:
        """All of it as JSON; ``per_s`` as a list without gaps that ends with the last whole second."""
        seconds = int(now - self.since)
        return asdict(self) | {"per_s": [self.per_s[second] for second in range(seconds)], "seconds": now - self.since}
