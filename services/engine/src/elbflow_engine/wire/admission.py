"""Request-rate admission: one token bucket per account and operation (spec/swf-semantics 11.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``capacity`` requests at once, ``refill_per_s`` more every second."""

    capacity: float
    refill_per_s: float


def _table(*rows: tuple[float, float, str]) -> Mapping[str, Rate]:
    return {name: Rate(capacity, refill) for capacity, refill, names in rows for name in names.split()}


PUBLISHED: Mapping[str, Rate] = _table(
    (2000, 200, "PollForActivityTask PollForDecisionTask"),
    (2000, 200, "RespondActivityTaskCompleted RespondActivityTaskFailed RespondActivityTaskCanceled"),
    (2000, 200, "RespondDecisionTaskCompleted StartWorkflowExecution"),
    (2000, 160, "RecordActivityTaskHeartbeat"),
    (2000, 60, "TerminateWorkflowExecution GetWorkflowExecutionHistory"),
    (2000, 30, "SignalWorkflowExecution RequestCancelWorkflowExecution"),
    (2000, 6, "CountOpenWorkflowExecutions CountClosedWorkflowExecutions DescribeWorkflowExecution"),
    (2000, 6, "DescribeActivityType DescribeWorkflowType"),
    (200, 6, "CountPendingActivityTasks CountPendingDecisionTasks DescribeDomain ListClosedWorkflowExecutions"),
    (200, 6, "DeleteActivityType DeleteWorkflowType DeprecateActivityType DeprecateWorkflowType"),
    (200, 6, "UndeprecateActivityType UndeprecateWorkflowType ListActivityTypes ListWorkflowTypes"),
    (200, 48, "ListOpenWorkflowExecutions"),
    (200, 60, "RegisterActivityType RegisterWorkflowType"),
    (100, 6, "ListDomains RegisterDomain DeprecateDomain UndeprecateDomain"),
    (50, 30, "TagResource UntagResource ListTagsForResource"),
)
"""Default quotas of Amazon SWF, per account and region."""


class Admission:
    """Decides whether a request may be served now. ``scale`` multiplies all rates; 0 admits everything."""

    def __init__(self, scale: float, rates: Mapping[str, Rate] = PUBLISHED) -> None:
        self._scale = scale
        self._rates = rates
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def admit(self, account: str, operation: str, now: float) -> bool:
        """Take a token; False when there is none. ``now`` is monotonic seconds."""
        rate = self._rates.get(operation)
        if self._scale <= 0 or rate is None:
            return True
        key = (account, operation)
        tokens, since = self._buckets.get(key, (self._capacity(rate), now))
        tokens = self._filled(rate, tokens, now - since)
        if tokens < 1:
            self._buckets[key] = (tokens, now)
            return False
        self._buckets[key] = (tokens - 1, now)
        if len(self._buckets) > MOST_BUCKETS:
            self._forget_full(now)
        return True

    def _capacity(self, rate: Rate) -> float:
        """At least one token, however small the scale: an empty bucket must be able to fill."""
        return max(1.0, rate.capacity * self._scale)

    def _filled(self, rate: Rate, tokens: float, elapsed_s: float) -> float:
        return min(self._capacity(rate), tokens + rate.refill_per_s * self._scale * elapsed_s)

    def _forget_full(self, now: float) -> None:
        """A full bucket is the same as none; accounts that stopped calling need no memory."""
        for (account, operation), (tokens, since) in list(self._buckets.items()):
            rate = self._rates[operation]
            if self._filled(rate, tokens, now - since) >= self._capacity(rate):
                del self._buckets[account, operation]
