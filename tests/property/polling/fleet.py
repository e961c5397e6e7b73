"""A fleet of lanes under a random fault schedule, on virtual time, with the invariants checked as it goes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling import EndpointProfile, Lane, Scheduler
from elbflow.polling.pacing import SHORTEST_S
from elbflow.polling.testing import PollRecord, Reply, ScriptedPolls

HOLD_S = 58.0
EARLY_S = 19.0
LONGEST_BACK_OFF_S = 65.0
EPSILON = 1e-6

FAULTS: tuple[type[swf.SwfError], ...] = (
    swf.Throttled,
    swf.LimitExceeded,
    swf.Ambiguous,
    swf.ConnectFailed,
    swf.Unavailable,
    swf.Unauthenticated,
    swf.UnknownResource,
    swf.Denied,
)


@dataclass(frozen=True)
class Plan:
    """Sizes of one run. ``chaos_s`` is how long faults happen before the endpoint is well again."""

    seed: int
    lanes: int
    budget: int
    slots: int
    safe_abort: bool
    chaos_s: float = 60.0


@dataclass
class Member:
    """One lane of the fleet. A good answer ends all pacing, so it excuses the polls after it."""

    lane: Lane
    slots: int
    running: int = 0
    closed_at: float | None = None
    early_at: float = float("-inf")
    good_at: float = float("-inf")
    polled_at: float = 0.0


@dataclass
class Fleet:
    """Everything in one run; the methods ``check_*`` raise on a violated invariant."""

    plan: Plan
    clock: clocks.ManualClock = field(default_factory=clocks.ManualClock)
    members: dict[swf.TaskList, Member] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    well: bool = False
    stopped_at: float | None = None

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed)
        self.mood = self._new_mood()
        self.polls = ScriptedPolls(self.clock, self._reply, on_begin=self.check_new_poll, on_end=self.check_ended_poll)
        profile = EndpointProfile.local() if self.plan.safe_abort else EndpointProfile.aws()
        self.profile = profile
        self.scheduler = Scheduler(
            self.polls,
            profile=profile,
            identity="fleet",
            budget=self.plan.budget,
            clock=self.clock,
            rng=random.Random(self.plan.seed + 1),
        )

    async def run(self) -> None:
        await self.scheduler.__aenter__()
        for number in range(self.plan.lanes):
            self.add(number)
        await self._chaos()
        await self._recovery()
        await self._drain()

    def add(self, number: int) -> None:
        kind = self.rng.choice(list(swf.TaskKind))
        task_list = swf.TaskList(kind, "domain", f"list-{number}")
        slots = self.rng.randint(1, self.plan.slots)
        lane = self.scheduler.add_lane(task_list, self._handler(task_list), slots=slots)
        self.members[task_list] = Member(lane, slots, polled_at=self.clock.monotonic())

    async def _chaos(self) -> None:
        steps = 6
        for step in range(steps):
            await self.clock.advance(self.plan.chaos_s / steps)
            self.mood = self._new_mood()
            if self.rng.random() < 0.5:
                self.add(self.plan.lanes + step)
            if self.rng.random() < 0.5:
                await self._close_one()

    async def _close_one(self) -> None:
        member = self.rng.choice(list(self.members.values()))
        if member.closed_at is None:
            member.closed_at = self.clock.monotonic()
            await member.lane.close()

    async def _recovery(self) -> None:
        """I5: on an endpoint that is well, every open lane with a free slot is polled within the bound."""
        self.well = True
        began = self.clock.monotonic()
        await self.clock.advance(self._bound())
        starved = [
            member.lane.statistics()
            for member in self.members.values()
            if member.closed_at is None and member.polled_at < began and not self.polls.parked[member.lane.task_list]
        ]
        assert not starved, f"not polled for {self._bound()} s: {starved[0]}"

    def _bound(self) -> float:
        """Back-off left from the chaos, polls that never end, and the turns that lanes wait for connections."""
        turns = -(-len(self.members) // self.plan.budget)
        rate = 1.0
        return LONGEST_BACK_OFF_S + self.profile.watchdog_s + turns * HOLD_S + len(self.members) / rate

    async def _drain(self) -> None:
        self.stopped_at = self.clock.monotonic()
        issued = len(self.polls.records)
        leaving = asyncio.ensure_future(self.scheduler.__aexit__(None, None, None))
        for _ in range(90):
            if leaving.done():
                break
            await self.clock.advance(1.0)
        assert leaving.done(), "the drain has no end"
        leaving.result()
        self.check_end(issued)

    def _require(self, holds: bool, message: str) -> None:
        """Note a violation: raising it here would only look like one more failed poll to the scheduler."""
        if not holds:
            self.violations.append(f"at {self.clock.monotonic()} s: {message}")

    def check_new_poll(self, record: PollRecord) -> None:
        member = self.members[record.task_list]
        self._require(self.polls.in_flight <= self.plan.budget, "I1: more polls than the budget")
        used = member.running + self.polls.parked[record.task_list]
        self._require(used <= member.slots, "I2: a poll for a task that could not start")
        self._require(member.closed_at is None, "a closed lane was polled")
        self._require(self.stopped_at is None, "polled while draining")
        too_soon = record.begun - member.early_at < SHORTEST_S - EPSILON
        excused = member.good_at >= member.early_at
        self._require(not too_soon or excused, "I7: polled again at once after an early answer")
        member.polled_at = record.begun

    def check_ended_poll(self, record: PollRecord) -> None:
        member = self.members[record.task_list]
        now = self.clock.monotonic()
        if record.reply.fault is None and not record.cancelled:
            if record.reply.task or now - record.begun >= EARLY_S:
                member.good_at = now
            else:
                member.early_at = now
        if record.cancelled:
            overdue = now - record.begun >= self.profile.watchdog_s - EPSILON
            closing = member.closed_at is not None or self.stopped_at is not None
            out_of_time = (
                self.stopped_at is not None and now - self.stopped_at >= self.profile.drain_timeout_s - EPSILON
            )
            self._require(overdue or out_of_time or (self.plan.safe_abort and closing), "I3: a poll was abandoned")

    def check_end(self, issued: int) -> None:
        assert not self.violations, self.violations[0]
        assert len(self.polls.records) == issued, "polled while draining"
        assert self.polls.in_flight == 0, "a poll was left behind"
        assert Counter(self.answered) == Counter(self.polls.delivered), "I4: a task was dropped or handled twice"
        assert self.scheduler.statistics().budget_used == 0
        for member in self.members.values():
            now = member.lane.statistics()
            assert (now.parked, now.slots_used, now.slots_free) == (0, 0, member.slots), "a slot was lost"

    def _handler(self, task_list: swf.TaskList) -> Callable[[swf.ActivityTask], Awaitable[None]]:
        async def handle(task: swf.ActivityTask) -> None:
            member = self.members[task_list]
            member.running += 1
            try:
                await self.clock.sleep(self.rng.choice((0.0, 0.2, 5.0, 20.0)))
                if self.rng.random() < 0.05:
                    raise RuntimeError("handler bug")
            finally:
                member.running -= 1
                self.answered.append(task.token)

        return handle

    def _new_mood(self) -> dict[str, float]:
        """How likely each kind of reply is for a while: sometimes one fault rules, sometimes everything happens."""
        kinds = ["task", "full", "early", "never", *(fault.__name__ for fault in FAULTS)]
        ruling = self.rng.choice(kinds)
        return {kind: self.rng.random() * (20.0 if kind == ruling else 1.0) for kind in kinds}

    def _reply(self, _: swf.TaskList) -> Reply:
        rng = self.rng
        if self.well:
            return Reply(rng.uniform(0.1, HOLD_S), task=True) if rng.random() < 0.1 else Reply(HOLD_S)
        kind = rng.choices(list(self.mood), list(self.mood.values()))[0]
        if kind == "task":
            return Reply(rng.choice((0.0, 0.01, 3.0, 40.0)), task=True)
        if kind in ("full", "never"):
            return Reply(HOLD_S if kind == "full" else None)
        if kind == "early":
            return Reply(rng.choice((0.0, 0.01, 1.0, 15.0)))
        fault = next(fault for fault in FAULTS if fault.__name__ == kind)
        return Reply(rng.choice((0.0, 0.02, 0.5, 30.0)), fault=fault())
