"""No poll is abandoned and no task dropped: closing a lane and stopping the scheduler (I3, I4, 5.13)."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from tests.unit.polling.conftest import World

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler, SchedulerStopped, Waiting
from elbflow.polling.testing import Reply

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
LABELS = {"lane_class": "default", "kind": "activity"}


class Handled:
    """A handler that takes ``seconds`` and remembers what became of each task."""

    def __init__(self, clock: clocks.Clock, seconds: float = 0.0) -> None:
        self.clock = clock
        self.seconds = seconds
        self.done: list[str] = []
        self.cancelled: list[str] = []

    async def __call__(self, task: swf.ActivityTask) -> None:
        try:
            await self.clock.sleep(self.seconds)
            self.done.append(task.token)
        except asyncio.CancelledError:
            self.cancelled.append(task.token)
            raise


async def leave(scheduler: Scheduler) -> None:
    await scheduler.__aexit__(None, None, None)


async def test_close_aborts_parked_polls_where_that_is_safe(world: World) -> None:
    async with world.build(EndpointProfile.local()) as scheduler:
        lane = scheduler.add_lane(ACTIVITIES, Handled(world.clock), slots=3, min_polls=3)
        await world.clock.advance(1.0)
        await lane.close()
        assert world.polls.in_flight == 0
        assert scheduler.statistics().lanes == ()
        assert world.sample("swf_polls_abandoned_total", **LABELS) == 0
        assert world.sample("swf_poll_results_total", **LABELS, outcome="aborted") == 3
        await lane.close()


async def test_close_leaves_parked_polls_elsewhere_and_their_tasks_are_handled(world: World) -> None:
    world.reply = Reply(40.0, task=True)
    handled = Handled(world.clock)
    async with world.build(EndpointProfile.aws()) as scheduler:
        lane = scheduler.add_lane(ACTIVITIES, handled, slots=2, min_polls=2)
        await world.clock.advance(1.0)
        await lane.close()
        assert world.polls.in_flight == 2
        assert lane.statistics().waiting is Waiting.CLOSED
        await world.clock.advance(60.0)
        assert len(world.polls.records) == 2
        assert not any(record.cancelled for record in world.polls.records)
    assert sorted(handled.done) == ["token-1", "token-2"]


async def test_tasks_of_a_closed_lane_go_to_the_orphan_callback(world: World) -> None:
    world.reply = Reply(40.0, task=True)
    handled, orphans = Handled(world.clock), Handled(world.clock)
    async with world.build(EndpointProfile.aws()) as scheduler:
        lane = scheduler.add_lane(ACTIVITIES, handled, slots=1, on_orphan=orphans)
        await world.clock.advance(1.0)
        await lane.close()
        await world.clock.advance(60.0)
        assert await lane.drained(1.0)
    assert (handled.done, orphans.done) == ([], ["token-1"])


async def test_a_running_handler_finishes_after_its_lane_was_closed(world: World) -> None:
    world.reply = Reply(1.0, task=True)
    handled = Handled(world.clock, seconds=20.0)
    async with world.build() as scheduler:
        lane = scheduler.add_lane(ACTIVITIES, handled, slots=1)
        await world.clock.advance(2.0)
        await lane.close()
        waiting = asyncio.ensure_future(lane.drained(60.0))
        await world.clock.advance(10.0)
        assert not waiting.done()
        await world.clock.advance(10.0)
        assert await waiting
    assert handled.done == ["token-1"]


async def test_stop_waits_out_the_polls_and_runs_what_they_bring(world: World) -> None:
    world.reply = Reply(40.0, task=True)
    handled = Handled(world.clock, seconds=5.0)
    scheduler = await world.build(EndpointProfile.aws()).__aenter__()
    scheduler.add_lane(ACTIVITIES, handled, slots=4, min_polls=4)
    await world.clock.advance(3.0)
    scheduler.stop()
    leaving = asyncio.ensure_future(leave(scheduler))
    await world.clock.advance(41.5)
    assert not leaving.done()
    await world.clock.advance(1.0)
    assert leaving.done()
    assert len(handled.done) == len(world.polls.records) == 4
    assert world.sample("swf_polls_abandoned_total", **LABELS) == 0
    assert scheduler.statistics().budget_used == 0


async def test_drained_reports_the_deadline(world: World) -> None:
    world.reply = Reply(58.0)
    async with world.build(EndpointProfile.aws()) as scheduler:
        scheduler.add_lane(ACTIVITIES, Handled(world.clock), slots=1)
        await world.clock.advance(3.0)
        scheduler.stop()
        early = asyncio.ensure_future(scheduler.drained(10.0))
        late = asyncio.ensure_future(scheduler.drained(70.0))
        await world.clock.advance(60.0)
        assert (await early, await late) == (False, True)


async def test_a_stopped_scheduler_takes_no_lanes(world: World) -> None:
    async with world.build() as scheduler:
        scheduler.stop()
        scheduler.stop()
        with pytest.raises(SchedulerStopped):
            scheduler.add_lane(ACTIVITIES, Handled(world.clock), slots=1)


async def test_leaving_the_embedded_engine_is_immediate(world: World) -> None:
    async with world.build(EndpointProfile.local()) as scheduler:
        scheduler.add_lane(ACTIVITIES, Handled(world.clock), slots=8, min_polls=8)
        await world.clock.advance(1.0)
    assert world.clock.monotonic() == 1.0
    assert world.polls.in_flight == 0


async def test_what_is_still_parked_at_the_deadline_is_abandoned_counted_and_named(world: World) -> None:
    world.reply = Reply(None)
    scheduler = await world.build(EndpointProfile.aws()).__aenter__()
    scheduler.add_lane(ACTIVITIES, Handled(world.clock), slots=2, min_polls=2)
    await world.clock.advance(3.0)
    leaving = asyncio.ensure_future(leave(scheduler))
    with structlog.testing.capture_logs() as logs:
        await world.clock.advance(64.9)
        assert world.polls.in_flight == 2
        await world.clock.advance(1.2)
    assert leaving.done()
    assert world.polls.in_flight == 0
    assert world.sample("swf_polls_abandoned_total", **LABELS) == 2
    assert next(entry for entry in logs if entry["event"] == "polls_abandoned")["task_lists"] == ["list"]


async def test_a_handler_that_outlasts_the_drain_is_cancelled_and_may_answer(world: World) -> None:
    world.reply = Reply(1.0, task=True)
    handled = Handled(world.clock, seconds=1000.0)
    scheduler = await world.build().__aenter__()
    scheduler.add_lane(ACTIVITIES, handled, slots=1)
    await world.clock.advance(3.0)
    leaving = asyncio.ensure_future(leave(scheduler))
    await world.clock.advance(66.0)
    assert leaving.done()
    assert handled.cancelled == ["token-1"]


async def test_abort_handlers_cancels_what_runs(world: World) -> None:
    world.reply = Reply(1.0, task=True)
    handled = Handled(world.clock, seconds=1000.0)
    async with world.build() as scheduler:
        scheduler.add_lane(ACTIVITIES, handled, slots=2, min_polls=2)
        await world.clock.advance(3.0)
        scheduler.stop()
        scheduler.abort_handlers()
        assert await scheduler.drained(1.0)
    assert sorted(handled.cancelled) == ["token-1", "token-2"]


async def test_a_task_handed_over_in_the_turn_of_the_abort_reaches_its_handler(world: World) -> None:
    world.reply = Reply(1.0, task=True)
    handled = Handled(world.clock, seconds=1000.0)
    async with world.build() as scheduler:
        scheduler.add_lane(ACTIVITIES, handled, slots=1)
        original = scheduler._core.handlers.start

        def start_and_abort(*arguments: object) -> None:
            original(*arguments)  # type: ignore[arg-type]
            scheduler.abort_handlers()

        scheduler._core.handlers.start = start_and_abort  # type: ignore[assignment,method-assign]
        await world.clock.advance(1.5)
        scheduler._core.handlers.start = original  # type: ignore[method-assign]
        scheduler.stop()
    assert handled.cancelled == ["token-1"]


async def test_a_drain_that_is_cancelled_leaves_no_poll_behind(world: World) -> None:
    world.reply = Reply(None)
    scheduler = await world.build(EndpointProfile.aws()).__aenter__()
    scheduler.add_lane(ACTIVITIES, Handled(world.clock), slots=2, min_polls=2)
    await world.clock.advance(3.0)
    leaving = asyncio.ensure_future(leave(scheduler))
    await clocks.settle()
    leaving.cancel()
    await clocks.settle()
    assert leaving.cancelled()
    assert world.polls.in_flight == 0
    assert scheduler.statistics().budget_used == 0


async def test_a_drain_gives_back_tasks_that_could_not_be_finished_in_time(world: World) -> None:
    world.reply = Reply(1.0, task=True)
    handled, orphans = Handled(world.clock, seconds=90.0), Handled(world.clock)
    scheduler = await world.build(EndpointProfile.aws()).__aenter__()
    scheduler.add_lane(ACTIVITIES, handled, slots=1, on_orphan=orphans)
    await world.clock.advance(50.0)
    world.reply = Reply(5.0, task=True)
    await world.clock.advance(44.0)
    assert handled.done == ["token-1"]
    assert world.polls.in_flight == 1
    scheduler.stop()
    leaving = asyncio.ensure_future(leave(scheduler))
    await world.clock.advance(5.0)
    await leaving
    assert (handled.done, orphans.done) == (["token-1"], ["token-2"])
