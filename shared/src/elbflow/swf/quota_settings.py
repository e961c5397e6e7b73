"""How much of an account's SWF request quotas one process may use (spec/swf-semantics 11.2, swf-long-poll-scale 5.7).

Quotas belong to an account and region, and whoever else works there needs them too. A process therefore keeps to a
share of each, well below half when the shares of all services are added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_SHARE = 0.25
REGISTER_SHARE = 0.1
PAGES_SHARE = 0.1
EUCALYPTUS_SCALE = 0.1
PAGED_POLL = "PollForDecisionTask"


@dataclass(frozen=True, slots=True)
class Quota:
    """A token bucket: ``burst`` calls at once, ``per_s`` more every second."""

    burst: float
    per_s: float

    def times(self, factor: float) -> Quota:
        return Quota(self.burst * factor, self.per_s * factor)


def _table(*rows: tuple[float, float, str]) -> Mapping[str, Quota]:
    return {name: Quota(burst, per_s) for burst, per_s, names in rows for name in names.split()}


PUBLISHED: Mapping[str, Quota] = _table(
    (2000, 200, "PollForActivityTask PollForDecisionTask"),
    (2000, 200, "RespondActivityTaskCompleted RespondActivityTaskFailed RespondActivityTaskCanceled"),
    (2000, 200, "RespondDecisionTaskCompleted StartWorkflowExecution"),
    (2000, 160, "RecordActivityTaskHeartbeat"),
    (2000, 60, "TerminateWorkflowExecution GetWorkflowExecutionHistory"),
    (2000, 30, "SignalWorkflowExecution RequestCancelWorkflowExecution"),
    (2000, 6, "CountOpenWorkflowExecutions CountClosedWorkflowExecutions DescribeWorkflowExecution"),
    (2000, 6, "DescribeActivityType DescribeWorkflowType"),
    (200, 6, "CountPendingActivityTasks CountPendingDecisionTasks DescribeDomain ListClosedWorkflowExecutions"),
    (200, 6, "ListActivityTypes ListWorkflowTypes DeprecateActivityType DeprecateWorkflowType"),
    (200, 48, "ListOpenWorkflowExecutions"),
    (200, 60, "RegisterActivityType RegisterWorkflowType"),
    (100, 6, "ListDomains RegisterDomain DeprecateDomain"),
)
"""Amazon's default quotas of the operations that clients call, per account and region. They can be raised."""


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """This process's part of the account's quotas; ``ValueError`` for parts that cannot be.

    ``share`` is the part (0 to 1) of every operation's quota (at most a tenth of those of registrations), ``shares``
    that of single operations, and both are divided by ``processes``, the number of processes that use them together.
    ``scale`` says how the account's quotas
    compare with the published ones. An operation without a published quota is not limited.
    """

    share: float = DEFAULT_SHARE
    shares: Mapping[str, float] = field(default_factory=dict)
    processes: int = 1
    scale: float = 1.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.shares) - set(PUBLISHED))
        if unknown:
            raise ValueError(
                f"there is no quota of {', '.join(unknown)}; shares can be given for {', '.join(PUBLISHED)}"
            )
        for name, share in (("share", self.share), *self.shares.items()):
            if not 0.0 < share <= 1.0:
                raise ValueError(f"{name}={share} must be above 0 and at most 1, a part of the account's quota")
        if self.processes < 1 or not self.scale > 0.0:
            raise ValueError(f"processes={self.processes} must be at least 1 and scale={self.scale} above 0")

    @classmethod
    def eucalyptus(cls) -> QuotaSettings:
        """Eucalyptus publishes no quotas; 32 threads serve everybody, so a tenth of Amazon's is what it bears."""
        return cls(scale=EUCALYPTUS_SCALE)

    def of(self, operation: str) -> Quota | None:
        """What this process may use of the operation's quota; None when there is none."""
        published = PUBLISHED.get(operation)
        if published is None:
            return None
        # Every service registers its types when it starts, so each gets less.
        usual = min(self.share, REGISTER_SHARE) if operation.startswith("Register") else self.share
        return published.times(self.scale * self.shares.get(operation, usual) / self.processes)

    def of_short_call(self, operation: str) -> Quota | None:
        """As :meth:`of`, for a call that does not park.

        Of the polls only further pages of a history are short calls. The scheduler governs the polls themselves, so
        pages get a tenth of the quota beside them.
        """
        if operation == PAGED_POLL:
            return PUBLISHED[PAGED_POLL].times(self.scale * PAGES_SHARE / self.processes)
        return self.of(operation)
