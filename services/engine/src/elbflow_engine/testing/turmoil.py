"""What a fault schedule does to the engine itself while time passes: kills, clock steps, spells of errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from elbflow import clock as clocks
from elbflow_engine.testing.faults import SPELLS, FaultSchedule
from elbflow_engine.testing.host import EngineHost

NOTICES_STEP_S = 30.0
"""The engine looks at its wall clock at least this often while a deadline is ahead, as the server does."""


class Turmoil:
    """Runs in the background of a double, on its clock. The schedule may be switched off and on meanwhile."""

    def __init__(self, host: EngineHost, clock: clocks.Clock, faults: FaultSchedule) -> None:
        self._host = host
        self._clock = clock
        self._faults = faults

    async def run(self) -> None:
        """Never returns; cancel it. A spell under way is left as it is."""
        faults = self._faults
        async with asyncio.TaskGroup() as group:
            for every_s, strike in (
                (faults.kill_every_s, self._kill),
                (faults.step_every_s, self._step),
                (faults.spell_every_s, self._spell),
            ):
                if every_s:
                    group.create_task(self._again(every_s, strike))

    async def _again(self, every_s: float, strike: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(self._faults.rng.expovariate(1 / every_s))
            if self._faults.active:
                await strike()

    async def _kill(self) -> None:
        """In the middle of its next transition, or when none comes within a second, between two."""
        rng = self._faults.rng
        durable, survive = rng.random() < 0.5, rng.random() < self._faults.polls_survive
        self._host.doom(durable=durable, polls_survive=survive)
        self._note("kill", f"{'after' if durable else 'before'} a commit, polls {'survive' if survive else 'break'}")
        await self._clock.sleep(rng.uniform(0.0, 1.0))
        if self._host.doomed:
            self._host.kill(polls_survive=survive)
        if self._host.down:
            await self._clock.sleep(rng.uniform(0.0, self._faults.downtime_s))
            self._host.restart()
            self._note("restart", "")

    async def _step(self) -> None:
        rng, longest_s = self._faults.rng, self._faults.longest_step_s
        by_s = rng.uniform(-longest_s, longest_s) - self._host.skew_s
        self._host.step_wall_clock(by_s)
        self._note("clock step", f"by {by_s:+.3f} s")
        await self._clock.sleep(rng.uniform(0.0, NOTICES_STEP_S))
        self._host.look_at_the_clock()

    async def _spell(self) -> None:
        rng = self._faults.rng
        self._faults.spell = rng.choice(SPELLS)
        lasts_s = rng.uniform(0.0, self._faults.spell_s)
        self._note("spell", f"{self._faults.spell} for {lasts_s:.3f} s")
        await self._clock.sleep(lasts_s)
        self._faults.spell = None

    def _note(self, what: str, about: str) -> None:
        self._faults.note(self._clock.monotonic(), what, about)
