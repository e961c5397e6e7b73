"""When a lane may poll again, how many polls go out per second, and how many a lane may have."""

from __future__ import annotations

import random

import pytest

from elbflow.polling import Outcome
from elbflow.polling.ceiling import LIMIT_HOLD_S, Ceiling
from elbflow.polling.pacing import SHORTEST_S, Pace, backoff_s

BOUNDS = {
    Outcome.THROTTLED: (1.0, 10.0),
    Outcome.LIST_LIMIT: (5.0, 30.0),
    Outcome.UNKNOWN_RESOURCE: (15.0, 45.0),
    Outcome.DENIED: (55.0, 65.0),
    Outcome.CONNECT: (SHORTEST_S, 10.0),
    Outcome.AMBIGUOUS: (SHORTEST_S, 10.0),
    Outcome.SERVER: (SHORTEST_S, 30.0),
    Outcome.DEFECT: (SHORTEST_S, 30.0),
}


@pytest.mark.parametrize("outcome", BOUNDS)
def test_back_off_stays_within_its_bounds(outcome: Outcome) -> None:
    rng = random.Random(1)
    low, high = BOUNDS[outcome]
    assert all(low <= backoff_s(outcome, 1 + made % 40, rng) <= high for made in range(400))


def test_growing_back_off_doubles() -> None:
    rng = random.Random(2)
    assert max(backoff_s(Outcome.CONNECT, 1, rng) for _ in range(200)) <= 0.4
    assert max(backoff_s(Outcome.CONNECT, 9, rng) for _ in range(200)) > 9.0


def test_refused_credentials_are_tried_once_at_once() -> None:
    rng = random.Random(3)
    assert backoff_s(Outcome.AUTH, 1, rng) == 0.0
    assert backoff_s(Outcome.STALE, 1, rng) == 0.0
    assert 1.0 <= backoff_s(Outcome.AUTH, 2, rng) <= 4.0
    assert max(backoff_s(Outcome.AUTH, 20, rng) for _ in range(100)) <= 30.0


def test_early_answers_slow_the_lane_but_its_leader_waits_a_second_at_most() -> None:
    rng = random.Random(4)
    pace = Pace()
    leaders = [pace.early_empty(100.0, rng) for _ in range(200)]
    assert all(SHORTEST_S <= delay <= 1.2 for delay in leaders)
    assert leaders[0] <= 0.25
    assert pace.due(leader=False) > pace.due(leader=True)
    assert sum(leaders[20:]) / 180 > 1 / 1.2


def test_a_good_answer_ends_all_waiting() -> None:
    pace = Pace()
    pace.early_empty(10.0, random.Random(5))
    pace.failed(Outcome.SERVER, 10.0, random.Random(5))
    pace.clear(10.0)
    assert pace.due(leader=False) <= 10.0
    assert (pace.early, pace.failures) == (0, 0)


def test_a_wave_spreads_everybody() -> None:
    rng = random.Random(6)
    delays = [Pace().early_empty(0.0, rng, spread_s=5.0) for _ in range(300)]
    assert max(delays) > 4.5
    assert sum(delay > 1.2 for delay in delays) > 150


def test_a_refused_lane_keeps_what_it_has_and_tries_one_more_every_five_minutes() -> None:
    ceiling = Ceiling(8)
    ceiling.refused(3, now=0.0)
    ceiling.good(LIMIT_HOLD_S - 1)
    assert ceiling.value == 3
    ceiling.good(LIMIT_HOLD_S + 1)
    ceiling.good(LIMIT_HOLD_S + 2)
    assert ceiling.value == 4
    ceiling.refused(0, now=LIMIT_HOLD_S + 3)
    assert ceiling.value == 1


def test_a_herd_halves_the_lane_once_and_good_answers_restore_it() -> None:
    ceiling = Ceiling(8)
    for after in (0.0, 0.001, 0.002, 0.01):
        ceiling.early_empty(100.0 + after)
    assert ceiling.value == 4
    ceiling.early_empty(103.0)
    ceiling.early_empty(104.0)
    assert ceiling.value == 4
    for _ in range(9):
        ceiling.good(110.0)
    assert ceiling.value == 8
