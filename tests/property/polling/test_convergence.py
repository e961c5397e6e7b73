"""How the scheduler adapts, on virtual time: bursts (Q22) and throttling (Q20) of spec/swf-long-poll-scale 7."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable

import pytest
import structlog
from tests.property.polling import virtual_time
from tests.property.polling.task_lists import TaskLists

from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler

Story = Callable[[Scheduler, TaskLists], Awaitable[None]]


def live(profile: EndpointProfile, budget: int, endpoint: dict[str, float | bool], story: Story) -> None:
    """Let ``story`` happen to a scheduler before an endpoint with real task lists."""

    async def main() -> None:
        clock = virtual_time.LoopClock(loop)
        lists = TaskLists(clock, profile.hold_s, **endpoint)  # type: ignore[arg-type]
        scheduler = Scheduler(
            lists, profile=profile, identity="host:1", budget=budget, clock=clock, rng=random.Random(1)
        )
        async with scheduler:
            await story(scheduler, lists)

    loop = virtual_time.VirtualLoop()
    with structlog.testing.capture_logs():
        virtual_time.run(loop, main())


def activity_list(name: str) -> swf.TaskList:
    return swf.TaskList(swf.TaskKind.ACTIVITY, "domain", name)


async def ten_milliseconds(_: swf.ActivityTask) -> None:
    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("profile", "rtt_s", "hints"),
    [
        (dataclasses.replace(EndpointProfile.aws(), issue_rate=200.0), 0.06, False),
        (EndpointProfile.local(), 0.06, False),
        (EndpointProfile.local(), 0.06, True),
    ],
    ids=["aws with its whole quota", "local that tells nothing", "our engine"],
)
def test_q22_a_burst_is_met_and_forgotten(profile: EndpointProfile, rtt_s: float, hints: bool) -> None:
    async def story(scheduler: Scheduler, lists: TaskLists) -> None:
        lane = scheduler.add_lane(activity_list("burst"), ten_milliseconds, slots=16)
        await asyncio.sleep(130.0)
        assert lane.statistics().parked == 1
        began = asyncio.get_running_loop().time()
        lists.put("burst", 1000)
        most, twelve_after_s, drained_after_s = 1, None, None
        while (elapsed_s := asyncio.get_running_loop().time() - began) < 20.0:
            most = max(most, lane.statistics().parked)
            if twelve_after_s is None and most >= 12:
                twelve_after_s = elapsed_s
            if drained_after_s is None and lists.delivered == 1000:
                drained_after_s = elapsed_s
            await asyncio.sleep(0.01)
        assert twelve_after_s is not None, f"{most} polls at most"
        assert twelve_after_s <= 10.0
        assert drained_after_s is not None, f"{lists.delivered} delivered"
        assert drained_after_s <= 15.0
        await asyncio.sleep(2 * profile.hold_s)
        assert lane.statistics().parked == 1

    live(profile, 200, {"rtt_s": rtt_s, "hints": hints}, story)


def test_q20_throttling_converges_and_no_list_is_left_out() -> None:
    rate, lanes = 20.0, 200
    profile = dataclasses.replace(EndpointProfile.aws(), issue_rate=50.0)

    async def story(scheduler: Scheduler, lists: TaskLists) -> None:
        for number in range(lanes):
            scheduler.add_lane(activity_list(f"list-{number}"), ten_milliseconds, slots=4)
            lists.put(f"list-{number}", 10_000)
        await asyncio.sleep(30.0)
        calls, throttled = len(lists.calls), len(lists.throttled)
        lists.longest_unpolled_s.clear()
        await asyncio.sleep(150.0)
        calls, throttled = len(lists.calls) - calls, len(lists.throttled) - throttled
        assert throttled / calls <= 0.05, f"{throttled} of {calls} calls throttled"
        assert calls / 150.0 >= 0.5 * rate, f"only {calls / 150.0:.1f} of {rate} polls per second used"
        slowest = rate / 4
        bound_s = lanes / slowest + 10.0
        assert max(lists.longest_unpolled_s.values()) <= bound_s
        assert len(lists.longest_unpolled_s) == lanes

    live(profile, 220, {"rtt_s": 0.04, "rate": rate, "burst": 20.0}, story)
