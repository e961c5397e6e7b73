"""More lanes than connections: the computed bound holds on virtual time (spec/swf-long-poll-scale 5.11)."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import random
from dataclasses import dataclass

import structlog
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.polling.queues import CountedQueues, QueuedPolls

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler, rotation
from elbflow.polling.bound import Mode

HINTS = frozenset({swf.HOLD_HINT})
STEP_S = 0.5
START_S = 2.0


@dataclass(frozen=True)
class Plan:
    """One run: how many lanes of which weights, for how long, on what endpoint."""

    seed: int
    lanes: int
    budget: int
    critical: int
    hold_s: float
    asks: bool
    probe_rate: float
    weights: tuple[float, ...] = (1.0, 1.0, 4.0)

    @property
    def profile(self) -> EndpointProfile:
        return dataclasses.replace(
            EndpointProfile.aws(),
            hold_s=self.hold_s,
            takes_hold_hints=self.asks,
            probe_rate=self.probe_rate or 1.0,
            issue_rate=1000.0,
        )


class Run:
    """A scheduler on queues of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = random.Random(plan.seed)
        self.clock = clocks.ManualClock()
        made = CountedQueues if plan.probe_rate else QueuedPolls
        self.service = made(self.clock, plan.hold_s, HINTS if plan.asks else frozenset())
        self.lists = [swf.TaskList(list(swf.TaskKind)[number % 2], "d", f"l{number}") for number in range(plan.lanes)]
        self.scheduler = Scheduler(
            self.service,
            profile=plan.profile,
            identity="turns",
            budget=plan.budget,
            clock=self.clock,
            rng=self.rng,
        )

    async def go(self) -> None:
        plan = self.plan
        for number, task_list in enumerate(self.lists):
            critical = number < plan.critical
            weight = self.rng.choice(plan.weights)
            self.scheduler.add_lane(task_list, handle, slots=4, weight=weight, latency_critical=critical)
            self.service.watch(task_list)
        await self.scheduler.__aenter__()
        self.bound = self.scheduler.statistics(lanes=False).sharing
        for _ in range(int(self.span_s() / STEP_S)):
            if self.rng.random() < 0.5:
                self.offer()
                await clocks.settle(100)  # a burst takes several polls, one after the other
            await self.clock.advance(STEP_S)
        await self.clock.advance(self.bound.worst_s + plan.hold_s + START_S)
        leaving = asyncio.ensure_future(self.scheduler.__aexit__(None, None, None))
        while not leaving.done():
            await self.clock.advance(5.0)

    def span_s(self) -> float:
        return min(200.0, 2.5 * self.bound.turns_s + 2 * self.plan.hold_s)

    def offer(self) -> None:
        """A task on a list where none waits; up to three where the endpoint tells how many are left."""
        task_list = self.rng.choice(self.lists)
        if not self.service.has_task(task_list):
            for _ in range(self.rng.choice((1, 1, 3)) if self.plan.asks else 1):
                self.service.offer(task_list)


async def handle(_: swf.ActivityTask) -> None:
    """Takes no time."""


def run(plan: Plan) -> Run:
    note(f"reproduce with {plan}")
    made = Run(plan)
    with structlog.testing.capture_logs():
        asyncio.run(made.go())
    return made


plans = st.builds(
    Plan,
    seed=st.integers(min_value=0, max_value=2**32 - 1),
    lanes=st.integers(min_value=6, max_value=28),
    budget=st.integers(min_value=5, max_value=12),
    critical=st.integers(min_value=0, max_value=3),
    hold_s=st.sampled_from([10.0, 30.0]),
    asks=st.booleans(),
    probe_rate=st.sampled_from([0.0, 0.5, 2.0, 10.0]),
)


@settings(max_examples=12, print_blob=True)
@given(plans)
def test_no_lane_waits_longer_than_the_bound(plan: Plan) -> None:
    made = run(plan)
    service, bound = made.service, made.bound
    assert service.left == 0
    assert service.most_parked <= plan.budget
    assert all(late <= bound.worst_s + START_S + 0.01 for late in service.latencies_s), (bound, service.latencies_s)
    longest = bound.turns_s if bound.mode is not Mode.ENOUGH else 0.0
    for number, task_list in enumerate(made.lists):
        limit_s = START_S + (0.0 if number < plan.critical else longest)
        assert service.unpolled_s[task_list] <= limit_s + 0.01, (task_list, bound)


@settings(max_examples=12, print_blob=True)
@given(plans)
def test_counting_never_exceeds_its_rate(plan: Plan) -> None:
    plan = dataclasses.replace(plan, asks=False, hold_s=30.0, probe_rate=plan.probe_rate or 1.0)
    made = Run(plan)
    assert isinstance(made.service, CountedQueues)
    if plan.seed % 2:
        made.service.fault = swf.Throttled("Rate exceeded")
    with structlog.testing.capture_logs():
        asyncio.run(made.go())
    counted = made.service.counted_at
    assert bool(counted) == (made.bound.mode is Mode.PROBING)
    gaps = [later - earlier for earlier, later in itertools.pairwise(counted)]
    assert min(gaps, default=10.0) >= 1.0 / plan.probe_rate - 1e-6
    if made.service.fault is not None:
        assert len(counted) <= 12 + made.clock.monotonic() / 10.0


@settings(max_examples=50)
@given(
    seed=st.integers(min_value=0, max_value=2**32 - 1),
    slots=st.integers(min_value=4, max_value=40),
    waiting=st.integers(min_value=2, max_value=60),
)
def test_nobody_is_passed_over_twice_in_a_row(seed: int, slots: int, waiting: int) -> None:
    rng = random.Random(seed)
    turns = rotation.Rotation()
    turns.only_in_order, turns.claims = False, rotation.by_claim(slots)
    fronts = [
        rotation.Front(rng.uniform(0, 50), n, rotation.claim(rng.choice((0.5, 1, 8)), rng.random()))
        for n in range(waiting)
    ]
    was_skipped = False
    for turn in range(waiting):
        first = min(fronts, key=lambda front: front.place)
        chosen = turns.choose(fronts, 60.0 + turn, spare=1)
        assert chosen is not None
        turns.issued(turn)
        assert not (was_skipped and chosen is not first)
        was_skipped = chosen is not first
        fronts.remove(chosen)
        if rng.random() < 0.5:
            turns.ended(rng.randrange(turn + 1))
