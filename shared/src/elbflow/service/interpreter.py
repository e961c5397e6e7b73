"""Interpreter tuning every service shares (design section 8, spec/perf-baselines section 0 facts 5 and 6)."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from time import perf_counter

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

SWITCH_INTERVAL_S = 0.0005
GC_THRESHOLDS = (50_000, 20, 100)


def tune() -> None:
    """Collect rarely, and let helper threads run soon even beside a saturated loop."""
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def freeze() -> None:
    """Take everything start-up made out of every later collection. Blocks for one full collection."""
    gc.collect()
    gc.freeze()


class GcPauses(Collector):
    """Counts collections and the time they stopped the process.

    The callback may run at any allocation, even inside a metric's lock, so it only adds plain numbers; they become
    metrics when asked for. It may run inside a workflow's decision too, where ``time.perf_counter`` is guarded: it
    reads the clock by a name of its own.
    """

    def __init__(self) -> None:
        self._started = 0.0
        self._count = [0, 0, 0]
        self._total_s = [0.0, 0.0, 0.0]
        self._longest_s = [0.0, 0.0, 0.0]

    def install(self) -> None:
        gc.callbacks.append(self._on_gc)

    def uninstall(self) -> None:
        gc.callbacks.remove(self._on_gc)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        runs = CounterMetricFamily("elbflow_gc_collections", "Collections by generation", labels=["generation"])
        total = CounterMetricFamily("elbflow_gc_pause_seconds", "Time stopped by collections", labels=["generation"])
        longest = GaugeMetricFamily(
            "elbflow_gc_longest_pause_seconds", "Longest stop by one collection", labels=["generation"]
        )
        for generation in range(3):
            label = [str(generation)]
            runs.add_metric(label, self._count[generation])
            total.add_metric(label, self._total_s[generation])
            longest.add_metric(label, self._longest_s[generation])
        yield from (runs, total, longest)

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = perf_counter()
            return
        generation = info["generation"]
        pause_s = perf_counter() - self._started
        self._count[generation] += 1
        self._total_s[generation] += pause_s
        self._longest_s[generation] = max(self._longest_s[generation], pause_s)
