"""When a short SWF call is tried again (spec/swf-long-poll-scale 5.14). Polls are never retried here."""

from __future__ import annotations

import random
from dataclasses import dataclass

from elbflow.swf import errors

MAYBE_CARRIED_OUT = (errors.Ambiguous, errors.Unavailable)
STALE_WITHIN_S = 0.05
_AGAIN = (errors.ConnectFailed, errors.Throttled, *MAYBE_CARRIED_OUT)


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Full-jitter back-off: up to ``attempts`` tries, started within ``budget_s`` seconds of the first.

    The default outlasts a restart of the service: refused connections would use up five tries in three seconds, and
    with them the answer of an activity that took an hour.
    """

    attempts: int = 20
    budget_s: float = 60.0
    base_s: float = 0.2
    throttled_base_s: float = 1.0
    cap_s: float = 5.0

    def pause(self, fault: errors.SwfError, made: int, elapsed_s: float, rng: random.Random) -> float | None:
        """Seconds to wait after the ``made``-th try failed ``elapsed_s`` after the start; None to give up."""
        if made >= self.attempts or not isinstance(fault, _AGAIN):
            return None
        if made == 1 and isinstance(fault, errors.Ambiguous) and elapsed_s < STALE_WITHIN_S:
            return 0.0  # the peer had closed the idle connection: another one will do
        base = self.throttled_base_s if isinstance(fault, errors.Throttled) else self.base_s
        pause = rng.uniform(0.0, min(self.cap_s, base * 2.0**made))
        return pause if elapsed_s + pause < self.budget_s else None
