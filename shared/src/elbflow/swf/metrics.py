"""How many SWF calls this process makes, how they end, and how long answers take (spec/swf-long-poll-scale 5.15)."""

from __future__ import annotations

import re
from collections.abc import Callable
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from elbflow.swf import errors

THROTTLED = "throttled"
RENEWAL_RESULTS = ("ok", "unchanged", "failed")
_WAIT_SECONDS = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RESPOND_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0, 60.0)


class _Collectors:
    """Everything the clients of one registry count together: Prometheus refuses the same name twice."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "elbflow_swf_calls", "SWF calls by operation and outcome", ("operation", "outcome"), registry=registry
        )
        self.throttled = Counter(
            "swf_throttled", "SWF calls and polls refused for their rate", ("api",), registry=registry
        )
        self.respond = Histogram(
            "swf_respond_seconds",
            "Time from the first try to answer a task to the end of the last",
            ("api", "result"),
            buckets=_RESPOND_SECONDS,
            registry=registry,
        )
        self.quota_rate = Gauge(
            "swf_quota_rate", "Calls that this process may send per second", ("api",), registry=registry
        )
        self.quota_wait = Histogram(
            "swf_quota_wait_seconds",
            "Time that calls waited because this process's share of the quota was used up",
            ("api",),
            buckets=_WAIT_SECONDS,
            registry=registry,
        )
        self.quota_refused = Counter(
            "swf_quota_refused",
            "Calls not sent because their turn would have come too late",
            ("api",),
            registry=registry,
        )
        self.endpoints = Gauge(
            "swf_endpoint_state",
            "1 while this endpoint is believed to answer, 0 while not",
            ("endpoint",),
            registry=registry,
        )
        self.renewals = Counter(
            "swf_cred_refresh", "How often new credentials were asked for, by result", ("result",), registry=registry
        )
        for result in RENEWAL_RESULTS:  # known before the first, so that it counts as an increase
            self.renewals.labels(result)


_collectors: WeakKeyDictionary[CollectorRegistry, _Collectors] = WeakKeyDictionary()


class CallCounter:
    """``elbflow_swf_calls_total{operation,outcome}``: every try on the wire counts, retries too.

    ``outcome`` is ``ok``, ``empty`` (a poll without a task), ``cancelled`` (by this side) or the name of the fault.
    Beside it ``swf_throttled_total{api}`` and ``swf_respond_seconds{api,result}``. Clients that share a registry share
    the counters; without a registry nothing is counted.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._collectors = None if registry is None else _collectors_of(registry)
        # Operations and outcomes are few, and finding a child by its labels costs more than counting.
        self._calls: dict[tuple[str, str], Counter] = {}
        self._responds: dict[tuple[str, str], Histogram] = {}

    def add(self, operation: str, outcome: str) -> None:
        """One try ended."""
        if self._collectors is None:
            return
        if (calls := self._calls.get((operation, outcome))) is None:
            calls = self._calls[operation, outcome] = self._collectors.calls.labels(operation, outcome)
        calls.inc()
        if outcome == THROTTLED:
            self._collectors.throttled.labels(operation).inc()

    def responded(self, operation: str, result: str, duration_s: float) -> None:
        """A task was answered, or could not be, after all tries."""
        if self._collectors is None:
            return
        if (responds := self._responds.get((operation, result))) is None:
            responds = self._responds[operation, result] = self._collectors.respond.labels(operation, result)
        responds.observe(duration_s)

    def endpoint(self, url: str, *, is_up: bool) -> None:
        """``swf_endpoint_state{endpoint}``: whether the endpoint at ``url`` is believed to answer."""
        if self._collectors is not None:
            self._collectors.endpoints.labels(url).set(float(is_up))

    def renewed(self, result: str) -> None:
        """``swf_cred_refresh_total{result}``: ``ok``, ``unchanged`` or ``failed``."""
        if self._collectors is not None:
            self._collectors.renewals.labels(result).inc()


class QuotaMetrics:
    """``swf_quota_rate{api}``, ``swf_quota_wait_seconds{api}`` and ``swf_quota_refused_total{api}``.

    Calls that need not wait are not observed. Without a registry nothing is counted.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._collectors = None if registry is None else _collectors_of(registry)

    def watch(self, api: str, rate: Callable[[], float]) -> None:
        """Ask ``rate`` for the calls per second when Prometheus reads them."""
        if self._collectors is not None:
            self._collectors.quota_rate.labels(api).set_function(rate)

    def waited(self, api: str, duration_s: float) -> None:
        """One call had to wait for its turn."""
        if self._collectors is not None:
            self._collectors.quota_wait.labels(api).observe(duration_s)

    def refused(self, api: str) -> None:
        """One call was not sent: its turn would have come after its deadline."""
        if self._collectors is not None:
            self._collectors.quota_refused.labels(api).inc()


def outcome_of(fault: errors.SwfError | None) -> str:
    """Label of a failed call: the fault's class in snake case, ``defect`` when it was not a fault of SWF."""
    if fault is None:
        return "defect"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(fault).__name__).lower()


def _collectors_of(registry: CollectorRegistry) -> _Collectors:
    if registry not in _collectors:
        _collectors[registry] = _Collectors(registry)
    return _collectors[registry]
