"""Faults once found in how lanes get polls, hand over tasks and come back; each test is named after one."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator

import pytest
from tests.unit.polling.conftest import World

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, Waiting
from elbflow.polling.drain import Waiters
from elbflow.polling.inflight import InFlight, Poll
from elbflow.polling.testing import PollRecord, Reply, ScriptedPolls

HINTS = frozenset({swf.HOLD_HINT, "backlog"})
READING_S = 2e-5


def activities(name: str) -> swf.TaskList:
    return swf.TaskList(swf.TaskKind.ACTIVITY, "d", name)


async def ignore(_: swf.ActivityTask) -> None:
    return


class MovingClock(clocks.ManualClock):
    """Like a real clock: no two readings are the same."""

    def monotonic(self) -> float:
        self._monotonic += READING_S
        return self._monotonic


async def test_growth_leaves_a_connection_for_every_open_lane_without_a_poll(world: World) -> None:
    """Spare connections went to a busy lane while the slots of others were taken: these found none when they were
    free again, although there were enough for all (5.3)."""
    tasks = {f"l{number}" for number in range(20)} | {"hot"}

    def script(task_list: swf.TaskList) -> Reply:
        if task_list.name not in tasks:
            return Reply(60.0)
        return Reply(0.1 if task_list.name == "hot" else 0.05, task=True)

    async def slow(_: swf.ActivityTask) -> None:
        await world.clock.sleep(30.0)

    async def quick(_: swf.ActivityTask) -> None:
        await world.clock.sleep(0.01)

    world.polls.script = script
    profile = dataclasses.replace(EndpointProfile.aws(), issue_rate=1000.0)
    async with world.running(world.build(profile, budget=30)) as scheduler:
        lanes = [scheduler.add_lane(activities(f"l{number}"), slow, slots=1) for number in range(20)]
        hot = scheduler.add_lane(activities("hot"), quick, slots=100, max_polls=64)
        await world.clock.advance(25.0)
        tasks.clear()
        await world.clock.advance(0.5)
        assert hot.statistics().parked > 1
        for _ in range(20):
            await world.clock.advance(1.0)
            states = [lane.statistics() for lane in lanes]
            assert all(state.parked == 1 for state in states if not state.slots_used)
        assert all(lane.statistics().parked == 1 for lane in lanes)


async def test_only_the_poll_that_opens_a_turn_sets_its_end(world: World) -> None:
    """A lane whose tasks never came at once, but never ran out, kept its connection for good: each of its polls
    moved the end of its turn (5.11)."""

    def script(task_list: swf.TaskList) -> Reply:
        busy = task_list.name in ("l0", "l1")
        return Reply(0.25, task=True, backlog=100) if busy else Reply(60.0, backlog=0)

    world.polls = ScriptedPolls(world.clock, script, capabilities=HINTS)
    async with world.running(world.build(EndpointProfile.local(), budget=2)) as scheduler:
        for number in range(6):
            scheduler.add_lane(activities(f"l{number}"), ignore, slots=3, max_polls=1)
        await world.clock.advance(600.0)
        worst_s = scheduler.statistics().sharing.worst_s
        for number in range(6):
            assert longest_unpolled_s(world, f"l{number}") <= worst_s + 2.0


def longest_unpolled_s(world: World, name: str) -> float:
    own = [record for record in world.polls.records if record.task_list.name == name]
    ends = [0.0, *(record.ended if record.ended is not None else world.clock.monotonic() for record in own)]
    begins = [*(record.begun for record in own), world.clock.monotonic()]
    return max(begun - ended for ended, begun in zip(ends, begins, strict=True))


@pytest.mark.parametrize("turns", range(8))
async def test_a_task_that_comes_in_the_turn_of_an_abort_is_seen_by_its_handler(world: World, turns: int) -> None:
    """A handler that was cancelled before its first step never saw its task: nobody answered it (I4)."""
    seen: list[str] = []
    answered: list[str] = []
    running_at_abort: list[int] = []

    async def handler(task: swf.ActivityTask) -> None:
        seen.append(task.token)
        try:
            await world.clock.sleep(5.0)
        finally:
            answered.append(task.token)

    def abort_after(more_turns: int) -> None:
        if more_turns:
            asyncio.get_running_loop().call_soon(abort_after, more_turns - 1)
        else:
            running_at_abort.append(scheduler.statistics(lanes=False).handlers)
            scheduler.abort_handlers()

    def first_ended(record: PollRecord) -> None:
        if record is world.polls.records[0]:
            abort_after(turns)

    world.reply = Reply(1.0, task=True)
    world.polls.on_end = first_ended
    scheduler = world.build(EndpointProfile.aws())
    async with world.running(scheduler):
        scheduler.add_lane(activities("a"), handler, slots=1)
        await world.clock.advance(1.5)
        world.reply = Reply(60.0)
        first = world.polls.delivered[0]
        assert seen == [first]
        assert answered == [first] * running_at_abort[0]


@pytest.mark.parametrize("half_readings", range(16))
async def test_a_lane_that_becomes_due_during_a_pass_is_not_lost(world: World, half_readings: int) -> None:
    """A pass reads the clock once, queueing a lane reads it again: a lane due between the two was taken from the
    queue as too early and never came back."""
    clock = MovingClock()
    world.clock, world.polls = clock, ScriptedPolls(clock, lambda _: Reply(300.0))
    scheduler = world.build(EndpointProfile.aws(), budget=30)
    lane = scheduler.add_lane(activities("a"), ignore, slots=2, min_polls=2)
    await clock.advance(3.0)
    assert lane.statistics().parked == 0
    (state,) = scheduler._core.lanes.values()
    state.pace.others_at = clock._monotonic + half_readings * READING_S / 2
    async with world.running(scheduler):
        await clock.advance(60.0)
        assert (lane.statistics().parked, lane.statistics().waiting) == (2, Waiting.NOTHING)


async def test_time_without_a_free_slot_is_not_unpolled_time(world: World) -> None:
    """After half an hour in a handler the gauge told of half an hour unpolled, though the slot was just free."""

    async def long(_: swf.ActivityTask) -> None:
        await world.clock.sleep(1800.0)

    world.polls.script = lambda task_list: Reply(0.1, task=True) if task_list.name == "a" else Reply(60.0)
    async with world.running(world.build(EndpointProfile.aws(), budget=1)) as scheduler:
        lane = scheduler.add_lane(activities("a"), long, slots=1)
        await world.clock.advance(2.0)
        assert lane.statistics().slots_free == 0
        scheduler.add_lane(activities("b"), ignore, slots=1)
        await world.clock.advance(1798.0)
        while not lane.statistics().slots_free:
            await world.clock.advance(1.0)
        assert lane.statistics().parked == 0
        assert lane.statistics().unpolled_s <= 1.0
        assert world.sample("swf_list_unpolled_seconds", lane_class="default", kind="activity") <= 1.0


async def test_closing_a_lane_touches_only_its_own_polls(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each close looked at all polls of the process: closing thousands of lanes together took seconds."""
    looked_at = 0
    iterate: Callable[[InFlight], Iterator[Poll]] = InFlight.__iter__

    def counted(inflight: InFlight) -> Iterator[Poll]:
        nonlocal looked_at
        looked_at += len(inflight)
        return iterate(inflight)

    async with world.running(world.build(budget=100)) as scheduler:
        lanes = [scheduler.add_lane(activities(str(number)), ignore, slots=1) for number in range(60)]
        await world.clock.advance(5.0)
        with monkeypatch.context() as patched:
            patched.setattr(InFlight, "__iter__", counted)
            await asyncio.gather(*(lane.close() for lane in lanes[:50]))
        assert looked_at == 0
        cancelled = {record.task_list.name for record in world.polls.records if record.cancelled}
        assert cancelled == {str(number) for number in range(50)}
        assert all(lane.statistics().parked == 1 for lane in lanes[50:])


async def test_who_waits_for_one_lane_is_not_asked_when_another_changes() -> None:
    asked: list[int] = []

    def never(lane: int) -> bool:
        asked.append(lane)
        return False

    clock = clocks.ManualClock()
    waiters = Waiters(clock)
    waiting = [asyncio.ensure_future(waiters.until(lambda n=n: never(n), 10.0, lane=n)) for n in range(5)]  # type: ignore[misc]
    await clocks.settle()
    asked.clear()
    waiters.check(3)
    assert asked == [3]
    await clock.advance(10.0)
    assert await asyncio.gather(*waiting) == [False] * 5


@pytest.mark.parametrize("profile", [EndpointProfile.aws(), EndpointProfile.local()])
async def test_a_scheduler_stopped_before_it_started_issues_nothing(world: World, profile: EndpointProfile) -> None:
    scheduler = world.build(profile)
    scheduler.add_lane(activities("a"), ignore, slots=1)
    await world.clock.advance(5.0)
    scheduler.stop()
    async with world.running(scheduler):
        await world.clock.advance(5.0)
    assert world.polls.records == []


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize("polls", [1, 2])
async def test_a_lane_stopped_by_an_invalid_request_keeps_no_connection_for_itself(
    world: World, critical: bool, polls: int
) -> None:
    """It is never polled again, so what was kept for its next poll was lost to all others."""
    bad_replies = iter([Reply(0.1, fault=swf.Invalid("no such list")), Reply(1.0)])

    def script(task_list: swf.TaskList) -> Reply:
        return next(bad_replies) if task_list.name == "bad" else Reply(0.1, task=True)

    async def quick(_: swf.ActivityTask) -> None:
        await world.clock.sleep(0.01)

    world.polls.script = script
    async with world.running(world.build(EndpointProfile.aws(), budget=4)) as scheduler:
        bad = scheduler.add_lane(activities("bad"), ignore, slots=polls, min_polls=polls, latency_critical=critical)
        hot = scheduler.add_lane(activities("hot"), quick, slots=50, max_polls=16)
        most = 0
        for _ in range(60):
            await world.clock.advance(0.15)
            most = max(most, hot.statistics().parked)
        assert bad.statistics().waiting is Waiting.FAILED
        assert most == 4
