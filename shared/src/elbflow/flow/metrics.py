"""What workers tell Prometheus. Labels are type names, never ids."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DECISION_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_ACTIVITY_SECONDS = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
_EVENTS = (10, 30, 100, 300, 1_000, 3_000, 10_000, 25_000)


class Metrics:
    """All collectors of the workers of one process. Make one per registry and share it between them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.decision_seconds = Histogram(
            "flow_decision_seconds",
            "Time to replay and decide, without the calls to SWF",
            ("workflow_type",),
            buckets=_DECISION_SECONDS,
            registry=registry,
        )
        self.decision_events = Histogram(
            "flow_decision_events",
            "Events given to a decision: the whole history, or with a run in memory the new ones",
            ("workflow_type",),
            buckets=_EVENTS,
            registry=registry,
        )
        self.decision_defects = Counter(
            "flow_decision_defects", "Decisions withheld for a defect", ("workflow_type",), registry=registry
        )
        self.decision_overruns = Counter(
            "flow_decision_overruns", "Decisions that exceeded their time budget", ("workflow_type",), registry=registry
        )
        self.decisions_stale = Counter(
            "flow_decisions_stale", "Decisions that SWF did not want any more", ("workflow_type",), registry=registry
        )
        self.signals_dropped = Counter(
            "flow_signals_dropped", "Signals that a workflow cannot receive", ("workflow_type",), registry=registry
        )
        self.activity_seconds = Histogram(
            "flow_activity_seconds",
            "Time from receiving an activity to answering it",
            ("activity", "outcome"),
            buckets=_ACTIVITY_SECONDS,
            registry=registry,
        )
        self.activities_stale = Counter(
            "flow_activities_stale", "Activity answers that SWF did not want any more", ("activity",), registry=registry
        )
        self._cache(registry)

    def _cache(self, registry: CollectorRegistry) -> None:
        self.cache_lookups = Counter(
            "flow_cache_lookups",
            "Decisions on executions decided before: run in memory or not",
            ("result",),
            registry=registry,
        )
        self.cache_evictions = Counter("flow_cache_evictions", "Runs that made room for others", registry=registry)
        self.cache_audits = Counter(
            "flow_cache_audits", "Decisions taken from memory and by replay", ("result",), registry=registry
        )
        self.cache_bytes = Gauge("flow_cache_bytes", "Estimated size of the runs in memory", registry=registry)
        self.cache_executions = Gauge("flow_cache_executions", "Runs in memory", registry=registry)
