"""Rate buckets inside the core: of decisions and of single executions (spec/swf-semantics 11.2).

Not part of the durable state: a restart refills them. Buckets per account and operation are the shell's.
"""

from __future__ import annotations

from collections.abc import Hashable

from elbflow_engine.core import faults

# Capacity, refill per second. Those of decisions belong to an account, the others to what their comment says.
BUCKETS = {
    "ScheduleActivityTask": (1000, 200),
    "StartTimer": (2000, 200),
    "StartChildWorkflowExecution": (500, 12),
    "SignalExternalWorkflowExecution": (1200, 120),
    "RequestCancelExternalWorkflowExecution": (1200, 120),
    # Our choice: nothing is published for it, and a continuation starts an execution as the operation does.
    "ContinueAsNewWorkflowExecution": (2000, 200),
    # One task list: activities scheduled per second (11.1).
    "TaskList": (2000, 2000),
    # One execution.
    "GetWorkflowExecutionHistory": (400, 200),
    "SignalWorkflowExecution": (1000, 1000),
    "RecordActivityTaskHeartbeat": (1000, 1000),
    "RequestCancelWorkflowExecution": (200, 200),
}
_SWEEP_FROM = 10_000


class Rates:
    """Token buckets by (bucket name, owner); ``scale`` multiplies capacity and refill, 0 admits everything.

    Full buckets are forgotten now and then, so memory follows what was used within the time a bucket takes to refill
    (seconds for executions and task lists), not what was ever used.
    """

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._levels: dict[tuple[str, Hashable], tuple[float, int]] = {}
        self._sweep_at = _SWEEP_FROM

    def __len__(self) -> int:
        return len(self._levels)

    def admit(self, bucket: str, owner: Hashable, now_ms: int) -> bool:
        """Take one token; False when the bucket is empty."""
        if not self._scale:
            return True
        level = self._level(bucket, owner, now_ms)
        admitted = level >= 1
        self._levels[bucket, owner] = (level - admitted, now_ms)
        if len(self._levels) > self._sweep_at:
            self._sweep(now_ms)
        return admitted

    def demand(self, operation: str, execution: Hashable, now_ms: int) -> None:
        """Take a token of one execution's bucket; raises ThrottlingException when there is none."""
        if not self.admit(operation, execution, now_ms):
            raise faults.throttled()

    def _level(self, bucket: str, owner: Hashable, now_ms: int) -> float:
        capacity = self._capacity(bucket)
        level, updated_ms = self._levels.get((bucket, owner), (capacity, now_ms))
        refilled = max(0, now_ms - updated_ms) / 1000 * BUCKETS[bucket][1] * self._scale
        return min(capacity, level + refilled)

    def _capacity(self, bucket: str) -> float:
        """At least one token, however small the scale: an empty bucket must be able to fill."""
        return max(1.0, BUCKETS[bucket][0] * self._scale)

    def _sweep(self, now_ms: int) -> None:
        self._levels = {
            (bucket, owner): level
            for (bucket, owner), level in self._levels.items()
            if self._level(bucket, owner, now_ms) < self._capacity(bucket)
        }
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._levels))
