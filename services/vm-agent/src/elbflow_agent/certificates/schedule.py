"""Pure: when to look at a certificate again (spec/vm-agent-data-plane REQ-7.4)."""

from __future__ import annotations

import random

REFRESH_S = 6 * 3600.0
REFRESH_SPREAD = 0.1
NEAR_THE_END_S = 7 * 24 * 3600.0
NEAR_REFRESH_S = 3600.0
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 300.0
_DOUBLINGS = 9
ALARM_S = 14 * 24 * 3600.0
"""How long before its end a VM's delegation certificate is worth an alarm."""


def refresh_in_s(left_s: float, rng: random.Random) -> float:
    """Seconds until a certificate that lives for ``left_s`` more is looked at again.

    Every six hours, give or take; every hour in its last week, when its owner will put another one in its place.
    """
    period_s = NEAR_REFRESH_S if left_s < NEAR_THE_END_S else min(REFRESH_S, left_s - NEAR_THE_END_S + NEAR_REFRESH_S)
    return period_s * rng.uniform(1 - REFRESH_SPREAD, 1 + REFRESH_SPREAD)


def retry_in_s(failures: int, rng: random.Random) -> float:
    """Seconds until the next attempt after so many failures in a row: from one second up to five minutes."""
    longest_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, _DOUBLINGS))
    return longest_s * rng.uniform(0.75, 1.0)
