"""A process polls a shared list of decisions and one of its own: neither starves the other (spec/anchors 3.2)."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from dataclasses import dataclass

from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.polling.queues import QueuedPolls
from tests.property.polling.virtual_time import LoopClock, VirtualLoop, run

from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler
from elbflow.polling.rotation import KEEP_WITHIN_S

SHARED = swf.TaskList(swf.TaskKind.DECISION, "d", "decisions")
OWN = swf.TaskList(swf.TaskKind.DECISION, "d", "decisions@host-1")
WORK = swf.TaskList(swf.TaskKind.ACTIVITY, "d", "work")
SPAN_S = 60.0
HOLD_S = 20.0
START_S = 2.0


@dataclass(frozen=True)
class Plan:
    """Which lists are flooded, how many connections and slots there are, and how long a task takes."""

    seed: int
    flooded: frozenset[swf.TaskList]
    budget: int
    slots: int
    task_s: float


plans = st.builds(
    Plan,
    seed=st.integers(min_value=0, max_value=2**32 - 1),
    flooded=st.frozensets(st.sampled_from([SHARED, OWN, WORK])),
    budget=st.integers(min_value=1, max_value=12),
    slots=st.integers(min_value=1, max_value=4),
    task_s=st.sampled_from([0.1, 0.5]),
)


class Lists(QueuedPolls):
    """A flooded list always has a task; the network takes a millisecond. ``served`` counts tasks by list."""

    def __init__(self, clock: LoopClock, plan: Plan) -> None:
        super().__init__(clock, HOLD_S)
        self._plan = plan
        self.served: dict[swf.TaskList, int] = dict.fromkeys((SHARED, OWN, WORK), 0)

    async def _task(self, task_list: swf.TaskList, hold_s: float) -> float | None:
        await self._clock.sleep(0.001)
        if task_list in self._plan.flooded:
            self.served[task_list] += 1
            return self._clock.monotonic()
        offered_at = await super()._task(task_list, hold_s)
        self.served[task_list] += offered_at is not None
        return offered_at


async def drive(plan: Plan, clock: LoopClock) -> tuple[Lists, float, dict[swf.TaskList, int]]:
    """What the lists saw, the computed bound, and how many tasks each quiet list was offered."""
    rng = random.Random(plan.seed)
    lists = Lists(clock, plan)
    profile = dataclasses.replace(EndpointProfile.aws(), hold_s=HOLD_S, issue_rate=1000.0)
    scheduler = Scheduler(lists, profile=profile, identity="i", budget=plan.budget, clock=clock, rng=rng)
    offered = dict.fromkeys({SHARED, OWN, WORK} - plan.flooded, 0)

    async def handle(_: object) -> None:
        await clock.sleep(plan.task_s)

    async with scheduler:
        for task_list in (SHARED, OWN, WORK):
            scheduler.add_lane(task_list, handle, slots=plan.slots, start_at_previous=task_list is OWN)
        bound_s = scheduler.statistics(lanes=False).sharing.worst_s
        while clock.monotonic() < SPAN_S:
            await clock.sleep(rng.uniform(5.0, 15.0))
            for task_list in sorted(offered):
                lists.offer(task_list)
                offered[task_list] += 1
        await clock.sleep(bound_s + HOLD_S + START_S)
    return lists, bound_s, offered


@settings(max_examples=15, print_blob=True)
@given(plans)
def test_a_flood_on_one_list_does_not_starve_the_other(plan: Plan) -> None:
    note(f"reproduce with {plan}")
    loop = VirtualLoop()
    lists, bound_s, offered = run(loop, drive(plan, LoopClock(loop)))
    assert lists.most_parked <= plan.budget
    for task_list, count in offered.items():
        assert lists.served[task_list] == count, (task_list, bound_s)
    flooded = [lists.served[task_list] for task_list in plan.flooded]
    if plan.budget >= 3 and flooded:
        assert min(flooded) >= 0.5 * max(flooded), lists.served
    # Nobody waits longer than for its turn: that of a flooded list lasts a second beyond the hold.
    limit_s = bound_s + START_S + plan.task_s + len(plan.flooded) * KEEP_WITHIN_S
    assert max(lists.latencies_s, default=0.0) <= limit_s, bound_s


def test_a_list_of_its_own_is_asked_for_new_events_only() -> None:
    asked: dict[str, bool] = {}

    class Asked(Lists):
        async def poll_for_decision_task(
            self,
            task_list: swf.TaskList,
            *,
            identity: str,
            start_at_previous: bool = False,
            hold_s: float | None = None,
            hints: swf.Hints | None = None,
        ) -> swf.DecisionTask | None:
            asked[task_list.name] = start_at_previous
            return await super().poll_for_decision_task(task_list, identity=identity, hold_s=hold_s, hints=hints)

    async def main(clock: LoopClock) -> None:
        service = Asked(clock, Plan(1, frozenset(), 4, 1, 0.1))
        scheduler = Scheduler(service, profile=EndpointProfile.aws(), identity="i", budget=4, clock=clock)
        async with scheduler:
            scheduler.add_lane(OWN, _ignore, slots=1, start_at_previous=True)
            scheduler.add_lane(SHARED, _ignore, slots=1)
            await clock.sleep(3.0)

    loop = VirtualLoop()
    run(loop, main(LoopClock(loop)))
    assert asked == {OWN.name: True, SHARED.name: False}


async def _ignore(_: object) -> None:
    await asyncio.sleep(0)
