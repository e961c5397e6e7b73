"""Slots, budget, pacing and handing over, on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
import structlog
from tests.unit.polling.conftest import World

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, Outcome, Scheduler, Waiting
from elbflow.polling.testing import Reply


def task_list(name: str = "list", kind: swf.TaskKind = swf.TaskKind.ACTIVITY) -> swf.TaskList:
    return swf.TaskList(kind, "domain", name)


async def ignore(_: swf.ActivityTask) -> None:
    return


def sleeping(world: World, seconds: float) -> Callable[[swf.ActivityTask], asyncio.Future[None]]:
    def handle(_: swf.ActivityTask) -> asyncio.Future[None]:
        return asyncio.ensure_future(world.clock.sleep(seconds))

    return handle


async def test_a_lane_keeps_its_minimum_parked_and_no_more_while_nothing_comes(world: World) -> None:
    async with world.running(world.build()) as scheduler:
        plain = scheduler.add_lane(task_list("plain"), ignore, slots=5)
        wide = scheduler.add_lane(task_list("wide"), ignore, slots=5, min_polls=5)
        capped = scheduler.add_lane(task_list("capped"), ignore, slots=5, max_polls=2, min_polls=2)
        await world.clock.advance(1.0)
        assert [lane.statistics().parked for lane in (plain, wide, capped)] == [1, 5, 2]
        assert {lane.statistics().waiting for lane in (plain, wide, capped)} == {Waiting.NOTHING}


async def test_a_running_handler_and_a_parked_poll_hold_a_slot_each(world: World) -> None:
    world.reply = Reply(0.5, task=True)
    async with world.running(world.build()) as scheduler:
        lane = scheduler.add_lane(task_list(), sleeping(world, 30.0), slots=3, min_polls=3)
        await world.clock.advance(5.0)
        now = lane.statistics()
        assert (now.slots_used, now.parked, now.slots_free, now.target) == (3, 0, 0, 0)
        assert now.waiting is Waiting.NO_SLOT
        assert len(world.polls.records) == 3
        await world.clock.advance(26.5)
        assert len(world.polls.records) == 6
        assert lane.statistics().tasks == 6


async def test_decision_tasks_reach_their_handler(world: World) -> None:
    seen: list[swf.DecisionTask] = []

    async def handle(task: swf.DecisionTask) -> None:
        seen.append(task)

    world.reply = Reply(3.0, task=True)
    async with world.running(world.build()) as scheduler:
        scheduler.add_lane(task_list(kind=swf.TaskKind.DECISION), handle, slots=1)
        await world.clock.advance(3.5)
    assert [task.token for task in seen] == ["token-1"]


async def test_every_lane_keeps_one_poll_before_any_gets_two(world: World) -> None:
    async with world.running(world.build(budget=20)) as scheduler:
        hot = scheduler.add_lane(task_list("hot"), ignore, slots=16, min_polls=16)
        await world.clock.advance(1.0)
        assert hot.statistics().parked == 16
        assert scheduler.statistics().budget_used == 16
        late = [scheduler.add_lane(task_list(f"late-{number}"), ignore, slots=1) for number in range(10)]
        await world.clock.advance(1.0)
        assert sum(lane.statistics().parked for lane in late) == 4
        assert {lane.statistics().waiting for lane in late} == {Waiting.NOTHING, Waiting.NO_BUDGET}
        await world.clock.advance(60.0)
        assert all(lane.statistics().parked == 1 for lane in late)
        assert hot.statistics().parked == 10


async def test_more_lanes_than_budget_take_turns(world: World) -> None:
    async with world.running(world.build(budget=5)) as scheduler:
        for number in range(15):
            scheduler.add_lane(task_list(f"list-{number}"), ignore, slots=1)
        await world.clock.advance(58.0 * 3)
        polled = [record.task_list.name for record in world.polls.records[:15]]
    assert len(set(polled)) == 15


async def test_early_answers_are_paced_per_list(world: World) -> None:
    world.reply = Reply(0.01)
    async with world.running(world.build()) as scheduler:
        lane = scheduler.add_lane(task_list(), ignore, slots=4, min_polls=4)
        await world.clock.advance(20.0)
        before = len(world.polls.records)
        await world.clock.advance(60.0)
        assert (len(world.polls.records) - before) / 60 <= 1.2
        assert lane.statistics().last_outcome is Outcome.EARLY_EMPTY
        assert lane.statistics().waiting is Waiting.PACED
        assert world.sample("swf_poll_wasted_total", lane_class="default", kind="activity") == len(world.polls.records)
        world.reply = Reply(0.01, task=True)
        await world.clock.advance(1.5)
        assert lane.statistics().tasks > 0


async def test_throttling_slows_all_lanes_of_the_kind(world: World) -> None:
    world.reply = Reply(0.05, fault=swf.Throttled())
    async with world.running(world.build(EndpointProfile.aws())) as scheduler:
        for number in range(50):
            scheduler.add_lane(task_list(f"list-{number}"), ignore, slots=1)
        await world.clock.advance(30.0)
        rates = scheduler.statistics().issue_rate
        assert rates[swf.TaskKind.ACTIVITY] < 5.0
        assert rates[swf.TaskKind.DECISION] == 50.0
        throttled = [record for record in world.polls.records if record.begun > 30.0 - 5.0]
        assert len(throttled) <= 5 * 10


async def test_a_list_at_its_limit_keeps_what_it_has(world: World) -> None:
    async with world.running(world.build()) as scheduler:
        lane = scheduler.add_lane(task_list(), ignore, slots=4, max_polls=3, min_polls=3)
        await world.clock.advance(50.0)
        world.reply = Reply(0.01, fault=swf.LimitExceeded())
        await world.clock.advance(9.0)
        world.reply = Reply(58.0)
        await world.clock.advance(100.0)
        assert lane.statistics().parked == 1
        assert lane.statistics().target == 1


async def test_an_invalid_lane_stops_and_says_why(world: World) -> None:
    world.reply = Reply(0.01, fault=swf.Invalid("name too long"))
    async with world.running(world.build()) as scheduler:
        lane = scheduler.add_lane(task_list(), ignore, slots=2)
        await world.clock.advance(300.0)
        assert len(world.polls.records) <= 2
        assert isinstance(lane.failure, swf.Invalid)
        assert lane.statistics().waiting is Waiting.FAILED
        assert lane.statistics().failure == "name too long"


async def test_a_dead_endpoint_is_probed_and_all_lanes_return_when_it_answers(world: World) -> None:
    world.reply = Reply(0.01, fault=swf.ConnectFailed())
    async with world.running(world.build()) as scheduler:
        for number in range(100):
            scheduler.add_lane(task_list(f"list-{number}"), ignore, slots=1)
        await world.clock.advance(30.0)
        assert not scheduler.statistics().endpoint_open
        assert Waiting.ENDPOINT_DOWN in {lane.waiting for lane in scheduler.statistics().lanes}
        before = len(world.polls.records)
        await world.clock.advance(60.0)
        assert len(world.polls.records) - before <= 60
        world.reply = Reply(58.0)
        await world.clock.advance(15.0)
        assert scheduler.statistics().endpoint_open
        assert world.polls.in_flight == 100


async def test_one_broken_list_does_not_disturb_the_others(world: World) -> None:
    def script(polled: swf.TaskList) -> Reply:
        return Reply(0.01, fault=swf.Unavailable()) if polled.name == "broken" else Reply(1.0, task=True)

    world.polls.script = script
    async with world.running(world.build()) as scheduler:
        scheduler.add_lane(task_list("broken"), ignore, slots=4)
        good = [scheduler.add_lane(task_list(f"good-{number}"), ignore, slots=1) for number in range(3)]
        await world.clock.advance(60.0)
        assert all(lane.statistics().tasks >= 57 for lane in good)
        assert scheduler.statistics().endpoint_open


async def test_a_closed_idle_connection_is_retried_at_once_and_only_once(world: World) -> None:
    async with world.running(world.build()) as scheduler:
        scheduler.add_lane(task_list(), ignore, slots=1)
        await world.clock.advance(57.5)
        world.reply = Reply(0.01, fault=swf.Ambiguous())
        await world.clock.advance(1.0)
        ended = [record for record in world.polls.records if record.ended is not None]
        assert ended[2].begun == ended[1].ended
        assert world.sample("swf_poll_results_total", lane_class="default", kind="activity", outcome="stale") == 1
        assert world.sample("swf_poll_ambiguous_total", lane_class="default", kind="activity") >= 1


async def test_a_poll_that_never_ends_is_given_up_after_the_watchdog(world: World) -> None:
    world.reply = Reply(None)
    async with world.running(world.build(EndpointProfile.aws())) as scheduler:
        scheduler.add_lane(task_list(), ignore, slots=1)
        await world.clock.advance(74.0)
        assert world.polls.in_flight == 1
        world.reply = Reply(58.0)
        await world.clock.advance(3.0)
        assert world.polls.records[0].cancelled
        assert world.polls.in_flight == 1
        labels = {"lane_class": "default", "kind": "activity"}
        assert world.sample("swf_polls_abandoned_total", **labels) == 1
        assert world.sample("swf_poll_ambiguous_total", **labels) == 1


async def test_a_handler_that_raises_is_logged_and_its_slot_returns(world: World) -> None:
    async def broken(_: swf.ActivityTask) -> None:
        raise RuntimeError("bug")

    world.reply = Reply(1.0, task=True)
    async with world.running(world.build()) as scheduler:
        lane = scheduler.add_lane(task_list(), broken, slots=1)
        with structlog.testing.capture_logs() as logs:
            await world.clock.advance(5.0)
        assert lane.statistics().tasks >= 4
    assert logs[0]["event"] == "task_handler_failed"
    assert world.sample("swf_handler_failures_total", lane_class="default", kind="activity") >= 4


async def test_a_handler_that_raises_a_cancellation_of_its_own_is_logged_and_counted(world: World) -> None:
    world.reply = Reply(0.5, task=True)

    async def fail(_: swf.ActivityTask) -> None:
        raise asyncio.CancelledError("of something else")

    with structlog.testing.capture_logs() as logs:
        async with world.running(world.build()) as scheduler:
            lane = scheduler.add_lane(task_list(), fail, slots=1)
            await world.clock.advance(3.0)
            assert lane.statistics().tasks == len(world.polls.delivered)
    failed = [entry for entry in logs if entry["event"] == "task_handler_failed"]
    assert len(failed) >= 4
    assert world.sample("swf_handler_failures_total", lane_class="default", kind="activity") == len(failed)


async def test_a_handler_that_was_cancelled_by_an_abort_is_no_failure(world: World) -> None:
    world.reply = Reply(0.5, task=True)

    async def wait(_: swf.ActivityTask) -> None:
        await world.clock.sleep(100.0)

    with structlog.testing.capture_logs() as logs:
        async with world.running(world.build()) as scheduler:
            scheduler.add_lane(task_list(), wait, slots=1)
            await world.clock.advance(3.0)
            scheduler.stop()
            scheduler.abort_handlers()
            assert await scheduler.drained(1.0)
    assert not [entry for entry in logs if entry["event"] == "task_handler_failed"]
    assert world.sample("swf_handler_failures_total", lane_class="default", kind="activity") == 0


async def test_a_client_defect_is_logged_and_backed_off(world: World) -> None:
    async def broken(*_: object, **__: object) -> None:
        world.polls.delivered.append("called")
        raise KeyError("taskToken")

    world.polls.poll_for_activity_task = broken  # type: ignore[method-assign]
    async with world.running(world.build()) as scheduler:
        lane = scheduler.add_lane(task_list(), ignore, slots=1)
        with structlog.testing.capture_logs() as logs:
            await world.clock.advance(60.0)
        assert lane.statistics().last_outcome is Outcome.DEFECT
    assert 2 <= len(world.polls.delivered) <= 30
    assert logs[0]["event"] == "poll_failed_unexpectedly"


async def test_trouble_and_recovery_are_logged_once_each(world: World) -> None:
    world.reply = Reply(0.01, fault=swf.UnknownResource("Unknown domain: domain"))
    async with world.running(world.build()) as scheduler:
        scheduler.add_lane(task_list(), ignore, slots=1)
        with structlog.testing.capture_logs() as logs:
            await world.clock.advance(300.0)
            world.reply = Reply(58.0)
            await world.clock.advance(200.0)
    assert [entry["event"] for entry in logs] == ["poll_lane_in_trouble", "poll_lane_recovered"]


async def test_a_thousand_parked_lanes_sleep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = world.build(budget=1000)
    passes = 0
    made = scheduler._core._make_pass

    def counted(now: float) -> None:
        nonlocal passes
        passes += 1
        made(now)

    monkeypatch.setattr(scheduler._core, "_make_pass", counted)
    async with world.running(scheduler):
        for number in range(1000):
            scheduler.add_lane(task_list(f"list-{number}"), ignore, slots=2, max_polls=1)
        await world.clock.advance(5.0)
        assert world.polls.in_flight == 1000
        passes = 0
        await world.clock.advance(50.0)
        assert passes <= 1


async def test_before_it_is_entered_nothing_is_polled(world: World) -> None:
    scheduler = world.build()
    lane = scheduler.add_lane(task_list(), ignore, slots=1)
    await world.clock.advance(5.0)
    assert world.polls.records == []
    assert lane.statistics().waiting is Waiting.NOT_STARTED
    async with scheduler:
        await world.clock.advance(0.1)
        assert world.polls.in_flight == 1


@pytest.mark.parametrize(
    ("wishes", "text"),
    [
        ({"slots": 0}, "at least one slot and one poll"),
        ({"max_polls": 0}, "at least one slot and one poll"),
        ({"max_polls": 251}, "at most 250"),
        ({"min_polls": 0}, "min_polls=0 must be from 1 to 4, the smaller of slots=4"),
        ({"min_polls": 3, "max_polls": 2}, "from 1 to 2.*raise slots or max_polls"),
        ({"weight": 0.0}, "weight=0.0 must be above 0"),
        ({"weight": float("nan")}, "above 0"),
        ({"max_dispatch_latency_s": 0.0}, "None accepts any latency"),
    ],
)
async def test_a_lane_that_cannot_be_is_refused_with_what_to_change(
    world: World, wishes: dict[str, float], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        world.build(EndpointProfile.aws()).add_lane(task_list(), ignore, **({"slots": 4} | wishes))  # type: ignore[arg-type]


async def test_it_runs_on_the_machines_own_clock() -> None:
    clock = clocks.SystemClock()
    served = asyncio.Event()

    class Quick:
        async def poll_for_activity_task(
            self, _: swf.TaskList, *, identity: str, hold_s: float | None = None, hints: swf.Hints | None = None
        ) -> swf.ActivityTask | None:
            await clock.sleep(0.01)
            return None if served.is_set() else _activity(identity)

        async def poll_for_decision_task(
            self,
            _: swf.TaskList,
            *,
            identity: str,
            start_at_previous: bool = False,
            hold_s: float | None = None,
            hints: swf.Hints | None = None,
        ) -> swf.DecisionTask | None:
            return None

    async def handle(task: swf.ActivityTask) -> None:
        assert task.token == "host:2"
        served.set()

    scheduler = Scheduler(Quick(), profile=EndpointProfile.local(), identity="host:2", rng=random.Random(1))
    async with scheduler:
        scheduler.add_lane(task_list(), handle, slots=1)
        async with asyncio.timeout(5):
            await served.wait()
    assert scheduler.statistics().budget_used == 0


def _activity(token: str) -> swf.ActivityTask:
    return swf.ActivityTask(token, "1", swf.TypeId("a", "1"), swf.Execution("w", "r"), 1, None)
