"""What Prometheus gets to see."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from tests.unit.polling.conftest import World

from elbflow import swf
from elbflow.polling.handling import scheduled_for
from elbflow.polling.testing import Reply, activity_task, decision_task

DECISIONS = swf.TaskList(swf.TaskKind.DECISION, "domain", "i-0123456789")


async def test_gauges_follow_polls_and_handlers(world: World) -> None:
    async def slow(_: swf.DecisionTask) -> None:
        await world.clock.sleep(30.0)

    labels = {"lane_class": "decider", "kind": "decision"}
    world.reply = Reply(2.0, task=True)
    async with world.build(budget=40) as scheduler:
        scheduler.add_lane(DECISIONS, slow, slots=3, max_polls=1, lane_class="decider")
        await world.clock.advance(1.0)
        assert world.sample("swf_polls_inflight", **labels) == 1
        assert world.sample("swf_poll_budget_used") == 1
        assert world.sample("swf_poll_budget_limit") == 40
        assert world.sample("swf_lanes", **labels) == 1
        await world.clock.advance(10.0)
        assert world.sample("swf_permits_in_use", **labels) == 3
        assert world.sample("swf_polls_inflight", **labels) == 0
        assert world.sample("swf_poll_results_total", **labels, outcome="task") == 3
        assert world.sample("swf_dispatch_delay_seconds_count", **labels) == 3
        assert world.sample("swf_schedule_to_start_seconds_count", lane_class="decider") == 3
        assert world.sample("swf_poll_duration_seconds_sum", kind="decision", outcome="task") == pytest.approx(6.0)
        scheduler.stop()
        await world.clock.advance(60.0)
    assert world.sample("swf_permits_in_use", **labels) == 0


async def test_no_label_names_a_task_list(world: World) -> None:
    async def nothing(_: swf.DecisionTask) -> None:
        return

    world.reply = Reply(0.01)
    async with world.build() as scheduler:
        scheduler.add_lane(DECISIONS, nothing, slots=1)
        await world.clock.advance(30.0)
    text = generate_latest(world.registry).decode()
    assert "swf_poll_pace_delay_seconds_count" in text
    assert "swf_poll_hold_learned_seconds 58.0" in text
    assert 'swf_governor_rate{kind="decision"} 500.0' in text
    assert "swf_poll_breaker_open 0.0" in text
    assert "i-0123456789" not in text


def test_waiting_time_of_a_decision_task_is_in_its_history() -> None:
    assert scheduled_for(decision_task("t", scheduled_at=100.0), 103.5) == 3.5
    assert scheduled_for(decision_task("t", scheduled_at=100.0), 99.0) == 0.0
    assert scheduled_for(activity_task("t"), 100.0) is None


async def test_lanes_are_added_up_by_class_when_asked(world: World) -> None:
    """One walk over the lanes per scrape: nothing of it is paid for by a poll."""
    labels = {"lane_class": "vm", "kind": "activity"}
    async with world.running(world.build(budget=2)) as scheduler:
        for number in range(4):
            task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"i-{number}")
            scheduler.add_lane(task_list, ignore, slots=2, max_polls=1, lane_class="vm")
        await world.clock.advance(5.0)
        assert world.sample("swf_poll_target", **labels) == 4
        assert world.sample("swf_list_unpolled_seconds", **labels) == pytest.approx(5.0)
        assert world.sample("swf_tenant_budget_used", tenant="elb") == 2
        assert world.sample("swf_tenant_budget_limit", tenant="elb") == 2
        assert world.registry.get_sample_value("swf_backlog_seen", labels) is None, "nobody told"


async def test_share_of_empty_answers_follows_the_latest(world: World) -> None:
    labels = {"lane_class": "vm", "kind": "activity"}
    world.reply = Reply(1.0, task=True)
    async with world.running(world.build(budget=10)) as scheduler:
        task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "i-1")
        scheduler.add_lane(task_list, ignore, slots=2, max_polls=1, lane_class="vm")
        for _ in range(20):
            await world.clock.advance(1.0)
        assert world.sample("swf_empty_poll_ratio", **labels) == 0.0
        world.reply = Reply(25.0)
        for _ in range(1500):
            await world.clock.advance(1.0)
        assert world.sample("swf_empty_poll_ratio", **labels) > 0.9


async def test_the_backlog_that_endpoints_tell_is_added_up(world: World) -> None:
    world.reply = Reply(20.0, backlog=2)
    async with world.running(world.build(budget=10)) as scheduler:
        for number in range(3):
            task_list = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"i-{number}")
            scheduler.add_lane(task_list, ignore, slots=2, lane_class="vm" if number else "service")
        for _ in range(25):
            await world.clock.advance(1.0)
        assert world.sample("swf_backlog_seen", lane_class="vm", kind="activity") == 4
        assert world.sample("swf_backlog_seen", lane_class="service", kind="activity") == 2


async def ignore(_: swf.ActivityTask) -> None:
    return
