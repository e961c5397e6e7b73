"""A fleet of lanes under a random fault schedule, on virtual time, with the invariants checked as it goes."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry
from tests.property.polling import virtual_time
from tests.property.polling.promises import Member, Promises
from tests.property.polling.weather import Weather

from elbflow import swf
from elbflow.polling import EndpointProfile, Metrics, Scheduler
from elbflow.polling.testing import ScriptedPolls

LONGEST_BACK_OFF_S = 65.0
LOOK_EVERY_S = 5.0
SILENCE_UP_TO = 1000
"""Larger fleets are not watched while nothing happens: that takes ten thousands of polls."""
LAST_RECORDS = 25
METRICS = Metrics(CollectorRegistry())
"""One for all runs: making them takes longer than many a run."""


@dataclass(frozen=True)
class Plan:
    """One run; equal plans run exactly alike. ``stop_at_s`` is an instant amid the chaos, or None: stop when well."""

    seed: int
    profile: str
    lanes: int
    budget: int
    slots: int
    tenants: int
    issue_rate: float
    chaos_s: float
    hints: bool
    stop_at_s: float | None

    @classmethod
    def small(cls, seed: int) -> Plan:
        """A few lanes: anything may happen."""
        rng = random.Random(seed)
        profile = rng.choice(("local", "aws", "eucalyptus"))
        chaos_s = rng.choice((10.0, 25.0, 60.0))
        return cls(
            seed,
            profile,
            lanes=rng.randint(1, 9),
            budget=rng.choice((1, 2, 5, 8, 12, 20, 40)),
            slots=rng.randint(1, 6),
            tenants=rng.choice((1, 1, 2, 3)),
            issue_rate=rng.choice((2.0, 5.0, 20.0)),
            chaos_s=chaos_s,
            hints=profile == "local" and rng.random() < 0.5,
            stop_at_s=rng.uniform(0.0, chaos_s) if rng.random() < 0.3 else None,
        )

    @classmethod
    def large(cls, seed: int, lanes: int = 10_000) -> Plan:
        """Many lanes on an endpoint of our own, with connections for all, a half or a fifth of them."""
        rng = random.Random(seed)
        budget = lanes + lanes // 5 if rng.random() < 0.5 else lanes // rng.choice((2, 5))
        return cls(seed, "local", lanes, budget, 2, 2, 500.0, 20.0, rng.random() < 0.5, None)


class Fleet:
    """Everything in one run. ``story`` says what was done to the scheduler, and when."""

    def __init__(self, plan: Plan, loop: virtual_time.VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.clock = virtual_time.LoopClock(loop)
        self.rng = random.Random(plan.seed)
        preset = {"local": EndpointProfile.local, "aws": EndpointProfile.aws, "eucalyptus": EndpointProfile.eucalyptus}
        self.profile = dataclasses.replace(preset[plan.profile](), issue_rate=plan.issue_rate)
        self.weather = Weather(self.rng, self.profile, plan.hints)
        self.polls = ScriptedPolls(self.clock, lambda asked: self.weather.reply(asked, self.clock.monotonic()))
        if plan.hints:
            self.polls.capabilities = frozenset({"safe-abort", "hold-hint", "backlog"})
        self.promises = Promises(self.polls, self.profile, plan.budget)
        self.polls.on_begin, self.polls.on_end = self.promises.poll_began, self.promises.poll_ended
        self.members = self.promises.members
        self.answered: list[str] = []
        self.story: list[str] = []
        self.scheduler = Scheduler(
            self.polls,
            profile=self.profile,
            identity="fleet",
            budget=plan.budget,
            clock=self.clock,
            rng=random.Random(plan.seed + 1),
            metrics=METRICS,
        )

    async def run(self) -> None:
        """Chaos, then (if it was not stopped amid it) fine weather and silence, then the drain."""
        await self.scheduler.__aenter__()
        self.tell(self.weather.change([]))
        for number in range(self.plan.lanes):
            self.add(number)
        await self._chaos()
        if self.plan.stop_at_s is None:
            await self._recovery()
            if self.plan.lanes <= SILENCE_UP_TO:
                await self._silence()
        await self._drain()

    def tell(self, what: str) -> None:
        self.story.append(f"{self.clock.monotonic():9.3f} s  {what}")

    def add(self, number: int) -> None:
        rng = self.rng
        task_list = swf.TaskList(rng.choice(list(swf.TaskKind)), "domain", f"list-{number}")
        slots = rng.randint(1, self.plan.slots)
        min_polls = rng.randint(1, slots) if rng.random() < 0.2 else 1
        weight = rng.choice((1.0, 1.0, 1.0, 0.25, 4.0))
        tenant = f"tenant-{number % self.plan.tenants}"
        lane = self.scheduler.add_lane(
            task_list, self._handler(task_list), slots=slots, min_polls=min_polls, weight=weight, tenant=tenant
        )
        self.members[task_list] = Member(lane, slots, min_polls, polled_at=self.clock.monotonic())
        if self.plan.lanes <= LAST_RECORDS:
            self.tell(f"add {task_list.kind.value} {task_list.name}: {slots=} {min_polls=} {weight=} {tenant=}")

    async def _chaos(self) -> None:
        steps = 5
        ends = self.plan.chaos_s if self.plan.stop_at_s is None else self.plan.stop_at_s
        instants = sorted(self.rng.uniform(0.0, ends) for _ in range(steps))
        for number, at in enumerate(instants):
            await asyncio.sleep(at - self.clock.monotonic())
            self.tell(self.weather.change(self.members))
            if self.rng.random() < 0.4:
                self.add(self.plan.lanes + number)
            if self.rng.random() < 0.4:
                await self._close_one()
            if self.rng.random() < 0.15:
                self._stall(self.rng.uniform(1.0, 90.0))
        await asyncio.sleep(ends - self.clock.monotonic())

    async def _close_one(self) -> None:
        task_list = self.rng.choice(list(self.members))
        member = self.members[task_list]
        if member.closed_at is None:
            self.tell(f"close {task_list.name}")
            member.closed_at = self.clock.monotonic()
            await member.lane.close()

    def _stall(self, for_s: float) -> None:
        self.tell(f"the loop stands still for {for_s:.1f} s")
        began = self.clock.monotonic()
        self.loop.stall(for_s)
        self.promises.stalls.append((began, self.clock.monotonic()))

    async def _recovery(self) -> None:
        """I5: on an endpoint that is well, every open lane with a free slot is polled within the bound."""
        self.weather.well = True
        began, bound_s = self.clock.monotonic(), self._bound_s()
        self.tell(f"the endpoint is well, all lanes must be polled within {bound_s:.0f} s")
        while (starved := self._unpolled_since(began)) and self.clock.monotonic() < began + bound_s:
            await asyncio.sleep(LOOK_EVERY_S)
        assert not starved, f"I5: not polled for {bound_s:.0f} s: {starved[0].lane.statistics()}"

    def _unpolled_since(self, instant: float) -> list[Member]:
        return [
            member
            for task_list, member in self.members.items()
            if member.closed_at is None and member.polled_at < instant and not self.polls.parked[task_list]
        ]

    def _bound_s(self) -> float:
        """Back-off left from the chaos, polls that never end, and the turns that lanes wait for connections."""
        connections = self.plan.budget if self.plan.tenants == 1 else max(1, int(0.6 * self.plan.budget))
        turns = -(-len(self.members) // connections)
        rate = 0.5 if self.plan.lanes < 100 else self.plan.issue_rate / 4
        return LONGEST_BACK_OFF_S + self.profile.watchdog_s + turns * self.profile.hold_s + len(self.members) / rate

    async def _silence(self) -> None:
        """5.5: when nothing comes any more, lanes go back to their minimum: one poll less with each hold that ends."""
        self.weather.quiet = True
        self.tell("no tasks come any more")
        await asyncio.sleep(2 * self.profile.hold_s + self.profile.watchdog_s + 25.0)
        for task_list, member in self.members.items():
            parked = self.polls.parked[task_list]
            assert parked <= member.min_polls, f"5.5: {parked} polls on {task_list.name}: {member.lane.statistics()}"

    async def _drain(self) -> None:
        self.tell("stop")
        self.promises.stopped_at = self.clock.monotonic()
        async with asyncio.timeout(self.profile.drain_timeout_s + self.profile.flush_s + 25.0):
            await self.scheduler.__aexit__(None, None, None)
        self._check_end()

    def _check_end(self) -> None:
        assert not self.promises.violations, self.promises.violations[0]
        assert self.polls.in_flight == 0, "a poll was left behind"
        assert Counter(self.answered) == Counter(self.polls.delivered), "I4: a task was dropped or handled twice"
        assert self.scheduler.statistics().budget_used == 0
        for member in self.members.values():
            now = member.lane.statistics()
            assert (now.parked, now.slots_used, now.slots_free) == (0, 0, member.slots), "a slot was lost"

    def _handler(self, task_list: swf.TaskList) -> Callable[[swf.ActivityTask], Awaitable[None]]:
        async def handle(task: swf.ActivityTask) -> None:
            member = self.members[task_list]
            self.promises.handler_began(task)
            member.running += 1
            try:
                await asyncio.sleep(self.rng.choice((0.0, 0.02, 0.2, 15.0)))
                if self.rng.random() < 0.05:
                    raise RuntimeError("handler bug")
            finally:
                member.running -= 1
                self.answered.append(task.token)

        return handle


def sail(plan: Plan) -> Fleet:
    """One run of ``plan``; what goes wrong is raised with the story that led to it."""
    loop = virtual_time.VirtualLoop()
    fleet = Fleet(plan, loop)
    with structlog.testing.capture_logs():
        try:
            virtual_time.run(loop, fleet.run())
        except Exception as error:
            error.add_note(told(fleet))
            raise
    return fleet


def told(fleet: Fleet) -> str:
    """The story of a run, its violations and its last polls."""
    last = [
        f"{record.begun:9.3f} s  {record.task_list.name}: {record.reply} ended {record.ended}"
        for record in fleet.polls.records[-LAST_RECORDS:]
    ]
    return "\n".join((f"{fleet.plan}", *fleet.story, *fleet.promises.violations[:LAST_RECORDS], "last polls:", *last))
