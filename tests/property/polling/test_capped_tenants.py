"""A tenant that may use only a part of the connections: its own bound holds, too (spec/swf-long-poll-scale 5.12)."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from dataclasses import dataclass

import structlog
from hypothesis import example, given, note, settings
from hypothesis import strategies as st
from tests.property.polling.queues import CountedQueues

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler, TenantShare

START_S = 2.0
SPAN_S = 90.0


@dataclass(frozen=True)
class Plan:
    """One run: ``lanes`` of the tenant that has tasks, ``others`` of one that has none."""

    seed: int
    lanes: int
    others: int
    budget: int
    share: float
    probe_rate: float
    hold_s: float = 30.0


plans = st.builds(
    Plan,
    seed=st.integers(min_value=0, max_value=2**32 - 1),
    lanes=st.integers(min_value=6, max_value=40),
    others=st.integers(min_value=0, max_value=30),
    budget=st.integers(min_value=12, max_value=30),
    share=st.sampled_from([0.25, 0.4, 0.6]),
    probe_rate=st.sampled_from([1.0, 5.0, 20.0]),
)


async def drive(plan: Plan) -> tuple[CountedQueues, float]:
    """What the lists saw, and how long a task of a lane may wait for its turn, as computed."""
    rng, clock = random.Random(plan.seed), clocks.ManualClock()
    service = CountedQueues(clock, plan.hold_s)
    profile = dataclasses.replace(
        EndpointProfile.aws(), hold_s=plan.hold_s, probe_rate=plan.probe_rate, issue_rate=1000.0
    )
    scheduler = Scheduler(
        service,
        profile=profile,
        identity="i",
        budget=plan.budget,
        shares={"elb": TenantShare(max_share=plan.share)},
        clock=clock,
        rng=rng,
    )
    lists = [swf.TaskList(swf.TaskKind.ACTIVITY, "d", f"l{number}") for number in range(plan.lanes + plan.others)]
    lanes = [
        scheduler.add_lane(task_list, _handle, slots=1, tenant="elb" if number < plan.lanes else "cfn")
        for number, task_list in enumerate(lists)
    ]
    await scheduler.__aenter__()
    await clock.advance(START_S)
    bound_s = lanes[0].statistics().bound_s
    for _ in range(int(SPAN_S)):
        task_list = rng.choice(lists[: plan.lanes])
        if not service.has_task(task_list):
            service.offer(task_list)
        await clock.advance(1.0)
    await clock.advance(bound_s + plan.hold_s + START_S)
    leaving = asyncio.ensure_future(scheduler.__aexit__(None, None, None))
    while not leaving.done():
        await clock.advance(5.0)
    return service, bound_s


async def _handle(_: swf.ActivityTask) -> None:
    """Takes no time."""


@settings(max_examples=15, print_blob=True)
@given(plans)
@example(Plan(seed=1, lanes=40, others=0, budget=40, share=0.25, probe_rate=20.0))
@example(Plan(seed=1, lanes=40, others=30, budget=24, share=0.25, probe_rate=1.0))
def test_no_task_of_a_capped_tenant_waits_longer_than_its_bound(plan: Plan) -> None:
    note(f"reproduce with {plan}")
    with structlog.testing.capture_logs():
        service, bound_s = asyncio.run(drive(plan))
    assert service.left == 0
    assert max(service.latencies_s) <= bound_s + START_S + 0.01, bound_s
