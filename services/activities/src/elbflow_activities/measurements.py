"""From counters to CloudWatch statistic sets (spec/elb-control-plane 9.2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from elbflow import store
from elbflow.contract import document
from elbflow_activities.cloud import base

NAMESPACE = "AWS/ELB"
_STATUS_CLASSES = (
    "HTTPCode_ELB_4XX",
    "HTTPCode_ELB_5XX",
    "HTTPCode_Backend_2XX",
    "HTTPCode_Backend_3XX",
    "HTTPCode_Backend_4XX",
    "HTTPCode_Backend_5XX",
)
_HOST_COUNTS = {
    "HealthyHostCount": store.BackendState.IN_SERVICE,
    "UnHealthyHostCount": store.BackendState.OUT_OF_SERVICE,
}


def traffic(lb: store.LoadBalancer, zone: str, report: document.MetricsReport, at: float) -> tuple[base.Datum, ...]:
    """What the report of one VM of ``zone`` amounts to, once for each of the four dimension sets."""
    sums: dict[str, float] = {}
    for name, value in report.counters:
        sums[name] = sums.get(name, 0.0) + value
    return _for_all_dimensions(lb, zone, _traffic(sums, at))


def hosts(lb: store.LoadBalancer, at: float) -> tuple[base.Datum, ...]:
    """Healthy and unhealthy instances of each enabled zone, once for each of the four dimension sets."""
    return tuple(
        datum for zone in lb.enabled_zones for datum in _for_all_dimensions(lb, zone, _hosts(lb.backends, zone, at))
    )


def _for_all_dimensions(lb: store.LoadBalancer, zone: str, measured: Iterable[base.Datum]) -> tuple[base.Datum, ...]:
    by_name = ("LoadBalancerName", lb.key.name)
    by_zone = ("AvailabilityZone", zone)
    return tuple(
        replace(one, dimensions=dimensions)
        for one in measured
        for dimensions in ((by_name, by_zone), (by_zone,), (by_name,), ())
    )


def _traffic(sums: Mapping[str, float], at: float) -> Iterator[base.Datum]:
    requests = sums.get("RequestCount", 0.0)
    milliseconds = sums.get("Latency", 0.0)
    if requests > 0 and milliseconds > 0:
        seconds = milliseconds / 1000 / requests
        yield base.Datum("Latency", (), "Seconds", at, 1.0, seconds, seconds, seconds)
    if requests > 0:
        yield base.Datum("RequestCount", (), "Count", at, requests, requests, 1.0, 1.0)
    for name in _STATUS_CLASSES:
        count = sums.get(name, 0.0)
        if count > 0:
            yield base.Datum(name, (), "Count", at, count, count, 0.0, 0.0)


def _hosts(backends: Iterable[store.Backend], zone: str, at: float) -> Iterator[base.Datum]:
    """Counts of the zone's instances; nothing while none is InService or OutOfService."""
    states = [backend.state for backend in backends if backend.zone in (zone, None)]
    if not any(state in _HOST_COUNTS.values() for state in states):
        return
    for name, counted in _HOST_COUNTS.items():
        count = float(states.count(counted))
        yield base.Datum(name, (), "Count", at, 1.0, count, count, count)
