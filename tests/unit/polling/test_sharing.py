"""A scheduler with more lanes than connections (spec/swf-long-poll-scale 5.11), on virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from tests.property.polling.queues import CountedQueues

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, LatencyOutOfReach, Metrics, Outcome, Scheduler, TenantShare
from elbflow.polling.bound import Mode

HINTS = frozenset({swf.HOLD_HINT})


def activities(number: int) -> swf.TaskList:
    return swf.TaskList(swf.TaskKind.ACTIVITY, "d", f"l{number}")


async def ignore(_: swf.ActivityTask) -> None:
    return


class Place:
    """A clock, an endpoint that holds 60 s, and a scheduler on it."""

    def __init__(self, capabilities: frozenset[str] = frozenset(), **profile: Any) -> None:
        self.clock = clocks.ManualClock()
        self.service = CountedQueues(self.clock, 60.0, capabilities)
        self.profile = dataclasses.replace(EndpointProfile.aws(), issue_rate=1000.0, **profile)
        self.registry = CollectorRegistry()

    def scheduler(self, budget: int, shares: dict[str, TenantShare] | None = None) -> Scheduler:
        return Scheduler(
            self.service,
            profile=self.profile,
            identity="host:1",
            budget=budget,
            shares=shares,
            clock=self.clock,
            rng=random.Random(1),
            metrics=Metrics(self.registry),
        )

    @asynccontextmanager
    async def running(self, scheduler: Scheduler) -> AsyncIterator[Scheduler]:
        await scheduler.__aenter__()
        try:
            yield scheduler
        finally:
            leaving = asyncio.ensure_future(scheduler.__aexit__(None, None, None))
            while not leaving.done():
                await self.clock.advance(5.0)


async def test_a_promise_that_cannot_be_kept_is_refused_with_the_arithmetic() -> None:
    scheduler = Place(probe_rate=0.01).scheduler(10)
    for number in range(19):
        scheduler.add_lane(activities(number), ignore, slots=1)
    with pytest.raises(LatencyOutOfReach) as caught:
        scheduler.add_lane(activities(19), ignore, slots=1, max_dispatch_latency_s=30.0)
    text = str(caught.value)
    assert "20 task lists share 10 connections" in text
    assert "ceil(11 / 9) x 60 s = 120 s" in text
    assert "max_dispatch_latency_s is 30; raise the poll budget (or the tenant's share of it) by 10" in text
    assert "max_dispatch_latency_s to 120" in text
    assert scheduler.statistics().lane_count == 19
    scheduler.add_lane(activities(19), ignore, slots=1, max_dispatch_latency_s=120.0)


async def test_a_lane_that_would_break_the_promise_to_another_is_refused() -> None:
    scheduler = Place().scheduler(4)
    for number in range(4):
        scheduler.add_lane(activities(number), ignore, slots=1, max_dispatch_latency_s=1.0)
    with pytest.raises(LatencyOutOfReach, match="cannot poll l4: 5 task lists share 4 connections"):
        scheduler.add_lane(activities(4), ignore, slots=1)


async def test_latency_critical_lanes_may_not_take_the_last_connection() -> None:
    scheduler = Place().scheduler(3)
    for number in range(2):
        scheduler.add_lane(activities(number), ignore, slots=1, latency_critical=True)
    scheduler.add_lane(activities(2), ignore, slots=1)
    with pytest.raises(LatencyOutOfReach, match="fewer latency_critical lanes"):
        scheduler.add_lane(activities(3), ignore, slots=1, latency_critical=True)


async def test_a_critical_lane_finds_its_connection_free_after_a_long_handler() -> None:
    place = Place(probe_rate=0.01)
    release = asyncio.Event()

    async def slow(_: swf.ActivityTask) -> None:
        await release.wait()

    scheduler = place.scheduler(3)
    scheduler.add_lane(activities(0), slow, slots=1, latency_critical=True)
    for number in range(1, 8):
        scheduler.add_lane(activities(number), ignore, slots=1)
    async with place.running(scheduler):
        await place.clock.advance(3.0)
        place.service.offer(activities(0))
        await place.clock.advance(100.0)
        assert place.service.parked.total() == 2, "the third is kept while the handler runs"
        release.set()
        await place.clock.advance(0.1)
        assert place.service.parked[activities(0)] == 1


async def test_holds_are_asked_of_an_endpoint_that_takes_hints_and_critical_lanes_keep_theirs() -> None:
    place = Place(HINTS, takes_hold_hints=True)
    scheduler = place.scheduler(10)
    scheduler.add_lane(activities(0), ignore, slots=1, latency_critical=True)
    for number in range(1, 37):
        scheduler.add_lane(activities(number), ignore, slots=1)
    async with place.running(scheduler):
        await place.clock.advance(61.0)
        now = scheduler.statistics()
        assert (now.sharing.mode, now.sharing.hold_s) == (Mode.HOLD_HINT, 15.0)
        assert now.probes.asked == 0
        assert {lane.bound_s for lane in now.lanes} == {0.0, now.sharing.worst_s}
        polls = [lane.polls for lane in now.lanes]
        assert polls[0] <= 2, "held for a minute"
        assert sum(polls[1:]) >= 4 * 9, "nine connections, four turns each"
        assert all(lane.last_outcome in (None, Outcome.FULL_EMPTY) for lane in now.lanes)
        assert now.hold_s == 60.0, "what was asked for teaches nothing"


async def test_an_endpoint_that_turns_out_not_to_take_hints_is_probed() -> None:
    place = Place(takes_hold_hints=True, probe_rate=2.0)
    scheduler = place.scheduler(10)
    for number in range(20):
        scheduler.add_lane(activities(number), ignore, slots=1, max_dispatch_latency_s=70.0)
    with structlog.testing.capture_logs() as logs:
        async with place.running(scheduler):
            await place.clock.advance(20.0)
            assert scheduler.statistics().sharing.mode is Mode.HOLD_HINT
            place.service.offer(activities(0))
            await place.clock.advance(60.0)
            now = scheduler.statistics()
            assert now.sharing.mode is Mode.PROBING
            assert now.probes.asked > 0
            assert place.registry.get_sample_value("swf_dispatch_bound_seconds") == now.sharing.worst_s
    assert [line["event"] for line in logs if "latency" in line["event"]] == []


async def test_a_promise_that_breaks_later_is_told_once() -> None:
    place = Place(probe_rate=0.01)
    place.profile = dataclasses.replace(place.profile, hold_s=30.0)
    scheduler = place.scheduler(10)
    for number in range(14):
        scheduler.add_lane(activities(number), ignore, slots=1, max_dispatch_latency_s=30.0)
    with structlog.testing.capture_logs() as logs:
        async with place.running(scheduler):
            await place.clock.advance(200.0)
            assert scheduler.statistics().hold_s == 60.0
            lines = [line for line in logs if line["event"] == "dispatch_latency_out_of_reach"]
    assert [line["log_level"] for line in lines] == ["error"]
    assert "each for up to 60 s" in lines[0]["explanation"]


async def test_a_tenant_is_promised_what_its_share_allows() -> None:
    scheduler = Place(probe_rate=0.01).scheduler(20, {"cfn": TenantShare(max_share=0.2)})
    for number in range(4):
        scheduler.add_lane(activities(number), ignore, slots=1, tenant="cfn", max_dispatch_latency_s=1.0)
    scheduler.add_lane(activities(4), ignore, slots=1, max_dispatch_latency_s=1.0)
    with pytest.raises(LatencyOutOfReach, match="5 task lists share 4 connections"):
        scheduler.add_lane(activities(5), ignore, slots=1, tenant="cfn")


async def test_a_closed_lane_makes_room_for_another() -> None:
    place = Place()
    scheduler = place.scheduler(4)
    lanes = [scheduler.add_lane(activities(n), ignore, slots=1, max_dispatch_latency_s=1.0) for n in range(4)]
    async with place.running(scheduler):
        await lanes[0].close()
        scheduler.add_lane(activities(4), ignore, slots=1)
        assert scheduler.statistics().sharing.mode is Mode.ENOUGH


async def test_probing_finds_work_long_before_the_turn_comes() -> None:
    place = Place(probe_rate=10.0)
    scheduler = place.scheduler(10)
    for number in range(100):
        scheduler.add_lane(activities(number), ignore, slots=1)
    async with place.running(scheduler):
        await place.clock.advance(20.0)
        unpolled = [n for n in range(100) if not place.service.parked[activities(n)]]
        for number in unpolled[:20]:
            place.service.offer(activities(number))
        await place.clock.advance(12.0)
        now = scheduler.statistics(lanes=False)
    assert now.sharing.turns_s > 600.0
    assert place.service.left == 0
    assert max(place.service.latencies_s) <= now.sharing.sweep_s + 0.1 <= 9.3
    assert now.probes.found == 20
    assert place.registry.get_sample_value("swf_probes_total", {"result": "work"}) == 20


async def test_counts_that_fail_are_given_up_for_a_while_and_told_once() -> None:
    place = Place(probe_rate=10.0)
    scheduler = place.scheduler(10)
    for number in range(40):
        scheduler.add_lane(activities(number), ignore, slots=1)
    with structlog.testing.capture_logs() as logs:
        async with place.running(scheduler):
            place.service.fault = swf.Denied("no")
            await place.clock.advance(120.0)
            failed = scheduler.statistics(lanes=False).probes.failed
            place.service.fault = None
            await place.clock.advance(70.0)
            now = scheduler.statistics(lanes=False).probes
    assert 3 <= failed <= 25
    assert now.asked > failed + 10
    counting = [line["event"] for line in logs if "counted" in line["event"]]
    assert counting == ["pending_tasks_not_counted", "pending_tasks_counted_again"]


async def test_tasks_that_wait_together_are_all_served_in_one_turn() -> None:
    place = Place(probe_rate=0.01)
    scheduler = place.scheduler(3)
    for number in range(9):
        scheduler.add_lane(activities(number), ignore, slots=4)
    async with place.running(scheduler):
        await place.clock.advance(5.0)
        unpolled = next(n for n in range(9) if not place.service.parked[activities(n)])
        for _ in range(3):
            place.service.offer(activities(unpolled))
        while place.service.left == 3:
            await place.clock.advance(1.0)
        assert place.service.left == 0
        assert place.service.parked[activities(unpolled)] == 1, "its turn goes on until a poll waits"


async def test_an_endpoint_that_tells_its_backlog_sees_the_next_list_as_soon_as_it_is_empty() -> None:
    place = Place(HINTS, takes_hold_hints=True)
    scheduler = place.scheduler(3)
    for number in range(9):
        scheduler.add_lane(activities(number), ignore, slots=4)
    async with place.running(scheduler):
        await place.clock.advance(5.0)
        parked = next(n for n in range(9) if place.service.parked[activities(n)])
        for _ in range(3):
            place.service.offer(activities(parked))
        await clocks.settle(100)
        assert place.service.left == 0
        assert place.service.parked[activities(parked)] == 0
        assert place.service.parked.total() == 3
