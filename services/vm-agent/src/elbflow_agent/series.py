"""Prometheus series of every load balancer that this process serves (spec/vm-agent-data-plane 5).

The values are those of the last look at HAProxy. A load balancer's VMs in this process are added up,
also those that are gone while any of it is left, so that its counters only grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import prometheus_client
from prometheus_client import registry
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from elbflow.contract import document

_NAMES = ["account", "load_balancer"]
_CODES = {
    "HTTPCode_ELB_4XX": ("elb", "4xx"),
    "HTTPCode_ELB_5XX": ("elb", "5xx"),
    "HTTPCode_Backend_2XX": ("backend", "2xx"),
    "HTTPCode_Backend_3XX": ("backend", "3xx"),
    "HTTPCode_Backend_4XX": ("backend", "4xx"),
    "HTTPCode_Backend_5XX": ("backend", "5xx"),
}


class Counts(Protocol):
    """What a VM counted."""

    @property
    def totals(self) -> Mapping[str, float]:
        """Ever-growing sums under the names of a report."""

    @property
    def queue(self) -> float:
        """How many wait now."""


@dataclass(slots=True)
class _Vm:
    key: Callable[[], document.LoadBalancerKey | None]
    counts: Counts
    health: Callable[[], document.HealthReport]
    shown: dict[str, float] = field(default_factory=dict)

    def grown(self) -> Mapping[str, float]:
        """The totals, without the dips that some of them have for a moment."""
        for name, value in self.counts.totals.items():
            self.shown[name] = max(value, self.shown.get(name, 0.0))
        return self.shown


class Series(registry.Collector):
    """Register once per process; VMs come and go."""

    def __init__(self, where: prometheus_client.CollectorRegistry) -> None:
        self._vms: dict[int, _Vm] = {}
        self._gone: dict[document.LoadBalancerKey, dict[str, float]] = {}
        where.register(self)

    def enter(
        self,
        key: Callable[[], document.LoadBalancerKey | None],
        counts: Counts,
        health: Callable[[], document.HealthReport],
    ) -> int:
        """Show a VM of the load balancer that ``key`` tells, until :meth:`leave` with what this returns."""
        ticket = max(self._vms, default=0) + 1
        self._vms[ticket] = _Vm(key, counts, health)
        return ticket

    def leave(self, ticket: int) -> None:
        vm = self._vms.pop(ticket)
        key = vm.key()
        if key is None:
            return
        if any(other.key() == key for other in self._vms.values()):
            _add(self._gone.setdefault(key, {}), vm.grown())
        else:
            self._gone.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        totals, queues = self._sums()
        requests = CounterMetricFamily(
            "elbflow_lb_requests", "Requests and connections that reached a server", labels=_NAMES
        )
        responses = CounterMetricFamily(
            "elbflow_lb_responses", "HTTP responses by who made them", labels=[*_NAMES, "origin", "class"]
        )
        latency = SummaryMetricFamily(
            "elbflow_lb_latency_seconds", "Time until a server began to answer, or was connected to", labels=_NAMES
        )
        failed = CounterMetricFamily("elbflow_lb_backend_errors", "Connections to servers that failed", labels=_NAMES)
        spilled = CounterMetricFamily("elbflow_lb_spillover", "Rejected because the queue was full", labels=_NAMES)
        queue = GaugeMetricFamily("elbflow_lb_surge_queue_length", "Waiting for a server", labels=_NAMES)
        for key, counted in totals.items():
            names = [key.account, key.name]
            requests.add_metric(names, counted.get("RequestCount", 0.0))
            for code, (origin, kind) in _CODES.items():
                responses.add_metric([*names, origin, kind], counted.get(code, 0.0))
            latency.add_metric(names, int(counted.get("LatencyCount", 0.0)), counted.get("Latency", 0.0) / 1000)
            failed.add_metric(names, counted.get("BackendConnectionErrors", 0.0))
            spilled.add_metric(names, counted.get("SpilloverCount", 0.0))
            queue.add_metric(names, queues[key])
        yield from (requests, responses, latency, failed, spilled, queue, *self._hosts())

    def _hosts(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        """Instances that VMs report on, each by one VM: that of its zone."""
        sums: dict[document.LoadBalancerKey, list[int]] = {}
        for vm in self._vms.values():
            if (key := vm.key()) is not None:
                states = [each.state for each in vm.health().instances]
                healthy = states.count(document.InstanceState.IN_SERVICE)
                both = sums.setdefault(key, [0, 0])
                both[0] += healthy
                both[1] += len(states) - healthy
        families = (
            GaugeMetricFamily("elbflow_lb_healthy_hosts", "Instances in service", labels=_NAMES),
            GaugeMetricFamily("elbflow_lb_unhealthy_hosts", "Instances that are not in service", labels=_NAMES),
        )
        for key, both in sums.items():
            for family, number in zip(families, both, strict=True):
                family.add_metric([key.account, key.name], number)
        return families

    def _sums(self) -> tuple[dict[document.LoadBalancerKey, dict[str, float]], dict[document.LoadBalancerKey, float]]:
        totals: dict[document.LoadBalancerKey, dict[str, float]] = {}
        queues: dict[document.LoadBalancerKey, float] = {}
        for vm in self._vms.values():
            key = vm.key()
            if key is not None:
                _add(totals.setdefault(key, dict(self._gone.get(key, {}))), vm.grown())
                queues[key] = queues.get(key, 0.0) + vm.counts.queue
        return totals, queues


def _add(sums: dict[str, float], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        sums[name] = sums.get(name, 0.0) + value
