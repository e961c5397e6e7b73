from __future__ import annotations

import gc
import sys

import prometheus_client

from elbflow.flow import guards
from elbflow.service import interpreter


def test_tuning_sets_thresholds_and_switch_interval() -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    try:
        interpreter.tune()
        assert gc.get_threshold() == interpreter.GC_THRESHOLDS
        assert abs(sys.getswitchinterval() - interpreter.SWITCH_INTERVAL_S) < 1e-9
    finally:
        gc.set_threshold(*before[0])
        sys.setswitchinterval(before[1])


def test_freezing_takes_objects_out_of_collections() -> None:
    gc.unfreeze()
    interpreter.freeze()
    try:
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()


def test_pauses_are_counted_while_installed() -> None:
    registry = prometheus_client.CollectorRegistry()
    pauses = interpreter.GcPauses()
    registry.register(pauses)
    labels = {"generation": "2"}
    pauses.install()
    gc.collect()
    pauses.uninstall()
    gc.collect()
    assert registry.get_sample_value("elbflow_gc_collections_total", labels) == 1
    total_s = registry.get_sample_value("elbflow_gc_pause_seconds_total", labels)
    assert total_s is not None
    assert total_s > 0
    assert registry.get_sample_value("elbflow_gc_longest_pause_seconds", labels) == total_s


def test_a_collection_amid_a_decision_is_measured_and_does_not_disturb_it() -> None:
    pauses = interpreter.GcPauses()
    registry = prometheus_client.CollectorRegistry()
    registry.register(pauses)
    pauses.install()
    try:
        with guards.guarded():
            gc.collect()
    finally:
        pauses.uninstall()
    assert registry.get_sample_value("elbflow_gc_collections_total", {"generation": "2"}) == 1
