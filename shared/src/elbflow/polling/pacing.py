"""When a lane may poll again (spec/swf-long-poll-scale 5.4, 5.6). Pure: time and randomness come in as arguments."""

from __future__ import annotations

import random
from dataclasses import dataclass

from elbflow.polling.outcome import Outcome

EARLY_BASE_S = 0.25
EARLY_CAP_S = 10.0
LEADER_CAP_S = (0.8, 1.2)
SHORTEST_S = 0.01
_MAX_DOUBLINGS = 16

_CONNECT = (0.2, 10.0)
_SERVER = (0.5, 30.0)
_GROWING: dict[Outcome, tuple[float, float]] = {
    Outcome.CONNECT: _CONNECT,
    Outcome.AMBIGUOUS: _CONNECT,
    Outcome.SERVER: _SERVER,
    Outcome.DEFECT: _SERVER,
}
_FIXED: dict[Outcome, tuple[float, float]] = {
    Outcome.LIST_LIMIT: (5.0, 30.0),
    Outcome.UNKNOWN_RESOURCE: (15.0, 45.0),
    Outcome.DENIED: (55.0, 65.0),
}


@dataclass(slots=True)
class Pace:
    """Pace of one lane, in monotonic seconds.

    The *leader* is the poll of a lane that has none in flight; after early answers it waits about a second at most,
    so pacing never delays a real task longer. The others wait the full delay.
    """

    leader_at: float = 0.0
    others_at: float = 0.0
    early: int = 0
    failures: int = 0

    def due(self, *, leader: bool) -> float:
        """Instant from which the next poll may be issued."""
        return self.leader_at if leader else max(self.leader_at, self.others_at)

    def postpone(self, until: float) -> None:
        """Nothing before ``until``; a longer wait stays."""
        self.leader_at = max(self.leader_at, until)
        self.others_at = max(self.others_at, until)

    def hasten(self, until: float) -> None:
        """Nothing later than ``until``: the reason for waiting longer is gone."""
        self.leader_at = min(self.leader_at, until)
        self.others_at = min(self.others_at, until)

    def clear(self, now: float) -> None:
        """A task came, or an empty answer after the full hold: poll again at once."""
        self.early = self.failures = 0
        self.hasten(now)

    def early_empty(self, now: float, rng: random.Random, *, spread_s: float = 0.0) -> float:
        """Wait after an early empty answer, growing while they go on (I7); returns the leader's delay.

        ``spread_s`` is set when most lanes saw one at the same time: then all come back evenly over that time.
        """
        self.early += 1
        delay = rng.uniform(SHORTEST_S, min(EARLY_CAP_S, EARLY_BASE_S * _doubled(self.early - 1)))
        leader = min(delay, rng.uniform(*LEADER_CAP_S))
        if spread_s > 0.0:
            leader = delay = rng.uniform(SHORTEST_S, spread_s)
        self.leader_at = max(self.leader_at, now + leader)
        self.others_at = max(self.others_at, now + delay)
        return leader

    def failed(self, outcome: Outcome, now: float, rng: random.Random, *, endpoint_failures: int = 0) -> float:
        """Back off after a fault; returns the delay. ``endpoint_failures`` are rounds in which the endpoint failed."""
        self.failures += 1
        delay = backoff_s(outcome, max(self.failures, endpoint_failures), rng)
        self.postpone(now + delay)
        return delay


def backoff_s(outcome: Outcome, consecutive: int, rng: random.Random) -> float:
    """Seconds to wait after the ``consecutive``-th fault of this class in a row, with full jitter."""
    if outcome in _FIXED:
        return rng.uniform(*_FIXED[outcome])
    if outcome in _GROWING:
        base, cap = _GROWING[outcome]
        return rng.uniform(SHORTEST_S, min(cap, base * _doubled(consecutive)))
    if outcome is Outcome.THROTTLED:
        return rng.uniform(1.0, min(10.0, _doubled(consecutive)))
    if outcome is Outcome.AUTH and consecutive > 1:
        return rng.uniform(1.0, min(30.0, _doubled(consecutive)))
    return 0.0


def _doubled(times: int) -> float:
    return float(2 ** min(times, _MAX_DOUBLINGS))
