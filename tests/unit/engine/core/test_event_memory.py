"""What an open execution costs in memory (spec/swf-long-poll-scale 6.3)."""

from __future__ import annotations

import tracemalloc

from elbflow_engine.testing import Bench


def test_an_event_takes_little_more_than_its_text(bench: Bench) -> None:
    run_id = bench.start()
    signal = {"domain": "test", "workflowId": "w", "signalName": "s", "input": "x" * 100}
    bench.call("SignalWorkflowExecution", **signal)
    tracemalloc.start()
    try:
        for _ in range(500):
            bench.call("SignalWorkflowExecution", **signal)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = sum(len(event) for event in bench.journal.history(1))
    assert len(bench.history(run_id)) == 503
    assert size < 2 * text
