"""What the scheduler tells Prometheus (spec/swf-long-poll-scale 5.15).

Labels are lane classes and kinds, never task list names: a process may have thousands of lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from elbflow import swf
from elbflow.polling.budget import Budget
from elbflow.polling.gauges import ClassTotals, Empties, LaneGauges

if TYPE_CHECKING:
    from elbflow.polling.feedback import Feedback

_LANE = ("lane_class", "kind")
_POLL_SECONDS = (0.01, 0.05, 0.2, 1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 75.0)
_DELAY_SECONDS = (0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
_WAIT_SECONDS = (0.01, 0.05, 0.2, 1.0, 5.0, 15.0, 60.0, 300.0)
_PACE_SECONDS = (0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """All collectors of one scheduler. Make one per registry: Prometheus refuses the same name twice."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.budget_used = Gauge("swf_poll_budget_used", "Connections parked or sending", registry=registry)
        self.budget_limit = Gauge("swf_poll_budget_limit", "Connections that may be parked", registry=registry)
        self.hold = Gauge("swf_poll_hold_learned_seconds", "Hold time learned from empty polls", registry=registry)
        self.rate = Gauge("swf_governor_rate", "Polls that may be issued per second", ("kind",), registry=registry)
        self.configured_rate = Gauge(
            "swf_governor_configured_rate",
            "The most polls per second that this process may issue",
            ("kind",),
            registry=registry,
        )
        self.breaker = Gauge(
            "swf_poll_breaker_open", "1 while polls are held back because no endpoint answers", registry=registry
        )
        self.results = Counter("swf_poll_results", "Polls by how they ended", (*_LANE, "outcome"), registry=registry)
        self.wasted = Counter("swf_poll_wasted", "Empty answers before the hold was over", _LANE, registry=registry)
        self.ambiguous = Counter("swf_poll_ambiguous", "Polls that may have lost a task", _LANE, registry=registry)
        self.abandoned = Counter("swf_polls_abandoned", "Polls given up in flight", _LANE, registry=registry)
        self.handler_failures = Counter(
            "swf_handler_failures", "Handlers that raised an exception", _LANE, registry=registry
        )
        self.duration = Histogram(
            "swf_poll_duration_seconds",
            "Time from sending a poll to its end",
            ("kind", "outcome"),
            buckets=_POLL_SECONDS,
            registry=registry,
        )
        self.dispatch_delay = Histogram(
            "swf_dispatch_delay_seconds",
            "Time from the answer of a poll to the start of the handler",
            _LANE,
            buckets=_DELAY_SECONDS,
            registry=registry,
        )
        self.schedule_to_start = Histogram(
            "swf_schedule_to_start_seconds",
            "Time from the scheduling of a decision task to its arrival",
            ("lane_class",),
            buckets=_WAIT_SECONDS,
            registry=registry,
        )
        self.pace_delay = Histogram(
            "swf_poll_pace_delay_seconds",
            "Delays before polling again, by the outcome that caused them",
            ("kind", "outcome"),
            buckets=_PACE_SECONDS,
            registry=registry,
        )
        self.dispatch_bound = Gauge(
            "swf_dispatch_bound_seconds", "Longest wait of a task for its lane's turn, as computed", registry=registry
        )
        self.probes = Counter(
            "swf_probes", "Questions for the pending tasks of a lane by their result", ("result",), registry=registry
        )
        self.lane_gauges = LaneGauges()
        registry.register(self.lane_gauges)

    def watch(self, budget: Budget, feedback: Feedback) -> None:
        """Read the gauges of shared state at scrape time, so that no poll pays for them."""
        self.budget_limit.set(budget.limit)
        self.budget_used.set_function(lambda: float(budget.used))
        self.hold.set_function(lambda: feedback.hold.hold_s)
        self.breaker.set_function(lambda: float(feedback.breaker.is_open))
        for kind, governor in feedback.governors.items():
            self.rate.labels(kind.value).set_function(partial(getattr, governor, "rate"))
            self.configured_rate.labels(kind.value).set(governor.configured)
        self.lane_gauges.tenants = budget.tenants

    def watch_sharing(self, worst_s: Callable[[], float]) -> None:
        """Read how long a task may wait for its lane's turn when Prometheus asks."""
        self.dispatch_bound.set_function(worst_s)

    def watch_lanes(self, totals: Callable[[], Iterable[ClassTotals]]) -> None:
        """Sum up the lanes with ``totals`` when Prometheus asks: one walk over them per scrape, nothing per poll."""
        self.lane_gauges.totals = totals

    def of_lane(self, lane_class: str, kind: swf.TaskKind) -> LaneMetrics:
        """The collectors of one lane's class and kind, looked up once."""
        labels = (lane_class, kind.value)
        return LaneMetrics(
            wasted=self.wasted.labels(*labels),
            ambiguous=self.ambiguous.labels(*labels),
            abandoned=self.abandoned.labels(*labels),
            handler_failures=self.handler_failures.labels(*labels),
            dispatch_delay=self.dispatch_delay.labels(*labels),
            schedule_to_start=self.schedule_to_start.labels(lane_class),
            empties=self.lane_gauges.empties(lane_class, kind),
            _all=self,
            _labels=labels,
        )


@dataclass(slots=True)
class LaneMetrics:
    """One lane's share of :class:`Metrics`."""

    wasted: Counter
    ambiguous: Counter
    abandoned: Counter
    handler_failures: Counter
    dispatch_delay: Histogram
    schedule_to_start: Histogram
    empties: Empties
    _all: Metrics
    _labels: tuple[str, str]
    _by_outcome: dict[str, tuple[Counter, Histogram, Histogram]] = field(default_factory=dict)

    def ended(self, outcome: str, duration_s: float) -> None:
        """One poll ended."""
        results, duration, _ = self._for(outcome)
        results.inc()
        duration.observe(duration_s)
        self.empties.ended(outcome)

    def paced(self, outcome: str, delay_s: float) -> None:
        """The lane waits ``delay_s`` because of ``outcome``."""
        self._for(outcome)[2].observe(delay_s)

    def _for(self, outcome: str) -> tuple[Counter, Histogram, Histogram]:
        found = self._by_outcome.get(outcome)
        if found is None:
            kind = self._labels[1]
            found = self._by_outcome[outcome] = (
                self._all.results.labels(*self._labels, outcome),
                self._all.duration.labels(kind, outcome),
                self._all.pace_delay.labels(kind, outcome),
            )
        return found
