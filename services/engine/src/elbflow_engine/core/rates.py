"""Rate buckets of decisions (spec/swf-semantics 11.2). Not part of the durable state: a restart refills them."""

from __future__ import annotations

from collections.abc import Hashable

BUCKETS = {
    "ScheduleActivityTask": (1000, 200),
    "StartTimer": (2000, 200),
    "StartChildWorkflowExecution": (500, 12),
    "SignalExternalWorkflowExecution": (1200, 120),
    "RequestCancelExternalWorkflowExecution": (1200, 120),
    "TaskList": (2000, 2000),
}


class Rates:
    """Token buckets by (bucket name, owner); ``scale`` multiplies capacity and refill, 0 admits everything."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._levels: dict[tuple[str, Hashable], tuple[float, int]] = {}

    def admit(self, bucket: str, owner: Hashable, now_ms: int) -> bool:
        """Take one token; False when the bucket is empty."""
        if not self._scale:
            return True
        capacity, refill_per_s = (value * self._scale for value in BUCKETS[bucket])
        level, updated_ms = self._levels.get((bucket, owner), (capacity, now_ms))
        level = min(capacity, level + max(0, now_ms - updated_ms) / 1000 * refill_per_s)
        admitted = level >= 1
        self._levels[bucket, owner] = (level - admitted, now_ms)
        return admitted
