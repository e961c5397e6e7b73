"""From counters to CloudWatch statistic sets (spec/elb-control-plane 9.2). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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
_EVENTS = ("BackendConnectionErrors", "SpilloverCount")
_EXTREMES: Mapping[str, Callable[[float, float], float]] = {
    "LatencyMin": min,
    "LatencyMax": max,
    "SurgeQueueLength": max,
}
_HOST_COUNTS = {
    "HealthyHostCount": store.BackendState.IN_SERVICE,
    "UnHealthyHostCount": store.BackendState.OUT_OF_SERVICE,
}


def traffic(lb: store.LoadBalancer, zone: str, report: document.MetricsReport, at: float) -> tuple[base.Datum, ...]:
    """What the report of one VM of ``zone`` amounts to, once for each of the four dimension sets."""
    values: dict[str, float] = {}
    for name, value in report.counters:
        before = values.get(name)
        join = _EXTREMES.get(name)
        if before is None:
            values[name] = value
        else:
            values[name] = join(before, value) if join is not None else before + value
    return _for_all_dimensions(lb, zone, _traffic(values, at))


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


def _traffic(values: Mapping[str, float], at: float) -> Iterator[base.Datum]:
    requests = values.get("RequestCount", 0.0)
    yield from _latency(values, requests, at)
    if requests > 0:
        yield base.Datum("RequestCount", (), "Count", at, requests, requests, 1.0, 1.0)
    for name in _STATUS_CLASSES:
        count = values.get(name, 0.0)
        if count > 0:
            yield base.Datum(name, (), "Count", at, count, count, 1.0, 1.0)
    for name in _EVENTS:
        count = values.get(name, 0.0)
        if count > 0:
            yield base.Datum(name, (), "Count", at, count, count, 1.0, 1.0)
    yield from _surge_queue(values, at)


def _latency(values: Mapping[str, float], requests: float, at: float) -> Iterator[base.Datum]:
    """In seconds, of as many responses as the VM measured. VMs of earlier builds tell no more than the sum."""
    count = values.get("LatencyCount", 0.0)
    milliseconds = values.get("Latency", 0.0)
    if count <= 0:
        if requests > 0 and milliseconds > 0:
            mean = milliseconds / 1000 / requests
            yield base.Datum("Latency", (), "Seconds", at, 1.0, mean, mean, mean)
        return
    mean = milliseconds / count
    least, most = min(values.get("LatencyMin", mean), mean), max(values.get("LatencyMax", mean), mean)
    yield base.Datum("Latency", (), "Seconds", at, count, milliseconds / 1000, least / 1000, most / 1000)


def _surge_queue(values: Mapping[str, float], at: float) -> Iterator[base.Datum]:
    """Its length where something waited; the greatest one seen, and the mean of the looks at it."""
    most = values.get("SurgeQueueLength", 0.0)
    if most <= 0:
        return
    looks = values.get("SurgeQueueLengthCount", 0.0)
    total = values.get("SurgeQueueLengthSum", 0.0)
    if looks <= 0:
        looks, total = 1.0, most
    yield base.Datum("SurgeQueueLength", (), "Count", at, looks, total, 0.0, max(most, total / looks))


def _hosts(backends: Iterable[store.Backend], zone: str, at: float) -> Iterator[base.Datum]:
    """Counts of the zone's instances; nothing while none is InService or OutOfService."""
    states = [backend.state for backend in backends if backend.zone in (zone, None)]
    if not any(state in _HOST_COUNTS.values() for state in states):
        return
    for name, counted in _HOST_COUNTS.items():
        count = float(states.count(counted))
        yield base.Datum(name, (), "Count", at, 1.0, count, count, count)
