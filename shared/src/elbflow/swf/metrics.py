"""How many SWF calls this process makes, and how they end."""

from __future__ import annotations

import re
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter

from elbflow.swf import errors

_counters: WeakKeyDictionary[CollectorRegistry, Counter] = WeakKeyDictionary()


class CallCounter:
    """``elbflow_swf_calls_total{operation,outcome}``: every try on the wire counts, retries too.

    ``outcome`` is ``ok``, ``empty`` (a poll without a task), ``cancelled`` (by this side) or the name of the fault.
    Clients that share a registry share the counter; without a registry nothing is counted.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._counter = None if registry is None else _counter_of(registry)

    def add(self, operation: str, outcome: str) -> None:
        if self._counter is not None:
            self._counter.labels(operation, outcome).inc()


def outcome_of(fault: errors.SwfError | None) -> str:
    """Label of a failed call: the fault's class in snake case, ``defect`` when it was not a fault of SWF."""
    if fault is None:
        return "defect"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(fault).__name__).lower()


def _counter_of(registry: CollectorRegistry) -> Counter:
    if registry not in _counters:
        _counters[registry] = Counter(
            "elbflow_swf_calls", "SWF calls by operation and outcome", ("operation", "outcome"), registry=registry
        )
    return _counters[registry]
