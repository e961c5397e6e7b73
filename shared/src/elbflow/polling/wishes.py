"""What may be asked for a lane: each refusal says what to change instead."""

from __future__ import annotations

import math


def check(
    *,
    slots: int,
    max_polls: int,
    most_polls: int,
    min_polls: int,
    weight: float,
    max_dispatch_latency_s: float | None,
) -> None:
    """Raises ``ValueError`` for numbers that no lane can have; ``most_polls`` is what the endpoint bears on a list."""
    if slots < 1 or max_polls < 1:
        raise ValueError(
            f"a lane needs at least one slot and one poll, not slots={slots} and max_polls={max_polls}; "
            "do not add a lane that shall take no tasks"
        )
    if max_polls > most_polls:
        raise ValueError(
            f"max_polls={max_polls} must be at most {most_polls}: endpoints take 1,000 polls per task list from all "
            "hosts together and drop tasks beyond; use fewer, or several task lists"
        )
    if not 1 <= min_polls <= min(slots, max_polls):
        raise ValueError(
            f"min_polls={min_polls} must be from 1 to {min(slots, max_polls)}, the smaller of slots={slots} and "
            f"max_polls={max_polls}: polls are only issued for tasks that could start at once; raise slots or max_polls"
        )
    if not (math.isfinite(weight) and weight > 0.0):
        raise ValueError(f"weight={weight} must be above 0: 1.0 is an ordinary lane, 2.0 gets twice the spare polls")
    if max_dispatch_latency_s is not None and not max_dispatch_latency_s > 0.0:
        raise ValueError(
            f"max_dispatch_latency_s={max_dispatch_latency_s} must be above 0 seconds; None accepts any latency, "
            "latency_critical=True keeps a poll parked for good"
        )
