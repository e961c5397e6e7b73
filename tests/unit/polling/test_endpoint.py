"""One broken list is not a broken endpoint; a broken endpoint is probed, not hammered."""

from __future__ import annotations

import random

import pytest

from elbflow.polling.endpoint import PROBE_S, Breaker, EarlyWave


@pytest.fixture
def rng() -> random.Random:
    return random.Random(1)


def opened(rng: random.Random) -> Breaker:
    breaker = Breaker()
    assert [breaker.failed(lane, 10, 0.0, rng) for lane in range(5)] == [False] * 4 + [True]
    return breaker


def test_five_faults_of_one_lane_do_not_stop_the_others(rng: random.Random) -> None:
    breaker = Breaker()
    assert not any(breaker.failed(1, 10, float(second), rng) for second in range(50))
    assert breaker.may_issue(100.0)


def test_a_single_lane_opens_it_alone(rng: random.Random) -> None:
    breaker = Breaker()
    assert [breaker.failed(1, 1, float(second), rng) for second in range(5)] == [False] * 4 + [True]


def test_faults_at_one_moment_are_one_round(rng: random.Random) -> None:
    breaker = Breaker()
    for lane in range(300):
        breaker.failed(lane, 300, 7.0, rng)
    assert breaker.rounds == 1


def test_an_open_breaker_sends_one_probe_at_a_time(rng: random.Random) -> None:
    breaker = opened(rng)
    first = breaker.next_change()
    assert first is not None
    assert not breaker.may_issue(first - 0.001)
    assert breaker.may_issue(first)
    breaker.issued(first, rng)
    assert not breaker.may_issue(first + PROBE_S)
    assert not breaker.probe_survived(first + PROBE_S / 2)
    assert breaker.next_change() == first + PROBE_S
    assert breaker.probe_survived(first + PROBE_S)
    assert breaker.next_change() is None


def test_a_failed_probe_keeps_it_open(rng: random.Random) -> None:
    breaker = opened(rng)
    breaker.issued(20.0, rng)
    breaker.failed(3, 10, 20.2, rng)
    assert not breaker.probe_survived(20.0 + PROBE_S)
    assert breaker.is_open


def test_any_answer_closes_it(rng: random.Random) -> None:
    breaker = opened(rng)
    assert breaker.answered()
    assert not breaker.answered()
    assert breaker.may_issue(0.0)


def test_half_of_the_lanes_early_at_once_is_a_wave() -> None:
    wave = EarlyWave()
    assert [wave.early_empty(lane, 10, 100.0 + lane / 10) for lane in range(7)] == [0.0] * 4 + [5.0] * 3


def test_early_answers_that_go_on_are_one_wave_and_the_next_comes_after_quiet() -> None:
    wave = EarlyWave()
    for second in (*range(100), *range(140, 150)):
        spread = [wave.early_empty(lane, 4, float(second)) for lane in range(4)]
        assert max(spread) == (5.0 if second % 140 < 5 else 0.0)


def test_few_lanes_or_scattered_answers_are_no_wave() -> None:
    few = EarlyWave()
    assert {few.early_empty(lane, 3, 0.0) for lane in range(3)} == {0.0}
    scattered = EarlyWave()
    assert {scattered.early_empty(lane, 8, lane * 2.0) for lane in range(8)} == {0.0}
