"""What the log hears of a day in the life of many lanes: states that change, never single polls."""

from __future__ import annotations

from collections import Counter

import pytest
from structlog.testing import capture_logs
from tests.unit.polling.conftest import World

from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler
from elbflow.polling.testing import Reply
from elbflow.polling.trouble import NAMED_AT_MOST

LANES = 40


async def ignore(_: swf.ActivityTask) -> None:
    return


def add_lanes(scheduler: Scheduler, count: int = LANES) -> None:
    for number in range(count):
        task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"i-{number:05}")
        scheduler.add_lane(task_list, ignore, slots=2, max_polls=1, lane_class="vm")


async def pass_time(world: World, seconds: int) -> None:
    for _ in range(seconds):
        await world.clock.advance(1.0)


async def test_one_line_per_state_change_and_none_per_poll(world: World) -> None:
    told: dict[str, Counter[str]] = {}

    async def period(name: str, reply: Reply, seconds: int) -> None:
        world.reply = reply
        with capture_logs() as logs:
            await pass_time(world, seconds)
        told[name] = Counter(entry["event"] for entry in logs if entry["log_level"] != "debug")

    async with world.running(world.build(EndpointProfile.aws(), budget=LANES)) as scheduler:
        add_lanes(scheduler)
        await period("tasks", Reply(1.0, task=True), 20)
        await period("idle", Reply(58.0), 130)
        await period("early", Reply(0.2), 90)
        await period("good again", Reply(58.0), 130)
        await period("going down", Reply(0.0, fault=swf.ConnectFailed("refused")), 65)  # parked polls end well
        await period("down", world.reply, 60)
        await period("back", Reply(58.0), 130)
        polls = len(world.polls.records)

    assert polls > 20 * LANES
    assert told["tasks"] == told["idle"] == Counter()
    assert told["early"] == {"poll_lane_in_trouble": NAMED_AT_MOST, "many_poll_lanes_in_trouble": 1}
    assert told["good again"] == {"poll_lane_recovered": NAMED_AT_MOST, "all_poll_lanes_recovered": 1}
    assert told["going down"]["swf_endpoint_does_not_answer"] >= 1
    assert told["going down"].total() < LANES
    assert told["down"] == Counter()
    assert told["back"]["swf_endpoint_answers_again"] == 1
    assert told["back"].total() <= 2 + NAMED_AT_MOST


async def test_faults_that_alternate_are_one_trouble(world: World) -> None:
    replies = [Reply(0.2), Reply(0.1, fault=swf.Throttled("slow down"))]
    world.polls.script = lambda _: replies[len(world.polls.records) % 2]
    with capture_logs() as logs:
        async with world.running(world.build(budget=4)) as scheduler:
            add_lanes(scheduler, 1)
            await pass_time(world, 300)
    assert len(world.polls.records) > 20
    assert [entry["event"] for entry in logs] == ["poll_lane_in_trouble"]


@pytest.mark.parametrize("count", [NAMED_AT_MOST, NAMED_AT_MOST + 1])
async def test_lanes_that_go_away_in_trouble_leave_nothing_behind(world: World, count: int) -> None:
    world.reply = Reply(0.1, fault=swf.UnknownResource("no such domain"))
    async with world.running(world.build(budget=40)) as scheduler:
        task_lists = [swf.TaskList(swf.TaskKind.ACTIVITY, "gone", f"i-{number}") for number in range(count)]
        lanes = [scheduler.add_lane(one, ignore, slots=1) for one in task_lists]
        with capture_logs() as logs:
            await pass_time(world, 5)
        events = Counter(entry["event"] for entry in logs)
        assert events["poll_lane_in_trouble"] == NAMED_AT_MOST
        assert events["many_poll_lanes_in_trouble"] == (count > NAMED_AT_MOST)
        with capture_logs() as logs:
            for lane in lanes:
                await lane.close()
            await pass_time(world, 60)
        assert Counter(entry["event"] for entry in logs) == (
            {"all_poll_lanes_recovered": 1} if count > NAMED_AT_MOST else {}
        )
        add_lanes(scheduler, 1)
        with capture_logs() as logs:
            await pass_time(world, 5)
        assert [entry["task_list"] for entry in logs] == ["i-00000"]
