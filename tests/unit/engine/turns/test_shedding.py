"""What slow commits do to the rest, on virtual time (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from elbflow_engine import refusals, turns
from elbflow_engine.turns import Shed


def after_commits(shedding: turns.Shedding, latency_s: float, now: float, seconds: float) -> float:
    """One commit after the other for ``seconds``; the time at the end."""
    end = now + seconds
    while now < end:
        shedding.began(now)
        now += latency_s
        shedding.ended(now)
    return now


def test_quick_commits_shed_nothing() -> None:
    shedding = turns.Shedding()
    now = after_commits(shedding, 0.9, 0.0, 60.0)
    assert shedding.level(now) == 0
    assert shedding.average_s(now) == pytest.approx(0.9)


def test_visibility_goes_first_and_starts_second() -> None:
    shedding = turns.Shedding()
    now = after_commits(shedding, 1.5, 0.0, 30.0)
    assert shedding.level(now) == 1
    now = after_commits(shedding, 3.0, now, 30.0)
    assert shedding.level(now) == 2


def test_recovery_needs_half_of_what_tripped_it() -> None:
    shedding = turns.Shedding()
    now = after_commits(shedding, 3.0, 0.0, 30.0)
    levels = [shedding.level(now)]
    for latency_s in (1.2, 0.7, 0.3):
        now = after_commits(shedding, latency_s, now, 30.0)
        levels.append(shedding.level(now))
    assert levels == [2, 2, 1, 0]


def test_a_disk_that_hangs_is_noticed_before_it_answers() -> None:
    shedding = turns.Shedding()
    now = after_commits(shedding, 0.005, 0.0, 10.0)
    shedding.began(now)
    assert [shedding.level(now + age) for age in (0.5, 1.0, 2.5, 5.0)] == [0, 0, 1, 2]


def test_a_service_that_refused_everything_finds_back() -> None:
    shedding = turns.Shedding()
    now = after_commits(shedding, 4.0, 0.0, 40.0)
    assert shedding.level(now) == 2
    assert shedding.level(now + 10.0) == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.0, 20.0)), max_size=30))
def test_the_average_stays_within_what_was_seen(commits: list[tuple[float, float]]) -> None:
    shedding, now, worst = turns.Shedding(), 0.0, 0.0
    for pause_s, latency_s in commits:
        now += pause_s
        shedding.began(now)
        now += latency_s
        shedding.ended(now)
        worst = max(worst, latency_s)
        assert -1e-9 <= shedding.average_s(now) <= worst + 1e-9


class Refusals:
    def __init__(self) -> None:
        self.seen: list[Shed] = []

    def shed(self, what: Shed) -> None:
        self.seen.append(what)


def test_only_what_is_dispensable_is_refused_and_each_change_is_one_line() -> None:
    seen = Refusals()
    load = turns.Load(seen)
    load.began(0.0)
    with structlog.testing.capture_logs() as logs:
        load.check("RespondActivityTaskCompleted", 2.5)
        load.check("RegisterDomain", 2.5)
        load.check("StartWorkflowExecution", 2.5)
        for _ in range(2):
            with pytest.raises(refusals.Overloaded):
                load.check("ListDomains", 2.5)
        with pytest.raises(refusals.Overloaded):
            load.check("StartWorkflowExecution", 9.0)
        load.check("RecordActivityTaskHeartbeat", 9.0)
        load.ended(9.0)
        load.check("StartWorkflowExecution", 20.0)
        load.check("ListDomains", 20.0)
    assert seen.seen == [Shed.VISIBILITY, Shed.VISIBILITY, Shed.START]
    assert [(line["event"], line["shed"]) for line in logs] == [
        ("shedding_on", ["visibility"]),
        ("shedding_on", ["visibility", "start"]),
        ("shedding_off", []),
    ]
