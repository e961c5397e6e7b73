"""Who gets the next connection, and how many polls a lane may have (5.3, 5.5)."""

from __future__ import annotations

from collections import Counter

from prometheus_client import CollectorRegistry

from elbflow import swf
from elbflow.polling import Metrics, Outcome
from elbflow.polling.allocation import COMPACT_FROM, GROWING, Allocator, WaitingLanes
from elbflow.polling.ceiling import Ceiling
from elbflow.polling.demand import Demand
from elbflow.polling.lane import LaneState
from elbflow.polling.pacing import Pace

ACTIVITY = swf.TaskKind.ACTIVITY
METRICS = Metrics(CollectorRegistry())


def lane(serial: int, *, slots: int = 16, weight: float = 1.0, wanted: int = 16, min_polls: int = 1) -> LaneState:
    async def never(_: object) -> None:
        raise AssertionError

    made = LaneState(
        serial=serial,
        task_list=swf.TaskList(ACTIVITY, "domain", f"list-{serial}"),
        lane_class="test",
        handler=never,
        on_orphan=None,
        slots=slots,
        pace=Pace(),
        ceiling=Ceiling(16),
        demand=Demand(min_polls),
        metrics=METRICS.of_lane("test", ACTIVITY),
        unpolled_since=0.0,
        weight=weight,
        min_polls=min_polls,
    )
    made.demand.wanted = wanted
    return made


def share(lanes: list[LaneState], connections: int) -> Counter[int]:
    """Hand out ``connections`` one by one to lanes that all want as many as they can get."""
    waiting, allocator = WaitingLanes(), Allocator()
    for one in lanes:
        waiting.add(one)
    for _ in range(connections):
        taken = waiting.take((ACTIVITY,), lambda *_: True, now=100.0)
        if taken is None:
            break
        taken.parked += 1
        if taken.parked < allocator.target(taken):
            waiting.add(taken)
    return Counter({one.serial: one.parked for one in lanes})


def test_minimums_come_before_growth() -> None:
    lanes = [lane(1), lane(2, min_polls=4), lane(3)]
    assert share(lanes, 6) == {1: 1, 2: 4, 3: 1}


def test_what_is_spare_is_shared_by_weight() -> None:
    assert share([lane(1), lane(2, weight=2.0), lane(3)], 3 + 8) == {1: 3, 2: 5, 3: 3}


def test_a_lane_that_wants_less_leaves_its_share_to_the_others() -> None:
    assert share([lane(1, wanted=2), lane(2), lane(3)], 12) == {1: 2, 2: 5, 3: 5}


def test_a_lane_that_grew_first_does_not_starve_one_that_grows_later() -> None:
    early, late = lane(1), lane(2)
    early.parked = 10
    late.parked = 1
    waiting = WaitingLanes()
    waiting.add(early)
    waiting.add(late)
    assert waiting.take((ACTIVITY,), lambda *_: True, now=0.0) is late


def test_growth_waits_where_only_minimums_fit() -> None:
    growing = lane(1)
    growing.parked = 1
    waiting = WaitingLanes()
    waiting.add(growing)
    assert waiting.take((ACTIVITY,), lambda _, tier: tier != GROWING, now=0.0) is None
    assert waiting.has(ACTIVITY)


def test_target_is_what_is_wanted_within_ceiling_and_slots() -> None:
    allocator, one = Allocator(), lane(1, slots=6, wanted=5)
    assert allocator.target(one) == 5
    one.running = 4
    assert allocator.target(one) == 2
    one.ceiling.refused(1, 0.0)
    assert allocator.target(one) == 1
    one.running = 6
    assert allocator.target(one) == 0


def test_while_credentials_are_refused_one_poll_is_enough() -> None:
    allocator, one = Allocator(), lane(1, wanted=8)
    one.last_outcome, one.pace.failures = Outcome.AUTH, 1
    assert allocator.target(one) == 8
    one.pace.failures = 2
    assert allocator.target(one) == 1


def test_a_throttle_halves_all_lanes_of_its_kind_once_per_second() -> None:
    allocator, lanes = Allocator(), [lane(1, wanted=8), lane(2, wanted=5)]
    for at in (10.0, 10.1, 10.9):
        allocator.throttled(ACTIVITY, lanes, at)
    assert [one.demand.wanted for one in lanes] == [4, 3]
    allocator.throttled(swf.TaskKind.DECISION, lanes, 11.5)
    assert [one.demand.wanted for one in lanes] == [4, 3]
    allocator.throttled(ACTIVITY, lanes, 11.0)
    assert [one.demand.wanted for one in lanes] == [2, 2]


def test_without_issue_rate_more_polls_would_only_wait_for_each_other() -> None:
    allocator, one = Allocator(), lane(1, wanted=2)
    for second in range(10):
        allocator.learn(one, Outcome.TASK, 0.01, float(second), rate_left=False)
    assert one.demand.wanted == 2
    allocator.learn(one, Outcome.TASK, 0.01, 10.0, rate_left=True)
    assert one.demand.wanted == 3


def test_a_lane_that_comes_and_goes_behind_one_that_is_blocked_leaves_nothing_behind() -> None:
    """Growth may be blocked for hours, and every handler that begins or ends makes a busy lane come or go."""
    waiting = WaitingLanes()
    first, busy = lane(1), lane(2)
    first.parked, busy.parked = 1, 3
    waiting.add(first)
    for _ in range(10_000):
        waiting.add(busy)
        waiting.remove(busy)
    waiting.add(busy)
    assert waiting.places <= 2 * COMPACT_FROM
    assert [waiting.take([ACTIVITY], everywhere, 0.0) for _ in range(3)] == [first, busy, None]


def everywhere(_tenant: str, _tier: int) -> bool:
    """There is room for everybody."""
    return True
