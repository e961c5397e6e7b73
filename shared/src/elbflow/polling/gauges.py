"""Gauges that are summed up over all lanes, or tenants, only when Prometheus asks (spec/swf-long-poll-scale 5.15)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from elbflow import swf
from elbflow.polling.outcome import Outcome
from elbflow.polling.tenants import TenantUse

LATEST_WEIGHT = 0.05
_EMPTY: dict[str, float] = {Outcome.TASK: 0.0, Outcome.FULL_EMPTY: 1.0, Outcome.EARLY_EMPTY: 1.0}
_LANE = ("lane_class", "kind")


@dataclass(slots=True)
class ClassTotals:
    """All lanes of one class and kind, added up at one moment.

    ``unpolled_s`` is the longest time that one of them, able to start a task, has been without a poll. ``backlog`` is
    what endpoints that tell said last; None when none did.
    """

    lane_class: str
    kind: swf.TaskKind
    lanes: int = 0
    target: int = 0
    parked: int = 0
    running: int = 0
    slots: int = 0
    unpolled_s: float = 0.0
    backlog: int | None = None


@dataclass(slots=True)
class Empties:
    """Share of the answered polls that brought no task; the latest answer counts for a twentieth."""

    ratio: float | None = None

    def ended(self, outcome: str) -> None:
        """A poll ended; one without an answer changes nothing."""
        empty = _EMPTY.get(outcome)
        if empty is not None:
            self.ratio = empty if self.ratio is None else self.ratio + LATEST_WEIGHT * (empty - self.ratio)


class LaneGauges(Collector):
    """What is read off lanes and budget: ``totals`` walks over the lanes, ``tenants`` over who shares the budget."""

    def __init__(self) -> None:
        self.totals: Callable[[], Iterable[ClassTotals]] = tuple
        self.tenants: Callable[[], Iterable[TenantUse]] = tuple
        self._empties: dict[tuple[str, swf.TaskKind], Empties] = {}

    def empties(self, lane_class: str, kind: swf.TaskKind) -> Empties:
        """The one that all lanes of this class and kind share."""
        return self._empties.setdefault((lane_class, kind), Empties())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        lanes = GaugeMetricFamily("swf_lanes", "Lanes being polled", labels=_LANE)
        inflight = GaugeMetricFamily("swf_polls_inflight", "Polls in flight", labels=_LANE)
        permits = GaugeMetricFamily("swf_permits_in_use", "Slots held by polls and handlers", labels=_LANE)
        target = GaugeMetricFamily("swf_poll_target", "Polls that the lanes should have in flight", labels=_LANE)
        unpolled = GaugeMetricFamily(
            "swf_list_unpolled_seconds", "Longest time a lane with a free slot has been without a poll", labels=_LANE
        )
        backlog = GaugeMetricFamily("swf_backlog_seen", "Tasks that endpoints said were waiting", labels=_LANE)
        ratio = GaugeMetricFamily("swf_empty_poll_ratio", "Share of answered polls without a task", labels=_LANE)
        for one in self.totals():
            labels = (one.lane_class, one.kind.value)
            lanes.add_metric(labels, one.lanes)
            inflight.add_metric(labels, one.parked)
            permits.add_metric(labels, one.parked + one.running)
            target.add_metric(labels, one.target)
            unpolled.add_metric(labels, one.unpolled_s)
            if one.backlog is not None:
                backlog.add_metric(labels, one.backlog)
        for (lane_class, kind), empties in self._empties.items():
            if empties.ratio is not None:
                ratio.add_metric((lane_class, kind.value), empties.ratio)
        yield from (lanes, inflight, permits, target, unpolled, backlog, ratio, *self._of_tenants())

    def _of_tenants(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        used = GaugeMetricFamily("swf_tenant_budget_used", "Polls in flight by tenant", labels=("tenant",))
        limit = GaugeMetricFamily("swf_tenant_budget_limit", "Polls that a tenant may have", labels=("tenant",))
        for one in self.tenants():
            used.add_metric((one.tenant,), one.used)
            limit.add_metric((one.tenant,), one.cap)
        return used, limit
