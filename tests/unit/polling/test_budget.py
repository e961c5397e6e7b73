"""How many connections there are, who gets the next one, and that no surplus hides in a connection pool."""

from __future__ import annotations

import resource
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, Metrics
from elbflow.polling.allocation import GROWING, WaitingLanes
from elbflow.polling.budget import Budget, budget_limit
from elbflow.polling.ceiling import Ceiling
from elbflow.polling.demand import Demand
from elbflow.polling.lane import LaneState
from elbflow.polling.pacing import Pace
from elbflow.polling.testing import Reply, ScriptedPolls

DECISION, ACTIVITY = swf.TaskKind.DECISION, swf.TaskKind.ACTIVITY
METRICS = Metrics(CollectorRegistry())


def lane(
    serial: int, *, since: float = 0.0, parked: int = 0, kind: swf.TaskKind = ACTIVITY, slots: int = 4
) -> LaneState:
    async def never(_: object) -> None:
        raise AssertionError

    return LaneState(
        serial=serial,
        task_list=swf.TaskList(kind, "domain", f"list-{serial}"),
        lane_class="test",
        handler=never,
        on_orphan=None,
        slots=slots,
        pace=Pace(),
        ceiling=Ceiling(8),
        demand=Demand(1),
        metrics=METRICS.of_lane("test", kind),
        unpolled_since=since,
        parked=parked,
    )


def drawn(
    waiting: WaitingLanes, *, growth: bool = True, kinds: tuple[swf.TaskKind, ...] = (DECISION, ACTIVITY)
) -> list[int]:
    def has_room(_: str, tier: int) -> bool:
        return allowed or tier != GROWING

    allowed, order = growth, []
    while (found := waiting.take(kinds, has_room, now=10.0)) is not None:
        order.append(found.serial)
    return order


def test_lanes_without_a_poll_come_first_and_the_longest_unpolled_foremost() -> None:
    waiting = WaitingLanes()
    lanes = [
        lane(1, parked=2),
        lane(2, since=9.0),
        lane(3, since=1.0, kind=DECISION),
        lane(4, parked=1),
        lane(5, since=5.0),
    ]
    for item in lanes:
        waiting.add(item)
    assert drawn(waiting) == [3, 5, 2, 4, 1]


def test_growth_and_kinds_can_be_left_out() -> None:
    waiting = WaitingLanes()
    for item in (lane(1, parked=1), lane(2, kind=DECISION), lane(3)):
        waiting.add(item)
    assert drawn(waiting, growth=False, kinds=(ACTIVITY,)) == [3]
    assert waiting.has(DECISION)
    assert drawn(waiting) == [2, 1]
    assert not waiting.has(DECISION)
    assert not waiting.has(ACTIVITY)


def test_a_lane_waits_at_one_place_only() -> None:
    waiting = WaitingLanes()
    item = lane(1)
    for _ in range(3):
        waiting.add(item)
    assert drawn(waiting) == [1]
    item.parked = 1
    waiting.add(item)
    item.parked = 0
    waiting.add(item)
    waiting.add(item)
    assert drawn(waiting) == [1]


def test_a_removed_lane_is_never_drawn() -> None:
    waiting = WaitingLanes()
    idle, busy = lane(1), lane(2, parked=1)
    for item in (idle, busy):
        waiting.add(item)
        waiting.remove(item)
    assert drawn(waiting) == []


@pytest.mark.parametrize(("limit", "reserve"), [(1, 0), (7, 0), (8, 2), (30, 3), (200, 20)])
def test_a_tenth_is_kept_for_lanes_without_a_poll(limit: int, reserve: int) -> None:
    budget = Budget(limit)
    while budget.has_room(growth=True):
        budget.take()
    assert budget.used == limit - reserve
    while budget.has_room(growth=False):
        budget.take()
    assert budget.used == limit


@dataclass
class PooledPolls(ScriptedPolls):
    poll_connections: int = 10


def service(connections: int | None = None) -> swf.Polls:
    clock = clocks.ManualClock()
    made = Reply(1.0)
    if connections is None:
        return ScriptedPolls(clock, lambda _: made)
    return PooledPolls(clock, lambda _: made, poll_connections=connections)


def test_default_budget_is_the_profiles_within_the_clients_connections() -> None:
    assert budget_limit(None, EndpointProfile.aws(), service()) == 200
    assert budget_limit(None, EndpointProfile.aws(), service(50)) == 50


@pytest.mark.parametrize(("wanted", "text"), [(11, "exceeds the client's 10"), (0, "at least 1")])
def test_a_budget_that_cannot_hold_is_refused(wanted: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        budget_limit(wanted, EndpointProfile.local(), service(10))


def test_file_descriptors_cap_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (300, 300))
    assert budget_limit(1000, EndpointProfile.local(), service()) == 150
