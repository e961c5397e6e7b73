"""What the engine counts (spec/swf-long-poll-scale 6.13). Labels are bounded; ``docs/metrics.md`` says what each means.

Everything happens on the engine's loop, the scrape as well, so plain numbers are enough.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import prometheus_client
import structlog
from prometheus_client import core as prometheus
from prometheus_client import registry as registries

from elbflow_engine import core, tallies, turns

log = structlog.get_logger()

PollResult = Literal["task", "empty_full", "empty_drain", "disconnect", "limit"]
LISTS_SHOWN = 20
DOMAINS_SHOWN = 100
_SERVING_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_POLLS = frozenset({"PollForDecisionTask", "PollForActivityTask"})

instant = time.monotonic
"""The clock of durations: an event loop's own counts whole milliseconds."""


class Meters(registries.Collector):
    """All metrics of one engine, in ``registry``. Also the observer of the journal and of the turnstile.

    ``access_log_share`` of the answered requests that are no polls are logged, chosen by ``chance``.
    """

    def __init__(
        self,
        registry: prometheus_client.CollectorRegistry,
        access_log_share: float = 0.0,
        chance: random.Random | None = None,
    ) -> None:
        self._access_log_share = access_log_share
        self._chance = chance or random.Random()  # noqa: S311 - which requests to log
        self._gauges: Callable[[], core.Gauges] | None = None
        self._turnstile: turns.Turnstile | None = None
        self._polls = tallies.Counts("swfd_polls", "Polls that ended, by how", ["result"])
        self._requests = tallies.Counts("swfd_requests", "Answered requests by wire code", ["op", "code"])
        self._request_seconds = tallies.Histograms(
            "swfd_request_seconds", "Time to serve a request, without the time a poll was parked", ["op"], _SERVING_S
        )
        self._handoff_seconds = tallies.Histogram(
            "swfd_handoff_seconds", "From task and poll both being there to the written answer"
        )
        self._commit_seconds = tallies.Histogram("swfd_commit_seconds", "Time of one durable commit")
        self._group_size = tallies.Histogram("swfd_commit_group_size", "Transitions in one commit", _SIZES)
        self._timer_lag = tallies.Histogram(
            "swfd_timer_lag_seconds", "From a deadline's instant to its events being durable"
        )
        self._loop_lag = tallies.Histogram("swfd_loop_lag_seconds", "How late the event loop ran what was due")
        self._queue_seconds = tallies.Histograms(
            "swfd_queue_seconds", "How long requests that could not be served at once waited for their turn", ["class"]
        )
        self._shed = tallies.Counts("swfd_shed", "Requests refused because commits are slow", ["class"])
        self._turned_away = tallies.Counts(
            "swfd_queue_refused", "Requests refused because too many waited, or they too long", ["class"]
        )
        self._unstarted = tallies.Counts("swfd_unstart", "Tasks taken back: nobody received the poll's answer")
        self._dead_waiters = tallies.Counts("swfd_dead_waiter_skipped", "Tasks that met a poll whose client was gone")
        self._reloads = tallies.Counts("swfd_reloads", "Times the engine was rebuilt from its journal after a failure")
        self._connections_closed = tallies.Counts(
            "swfd_connections_closed", "Connections the engine closed on its own, by why", ["reason"]
        )
        registry.register(self)

    def watch(self, gauges: Callable[[], core.Gauges], turnstile: turns.Turnstile) -> None:
        """Ask ``gauges`` and ``turnstile`` at each scrape for what is open, parked and waiting."""
        self._gauges = gauges
        self._turnstile = turnstile

    def poll_ended(self, result: PollResult) -> None:
        self._polls.add(result)

    def answered(self, operation: str, code: str, since: float, parked_s: float) -> None:
        """A request that began at ``since`` was answered; it was parked for ``parked_s`` of that time."""
        elapsed_s = max(0.0, instant() - since - parked_s)
        self._requests.add(operation, code)
        self._request_seconds.observe(elapsed_s, operation)
        if self._access_log_share and operation not in _POLLS and self._chance.random() < self._access_log_share:
            log.info("request", operation=operation, code=code, seconds=round(elapsed_s, 6))

    def handed_off(self, since: float) -> None:
        """The answer of a poll is written whose task and poll were both there at ``since``."""
        self._handoff_seconds.observe(instant() - since)

    def unstarted(self) -> None:
        self._unstarted.add()

    def dead_waiter(self) -> None:
        self._dead_waiters.add()

    def reloaded(self) -> None:
        self._reloads.add()

    def connection_closed(self, reason: str) -> None:
        self._connections_closed.add(reason)

    def fired(self, lag_s: float) -> None:
        self._timer_lag.observe(max(0.0, lag_s))

    def lagged(self, lag_s: float) -> None:
        self._loop_lag.observe(lag_s)

    def committed(self, seconds: float, group_size: int) -> None:
        self._commit_seconds.observe(seconds)
        self._group_size.observe(group_size)

    def queued(self, rank: turns.Rank, seconds: float) -> None:
        self._queue_seconds.observe(seconds, rank.label)

    def turned_away(self, rank: turns.Rank) -> None:
        self._turned_away.add(rank.label)

    def shed(self, what: turns.Shed) -> None:
        self._shed.add(what.label)

    def health(self) -> Iterable[prometheus.Metric]:
        """The few of all metrics that tell how the engine is, for the console."""
        return tallies.families(self._commit_seconds, self._shed, self._reloads)

    def describe(self) -> Iterable[prometheus.Metric]:
        return ()

    def collect(self) -> Iterable[prometheus.Metric]:
        yield from tallies.families(
            self._polls,
            self._requests,
            self._request_seconds,
            self._handoff_seconds,
            self._commit_seconds,
            self._group_size,
            self._timer_lag,
            self._loop_lag,
            self._queue_seconds,
            self._shed,
            self._turned_away,
            self._unstarted,
            self._dead_waiters,
            self._reloads,
            self._connections_closed,
        )
        if self._gauges is not None:
            yield from _state(self._gauges())
        if self._turnstile is not None:
            yield from _queue(self._turnstile)


def _state(gauges: core.Gauges) -> Iterable[prometheus.Metric]:
    yield _single("swfd_open_executions", "Open executions", gauges.open_executions)
    yield _single("swfd_deadlines", "Deadlines ahead", gauges.deadlines)
    yield _single(
        "swfd_oldest_ready_seconds", "How long the task that waits longest has been ready", gauges.oldest_ready_s
    )
    shown = _largest_domains(gauges.by_domain)
    parked = prometheus.GaugeMetricFamily("swfd_parked_polls", "Polls parked now", labels=["domain", "kind"])
    for group, (polls, _) in shown.items():
        parked.add_metric(group, polls)
    yield parked
    labels = ["domain", "kind", "list"]
    by_list = prometheus.GaugeMetricFamily(
        "swfd_parked_by_list", f"Polls parked on each of the {LISTS_SHOWN} lists with most of them", labels=labels
    )
    for place, count in _by_place((one, one.parked) for one in gauges.most_parked).items():
        by_list.add_metric(place, count)
    yield by_list
    backlog = prometheus.GaugeMetricFamily(
        "swfd_backlog", f"Tasks ready on each of the {LISTS_SHOWN} longest lists, and on all others", labels=labels
    )
    for place, count in _backlog(gauges, shown).items():
        backlog.add_metric(place, count)
    yield backlog


def _queue(turnstile: turns.Turnstile) -> Iterable[prometheus.Metric]:
    length = prometheus.GaugeMetricFamily("swfd_queue_length", "Requests that wait for their turn", labels=["class"])
    for rank, count in turnstile.waiting().items():
        length.add_metric([rank.label], count)
    yield length
    yield _single("swfd_in_service", "Requests that wait for their commit or read", turnstile.serving)


def _single(name: str, text: str, value: float) -> prometheus.Metric:
    return prometheus.GaugeMetricFamily(name, text, value=value)


def _largest_domains(
    by_domain: Mapping[tuple[str, str], tuple[int, int]],
) -> dict[tuple[str, str], tuple[int, int]]:
    """The figures of a bounded number of domains, the rest added up per kind."""
    if len(by_domain) <= DOMAINS_SHOWN:
        return dict(by_domain)
    ordered = sorted(by_domain.items(), key=lambda item: sum(item[1]), reverse=True)
    shown = dict(ordered[:DOMAINS_SHOWN])
    for (_, kind), (polls, tasks) in ordered[DOMAINS_SHOWN:]:
        before = shown.get((tallies.OTHER, kind), (0, 0))
        shown[tallies.OTHER, kind] = before[0] + polls, before[1] + tasks
    return shown


def _by_place(lists: Iterable[tuple[core.ListStatistics, int]]) -> dict[tuple[str, str, str], int]:
    """By domain, kind and list, whatever the account."""
    counts: dict[tuple[str, str, str], int] = {}
    for one, count in lists:
        place = one.domain, one.kind, one.name
        counts[place] = counts.get(place, 0) + count
    return counts


def _backlog(gauges: core.Gauges, shown: Mapping[tuple[str, str], tuple[int, int]]) -> dict[tuple[str, str, str], int]:
    """The longest lists by name; what else is ready in a domain as one more list."""
    counts = _by_place((one, one.backlog) for one in gauges.most_ready)
    named: dict[tuple[str, str], int] = {}
    for (domain, kind, _), count in counts.items():
        group = (domain if (domain, kind) in shown else tallies.OTHER), kind
        named[group] = named.get(group, 0) + count
    for (domain, kind), (_, ready) in shown.items():
        counts[domain, kind, tallies.OTHER] = ready - named.get((domain, kind), 0)
    return counts
