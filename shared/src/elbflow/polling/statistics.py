"""Snapshots that say why each lane is or is not polling."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from elbflow import swf
from elbflow.polling.bound import Bound
from elbflow.polling.outcome import Outcome
from elbflow.polling.probing import Tally
from elbflow.polling.tenants import TenantUse


class Waiting(enum.StrEnum):
    """Why a lane has no further poll in flight."""

    NOTHING = "at its target"
    TURN = "about to be polled"
    NO_SLOT = "all slots are taken"
    PACED = "paced after its last outcome"
    NO_RATE = "issue rate used up"
    NO_BUDGET = "poll budget used up"
    KEPT = "what is left of the budget is kept for others"
    ENDPOINT_DOWN = "endpoint does not answer"
    NOT_STARTED = "scheduler has not started"
    DRAINING = "scheduler is draining"
    CLOSED = "lane is closed"
    FAILED = "stopped by an invalid request"


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """One lane at one moment.

    ``waiting`` says why it has no further poll in flight, ``pace_s`` is the time until it may poll again,
    ``unpolled_s`` the time since its last poll ended, ``bound_s`` how long a task may wait for its turn, and ``early``
    and ``failures`` count the answers of these kinds in a row. A slot is free, used by a handler, or reserved by a
    parked poll.

    What was learned of its work: ``wanted`` polls, of which ``ceiling`` and free slots leave ``target``; the share of
    polls that bring a task (``hit_rate``), how long these were parked (``wait_s``), tasks in a row that were already
    waiting (``hot``), tasks per second lately (``arrivals``), how long a handler runs (``handler_s``), and whether the
    lane would have grown if it could (``blocked``). ``backlog`` is what the endpoint last said, None when it never did.
    """

    task_list: swf.TaskList
    lane_class: str
    tenant: str
    weight: float
    latency_critical: bool
    max_dispatch_latency_s: float | None
    min_polls: int
    wanted: int
    ceiling: int
    target: int
    parked: int
    slots: int
    slots_used: int
    slots_free: int
    pace_s: float
    unpolled_s: float
    bound_s: float
    last_outcome: Outcome | None
    waiting: Waiting
    early: int
    failures: int
    hit_rate: float
    wait_s: float
    hot: int
    arrivals: float
    handler_s: float
    blocked: bool
    backlog: int | None
    tasks: int
    polls: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class GovernorStatistics:
    """Rate of one kind of poll, in polls per second; ``next_token_s`` is the time until one more may go out."""

    kind: swf.TaskKind
    rate: float
    configured: float
    next_token_s: float


@dataclass(frozen=True, slots=True)
class SchedulerStatistics:
    """The scheduler at one moment. Durations are seconds.

    ``sharing`` says how lanes share connections, and how long a task may wait for its lane's turn (of several tenants,
    for the one that is worst off); ``probes`` counts the questions for pending tasks. ``endpoint_open`` says whether
    polls go out, ``endpoints`` which addresses are believed to answer. ``refused`` is the first lane
    whose polls SWF calls invalid. ``lanes`` is empty when only the totals were asked for.
    """

    profile: str
    identity: str
    budget_limit: int
    budget_used: int
    budget_reserve: int
    tenants: tuple[TenantUse, ...]
    handlers: int
    hold_s: float
    sharing: Bound
    probes: Tally
    governors: tuple[GovernorStatistics, ...]
    endpoint_open: bool
    endpoint_failing_rounds: int
    endpoints: Mapping[str, bool]
    stopping: bool
    lane_count: int
    refused: swf.TaskList | None
    refused_because: str | None
    lanes: tuple[LaneStatistics, ...]

    @property
    def issue_rate(self) -> dict[swf.TaskKind, float]:
        """Polls per second that may be issued now; may be below the configured rate."""
        return {governor.kind: governor.rate for governor in self.governors}
