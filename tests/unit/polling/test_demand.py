"""How many polls a lane wants: growth while it helps, shrinking on natural ends, halving on throttles (5.5)."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from elbflow import swf
from elbflow.polling.demand import Demand

ROOM = 16


def hot(demand: Demand, now: float, room: int = ROOM) -> None:
    demand.task(0.05, now, room)


def grown(to: int, minimum: int = 1) -> Demand:
    demand, now = Demand(minimum), 0.0
    while demand.wanted < to:
        hot(demand, now)
        now += 1.0
    return demand


def test_two_tasks_in_a_row_that_were_already_waiting_make_it_grow_by_a_quarter_per_second() -> None:
    demand = Demand(1)
    hot(demand, 0.0)
    assert demand.wanted == 1
    seen = []
    for tenth in range(1, 110):
        hot(demand, tenth / 10)
        seen.append(demand.wanted)
    assert seen[::10] == [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16]


def test_a_task_that_had_to_be_waited_for_ends_the_growth() -> None:
    demand = grown(4)
    for second in range(20, 30):
        demand.task(0.3, second, ROOM)
        demand.task(0.05, second + 0.3, ROOM)
    assert (demand.wanted, demand.hot) == (4, 1)


def test_arrivals_that_keep_every_poll_busy_make_it_grow_without_two_hot_ones_in_a_row() -> None:
    demand = grown(2)
    for tick in range(200):
        demand.task(0.19 if tick % 2 else 0.21, 10.0 + tick * 0.05, ROOM)
    assert demand.wanted > 2
    assert demand.wanted >= math.ceil(demand.arrivals(20.0) * 0.19)


def test_it_never_grows_beyond_what_could_start_and_says_that_it_is_blocked() -> None:
    demand = Demand(1)
    for second in range(20):
        hot(demand, second, room=3)
    assert demand.wanted == 3
    assert demand.is_blocked
    demand.full_empty()
    assert not demand.is_blocked


def test_it_shrinks_by_one_with_each_hold_that_ends_for_nothing_and_never_below_its_minimum() -> None:
    demand = grown(6, minimum=2)
    demand.early_empty()
    wanted = demand.wanted
    seen = []
    for _ in range(6):
        demand.full_empty()
        seen.append(demand.wanted)
    assert wanted == 6
    assert seen == [5, 4, 3, 2, 2, 2]


def test_a_throttle_halves_it_and_forbids_growth_for_ten_seconds() -> None:
    demand = grown(9)
    demand.throttled(100.0)
    assert demand.wanted == 5
    for tenth in range(100):
        hot(demand, 100.0 + tenth / 10)
    assert demand.wanted == 5
    hot(demand, 110.0)
    assert demand.wanted == 6


def test_an_endpoint_that_tells_its_backlog_is_believed() -> None:
    demand = Demand(1)
    more = swf.Hints(backlog=100, oldest_s=1.0, scale=1)
    seen = []
    for tenth in range(5):
        demand.task(0.05, tenth / 10 + 0.001 * tenth, ROOM, more)
        seen.append(demand.wanted)
    assert seen == [2, 4, 8, 16, 16]
    for tenth in range(10, 20):
        demand.task(0.05, tenth / 10, ROOM, swf.Hints(backlog=0, scale=0))
    assert demand.wanted == 16, "hot answers mean nothing to who is told that nothing waits"
    demand.task(2.0, 30.0, ROOM, swf.Hints(backlog=0, scale=-1))
    assert demand.wanted == 15


def test_it_grows_by_no_more_than_the_backlog() -> None:
    demand = grown(8)
    demand.task(0.05, 100.0, ROOM, swf.Hints(backlog=3, oldest_s=0.5, scale=1))
    assert demand.wanted == 11


def test_averages_follow() -> None:
    demand = Demand(1)
    for second in range(60):
        demand.task(0.5, second * 0.25, ROOM)
        demand.handled(2.0)
    assert demand.hit_rate > 0.99
    assert math.isclose(demand.wait_s, 0.5, rel_tol=0.01)
    assert math.isclose(demand.handler_s, 2.0, rel_tol=0.01)
    assert math.isclose(demand.arrivals(14.75), 4.0, rel_tol=0.05)
    assert demand.arrivals(114.75) <= 0.01
    for _ in range(20):
        demand.full_empty()
    assert demand.hit_rate < 0.02


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hot", "slow", "full", "early", "throttled"]),
        st.floats(min_value=0.0, max_value=2.0),
        st.integers(min_value=0, max_value=24),
    ),
    max_size=120,
)


@given(minimum=st.integers(min_value=1, max_value=4), steps=STEPS)
def test_whatever_happens_growth_is_bounded_and_the_minimum_kept(
    minimum: int, steps: list[tuple[str, float, int]]
) -> None:
    demand, now = Demand(minimum), 0.0
    grown_at = -math.inf
    for step, after_s, room in steps:
        now += after_s
        before = demand.wanted
        if step in ("hot", "slow"):
            demand.task(0.05 if step == "hot" else 1.0, now, room)
        elif step == "throttled":
            demand.throttled(now)
        elif step == "full":
            demand.full_empty()
        else:
            demand.early_empty()
        assert demand.wanted >= minimum
        if demand.wanted > before:
            assert demand.wanted <= min(room, before + max(1, before // 4))
            assert now - grown_at >= 1.0, "grew twice within a second"
            grown_at = now
        else:
            assert demand.wanted in (before, max(minimum, before - 1), max(minimum, math.ceil(before / 2)))
