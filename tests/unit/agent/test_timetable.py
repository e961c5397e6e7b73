"""Checks of many VMs are planned in one place, and each is rung once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from elbflow import clock
from elbflow_agent.health import timetable


@dataclass(eq=False)
class Bell:
    time: clock.ManualClock
    ticket: int = 0
    rung: list[float] = field(default_factory=list)
    again: timetable.Timetable | None = None

    def ring(self) -> None:
        self.rung.append(self.time.monotonic())
        if self.again is not None:
            self.again.plan(self, self.time.monotonic() + 10)


@pytest.fixture
def time() -> clock.ManualClock:
    return clock.ManualClock()


@pytest.fixture
def times(time: clock.ManualClock) -> timetable.Timetable:
    return timetable.Timetable(time)


async def test_each_rings_once_at_its_time_whoever_was_planned_first(
    time: clock.ManualClock, times: timetable.Timetable
) -> None:
    late, early, middle = (Bell(time) for _ in range(3))
    times.plan(late, 30)
    times.plan(early, 10)
    times.plan(middle, 20)
    await time.advance(100)
    assert (early.rung, middle.rung, late.rung) == ([10], [20], [30])


async def test_one_task_sleeps_for_all_and_none_for_nobody(time: clock.ManualClock, times: timetable.Timetable) -> None:
    before = asyncio.all_tasks()
    bells = [Bell(time) for _ in range(100)]
    for at, bell in enumerate(bells):
        times.plan(bell, 100 - at)
    await clock.settle()
    assert len(asyncio.all_tasks() - before) == 1
    for bell in bells:
        times.give_up(bell)
    await clock.settle()
    assert asyncio.all_tasks() == before
    await time.advance(200)
    assert [bell.rung for bell in bells] == [[]] * 100


async def test_what_is_planned_anew_does_not_ring_at_its_former_time(
    time: clock.ManualClock, times: timetable.Timetable
) -> None:
    bell, other = Bell(time), Bell(time)
    times.plan(bell, 10)
    times.plan(other, 15)
    times.plan(bell, 20)
    await time.advance(50)
    assert (bell.rung, other.rung) == ([20], [15])


async def test_who_rings_may_plan_itself_again(time: clock.ManualClock, times: timetable.Timetable) -> None:
    bell = Bell(time, again=times)
    times.plan(bell, 10)
    await time.advance(35)
    assert bell.rung == [10, 20, 30]
    times.give_up(bell)
    times.give_up(bell)
    await time.advance(35)
    assert bell.rung == [10, 20, 30]
