"""How long a run with a defect is left alone."""

from __future__ import annotations

from elbflow.flow import backoff
from elbflow.flow.backoff import Backoff


def test_pauses_double_up_to_a_minute_and_start_over_after_recovery() -> None:
    pauses = Backoff()
    assert [pauses.failed("run", 100.0) for _ in range(6)] == [5, 10, 20, 40, 60, 60]
    assert pauses.resting("run", 159.9)
    assert not pauses.resting("run", 160.0)
    assert not pauses.resting("other", 0.0)
    pauses.recovered("run")
    assert not pauses.resting("run", 100.0)
    assert pauses.failed("run", 200.0) == 5
    pauses.recovered("unknown")


def test_it_does_not_grow_without_bound() -> None:
    pauses = Backoff()
    for number in range(backoff._MOST_RUNS + 5):
        pauses.failed(str(number), 0.0)
    assert len(pauses) == backoff._MOST_RUNS
    assert not pauses.resting("0", 0.0)
