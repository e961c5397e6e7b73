"""What the engine counts (spec/swf-long-poll-scale 6.13). Labels are bounded: no task list, no execution."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import prometheus_client
from prometheus_client import core as prometheus
from prometheus_client import registry as registries

from elbflow_engine import core

PollResult = Literal["task", "empty_full", "empty_drain", "disconnect", "limit"]
_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Meters:
    """All metrics of one engine, registered in ``registry``. Also the journal's observer."""

    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        self._registry = registry
        self._polls = prometheus_client.Counter("swfd_polls", "Polls that ended, by how", ["result"], registry=registry)
        self._requests = prometheus_client.Counter(
            "swfd_requests", "Answered requests by operation and wire code", ["op", "code"], registry=registry
        )
        self._request_seconds = self._histogram(
            "swfd_request_seconds", "Time to serve a request, without the time a poll was parked", ["op"]
        )
        self._commit_seconds = self._histogram("swfd_commit_seconds", "Time of one durable commit")
        self._group_size = prometheus_client.Histogram(
            "swfd_commit_group_size", "Transitions in one commit", buckets=_SIZES, registry=registry
        )
        self._handoff_seconds = self._histogram(
            "swfd_handoff_seconds", "From a task meeting its poll to the written answer"
        )
        self._timer_lag_seconds = self._histogram("swfd_timer_lag_seconds", "How late a deadline was fired")
        self.unstarted = prometheus_client.Counter(
            "swfd_unstart", "Tasks taken back because nobody received the poll's answer", registry=registry
        )
        self.dead_waiters = prometheus_client.Counter(
            "swfd_dead_waiter_skipped", "Tasks that met a poll whose connection was gone", registry=registry
        )
        self.reloads = prometheus_client.Counter(
            "swfd_reloads", "Times the engine was rebuilt from its journal after a failure", registry=registry
        )

    def watch(self, statistics: Callable[[], core.Statistics]) -> None:
        """Ask ``statistics`` at each scrape for what is open, parked and waiting."""
        self._registry.register(_State(statistics))

    def poll_ended(self, result: PollResult) -> None:
        self._polls.labels(result).inc()

    def answered(self, operation: str, code: str, seconds: float) -> None:
        self._requests.labels(operation, code).inc()
        self._request_seconds.labels(operation).observe(max(0.0, seconds))

    def handed_off(self, seconds: float) -> None:
        self._handoff_seconds.observe(seconds)

    def fired(self, lag_s: float) -> None:
        self._timer_lag_seconds.observe(max(0.0, lag_s))

    def committed(self, seconds: float, group_size: int) -> None:
        self._commit_seconds.observe(seconds)
        self._group_size.observe(group_size)

    def _histogram(self, name: str, text: str, labels: Iterable[str] = ()) -> prometheus_client.Histogram:
        return prometheus_client.Histogram(name, text, labels, buckets=_FAST, registry=self._registry)


class _State(registries.Collector):
    def __init__(self, statistics: Callable[[], core.Statistics]) -> None:
        self._statistics = statistics

    def describe(self) -> Iterable[prometheus.Metric]:
        return ()

    def collect(self) -> Iterable[prometheus.Metric]:
        state = self._statistics()
        parked = prometheus.GaugeMetricFamily("swfd_parked_polls", "Polls parked now", labels=["domain", "kind"])
        backlog = prometheus.GaugeMetricFamily(
            "swfd_backlog", "Tasks ready to be polled now", labels=["domain", "kind"]
        )
        totals: dict[tuple[str, str], tuple[int, int]] = {}
        for one in state.lists:
            waiting, ready = totals.get((one.domain, one.kind), (0, 0))
            totals[one.domain, one.kind] = (waiting + one.parked, ready + one.backlog)
        for labels, (waiting, ready) in totals.items():
            parked.add_metric(labels, waiting)
            backlog.add_metric(labels, ready)
        yield parked
        yield backlog
        yield prometheus.GaugeMetricFamily("swfd_open_executions", "Open executions", value=state.open_executions)
        yield prometheus.GaugeMetricFamily("swfd_deadlines", "Deadlines ahead", value=state.deadlines)
