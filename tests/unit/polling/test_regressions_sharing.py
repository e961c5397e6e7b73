"""Faults once found in what the endpoint teaches and in how connections are shared; each test is named after one."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass

import pytest
from tests.unit.polling.conftest import World

from elbflow import swf
from elbflow.polling import EndpointProfile, LatencyOutOfReach, Scheduler, TenantShare
from elbflow.polling.bound import Mode
from elbflow.polling.testing import Reply, ScriptedPolls

AWS = EndpointProfile.aws()


def activities(name: str) -> swf.TaskList:
    return swf.TaskList(swf.TaskKind.ACTIVITY, "d", name)


async def ignore(_: swf.ActivityTask) -> None:
    return


@dataclass(eq=False)
class CountablePolls(ScriptedPolls):
    """Tasks wait on lists 5 and 6, if one asks."""

    counts: int = 0

    async def count_pending_tasks(self, task_list: swf.TaskList) -> int:
        self.counts += 1
        return 5 if task_list.name in ("5", "6") else 0


def with_guarantee(world: World) -> Scheduler:
    """A hundred connections, of which forty are guaranteed to tenant cfn."""
    return Scheduler(
        world.polls,
        profile=AWS,
        identity="host:1",
        budget=100,
        shares={"cfn": TenantShare(min_share=0.4)},
        clock=world.clock,
        rng=random.Random(1),
        metrics=world.metrics,
    )


async def test_the_learned_hold_follows_a_hold_that_became_shorter(world: World) -> None:
    """45 s after 60 s is early by less than a quarter: it was called early for good, and each poll paced."""
    world.reply = Reply(60.0)
    async with world.running(world.build(AWS)) as scheduler:
        lane = scheduler.add_lane(activities("a"), ignore, slots=4)
        await world.clock.advance(60.0 * 8)
        assert scheduler.statistics().hold_s == pytest.approx(60.0)
        world.reply = Reply(45.0)
        await world.clock.advance(3600.0)
        assert scheduler.statistics().hold_s == pytest.approx(45.0)
        assert lane.statistics().early == 0
        wasted = world.sample("swf_poll_wasted_total", lane_class="default", kind="activity")
        assert wasted <= 20  # as many as the hold is learned from


async def test_the_breaker_does_not_believe_a_probe_that_is_still_connecting(world: World) -> None:
    """Where connecting takes 5 s to fail, a probe of 1 s looked parked: the breaker closed, and all lanes tried."""
    world.reply = Reply(5.0, fault=swf.ConnectFailed("timed out"))
    async with world.running(world.build(AWS)) as scheduler:
        for number in range(100):
            scheduler.add_lane(activities(str(number)), ignore, slots=1)
        await world.clock.advance(10.0)
        before = len(world.polls.records)
        for _ in range(290):
            await world.clock.advance(1.0)
            assert not scheduler.statistics(lanes=False).endpoint_open
        assert len(world.polls.records) - before <= 100  # single probes: one per 5 s of connecting or less
        world.reply = Reply(60.0)
        await world.clock.advance(60.0)
        assert scheduler.statistics(lanes=False).endpoint_open
        assert all(lane.parked == 1 for lane in scheduler.statistics().lanes)


async def test_guarantees_of_others_are_not_counted_twice(world: World) -> None:
    """Forty connections were set aside for cfn, whose forty lanes then were counted among the rest once more: lanes
    were refused although each had a connection."""
    async with world.running(with_guarantee(world)) as scheduler:
        for number in range(40):
            scheduler.add_lane(activities(f"c{number}"), ignore, slots=1, tenant="cfn")
        for number in range(49):
            scheduler.add_lane(activities(f"e{number}"), ignore, slots=1)
        await world.clock.advance(10.0)
        assert all(lane.parked == 1 for lane in scheduler.statistics().lanes)
        assert scheduler.statistics().sharing.mode is Mode.ENOUGH
        added = scheduler.add_lane(activities("e49"), ignore, slots=1, max_dispatch_latency_s=10.0)
        await world.clock.advance(10.0)
        assert added.statistics().parked == 1


async def test_a_tenant_is_guaranteed_only_what_its_lanes_could_park(world: World) -> None:
    """Three lanes with one slot each kept forty connections from all others."""
    async with world.running(with_guarantee(world)) as scheduler:
        for number in range(3):
            scheduler.add_lane(activities(f"c{number}"), ignore, slots=1, tenant="cfn")
        assert guaranteed(scheduler) == 3
        wide = scheduler.add_lane(activities("wide"), ignore, slots=50, max_polls=2, tenant="cfn")
        assert guaranteed(scheduler) == 5
        await wide.close()
        assert guaranteed(scheduler) == 3
        scheduler.add_lane(activities("widest"), ignore, slots=500, max_polls=100, tenant="cfn")
        assert guaranteed(scheduler) == 40


def guaranteed(scheduler: Scheduler) -> int:
    return next(use.guaranteed for use in scheduler.statistics().tenants if use.tenant == "cfn")


@pytest.mark.parametrize(("budget", "probe_rate"), [(3, 1.0), (2, 50.0), (8, 0.0)])
async def test_nothing_is_probed_where_no_connection_is_kept_for_found_lanes(
    world: World, budget: int, probe_rate: float
) -> None:
    """Lanes that counting finds need a connection that is kept for them: without one the bound promised what nothing
    kept. A probe rate of 0 was divided by."""
    service = world.polls = CountablePolls(world.clock, lambda _: Reply(60.0))
    profile = dataclasses.replace(AWS, probe_rate=probe_rate)
    async with world.running(world.build(profile, budget=budget)) as scheduler:
        lanes = [scheduler.add_lane(activities(str(number)), ignore, slots=1) for number in range(10)]
        await world.clock.advance(1.0)
        sharing = scheduler.statistics().sharing
        assert sharing.mode is Mode.ROTATION
        assert sharing.worst_s == sharing.turns_s
        await world.clock.advance(sharing.worst_s + 1.0)
        assert service.counts == scheduler.statistics().probes.asked == 0
        assert all(lane.statistics().polls >= 1 for lane in lanes)


async def test_lists_are_probed_where_a_connection_is_kept_for_found_lanes(world: World) -> None:
    service = world.polls = CountablePolls(world.clock, lambda _: Reply(60.0))
    async with world.running(world.build(AWS, budget=4)) as scheduler:
        for number in range(10):
            scheduler.add_lane(activities(str(number)), ignore, slots=1)
        await world.clock.advance(30.0)
        assert scheduler.statistics().sharing.mode is Mode.PROBING
        assert service.counts > 0


async def test_the_bound_is_reckoned_anew_when_a_tenant_leaves(world: World) -> None:
    """Alone again, a tenant may use all connections; the bound and the turns stayed those of two tenants."""
    world.reply = Reply(60.0)  # as the profile says: a hold that is learned would have the bound reckoned anew, too
    async with world.running(world.build(AWS, budget=100)) as scheduler:
        for number in range(80):
            scheduler.add_lane(activities(str(number)), ignore, slots=1)
        other = scheduler.add_lane(activities("other"), ignore, slots=1, tenant="cfn")
        await world.clock.advance(5.0)
        assert scheduler.statistics().sharing.mode is Mode.ROTATION
        with pytest.raises(LatencyOutOfReach):
            scheduler.add_lane(activities("late"), ignore, slots=1, max_dispatch_latency_s=10.0)
        await other.close()
        await world.clock.advance(70.0)
        sharing = scheduler.statistics().sharing
        assert (sharing.mode, sharing.worst_s) == (Mode.ENOUGH, 0.0)
        assert all(lane.parked == 1 for lane in scheduler.statistics().lanes)
