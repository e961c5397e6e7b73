"""Metrics of the front door. Labels are operation and workflow names, never a user's words."""

from __future__ import annotations

import prometheus_client

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)


class Meters:
    """Counts and times calls and waits."""

    def __init__(self, registry: prometheus_client.CollectorRegistry | None = None) -> None:
        self._requests = prometheus_client.Counter(
            "elbflow_api_requests", "Calls by operation and answer", ["action", "code"], registry=registry
        )
        self._seconds = prometheus_client.Histogram(
            "elbflow_api_request_seconds", "Time to answer", ["action"], buckets=_SECONDS, registry=registry
        )
        self._waits = prometheus_client.Histogram(
            "elbflow_api_workflow_wait_seconds",
            "Time calls waited for their workflow",
            ["workflow"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._cloud = prometheus_client.Histogram(
            "elbflow_api_cloud_seconds",
            "Time of every try to ask the aws cloud",
            ["operation", "outcome"],
            buckets=_SECONDS,
            registry=registry,
        )

    def answered(self, action: str, code: str, seconds: float) -> None:
        """A call was answered; ``code`` is ``OK`` or the fault's code."""
        self._requests.labels(action, code).inc()
        self._seconds.labels(action).observe(seconds)

    def waited(self, workflow: str, seconds: float) -> None:
        self._waits.labels(workflow).observe(seconds)

    def asked(self, operation: str, outcome: str, seconds: float) -> None:
        """The cloud was asked once: ``ok``, ``unanswered``, ``refused`` or ``cancelled``."""
        self._cloud.labels(operation, outcome).observe(seconds)
