"""A loop that stood still: what failed meanwhile may have lost a task, and nothing comes back in a burst (5.8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog
from tests.property.polling import virtual_time

from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler
from elbflow.polling.pulse import Pulse
from elbflow.polling.testing import Reply, ScriptedPolls


def live(
    reply: Reply, story: Callable[[virtual_time.VirtualLoop, Scheduler, ScriptedPolls], Awaitable[None]]
) -> list[str]:
    """The log events of ``story`` on a virtual loop."""

    async def main() -> None:
        clock = virtual_time.LoopClock(loop)
        polls = ScriptedPolls(clock, lambda _: reply)
        scheduler = Scheduler(
            polls, profile=EndpointProfile.aws(), identity="host:1", clock=clock, rng=random.Random(1)
        )
        async with scheduler:
            await story(loop, scheduler, polls)

    loop = virtual_time.VirtualLoop()
    with structlog.testing.capture_logs() as logs:
        virtual_time.run(loop, main())
    return [str(entry["event"]) for entry in logs]


async def ignore(_: swf.ActivityTask) -> None:
    return


def lanes_of(scheduler: Scheduler, count: int) -> None:
    for number in range(count):
        scheduler.add_lane(swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"list-{number}"), ignore, slots=1)


def test_a_stall_is_noticed_once_and_a_short_one_is_none() -> None:
    stalls: list[float] = []

    async def main() -> None:
        pulse = Pulse(stalls.append)
        pulse.start()
        await asyncio.sleep(60.0)
        loop.stall(2.0)
        await asyncio.sleep(60.0)
        assert stalls == []
        loop.stall(30.0)
        pulse.check()
        pulse.check()
        await asyncio.sleep(60.0)
        pulse.stop()
        loop.stall(30.0)
        pulse.check()

    loop = virtual_time.VirtualLoop()
    virtual_time.run(loop, main())
    assert len(stalls) == 1
    assert 30.0 <= stalls[0] <= 32.5


def test_answers_that_waited_during_a_stall_do_not_start_all_polls_at_once() -> None:
    async def story(loop: virtual_time.VirtualLoop, scheduler: Scheduler, polls: ScriptedPolls) -> None:
        lanes_of(scheduler, 100)
        await asyncio.sleep(30.0)
        assert polls.in_flight == 100
        loop.stall(65.0)
        over = loop.time()
        await asyncio.sleep(10.0)
        again = [record.begun - over for record in polls.records if record.begun >= over]
        assert len(again) == 100
        assert max(again) > 0.7
        assert sum(begun < 0.1 for begun in again) < 30

    assert "event_loop_stood_still" in live(Reply(58.0), story)


def test_a_poll_that_failed_meanwhile_may_have_lost_a_task() -> None:
    async def story(loop: virtual_time.VirtualLoop, scheduler: Scheduler, polls: ScriptedPolls) -> None:
        lanes_of(scheduler, 1)
        await asyncio.sleep(1.0)
        loop.stall(20.0)
        await asyncio.sleep(0.5)
        assert scheduler.statistics().lanes[0].last_outcome == "ambiguous"

    live(Reply(10.0, fault=swf.ConnectFailed()), story)


def test_no_poll_is_given_up_for_an_age_that_the_stall_gave_it() -> None:
    async def story(loop: virtual_time.VirtualLoop, scheduler: Scheduler, polls: ScriptedPolls) -> None:
        lanes_of(scheduler, 5)
        await asyncio.sleep(1.0)
        loop.stall(300.0)
        await asyncio.sleep(60.0)
        assert not any(record.cancelled for record in polls.records)
        assert scheduler.statistics().hold_s <= 60.0, "durations that a stall stretched teach nothing"

    live(Reply(58.0), story)
