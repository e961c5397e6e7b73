"""What the scheduler itself costs: per poll cycle, and while nothing happens. No network, no client.

python -m tests.bench.scheduler_cost

A cycle is: poll issued, task answered, handler run, slot free again; the polled service answers at once from memory.
The same cycle written by hand (a task that polls, a task that handles) says how much of it is asyncio's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import time
from collections.abc import Sequence

from tests.bench import engine_figures as figures

from elbflow import swf
from elbflow.polling import EndpointProfile, Scheduler
from elbflow.polling.testing import activity_task

TASK = activity_task("token")


class Memory:
    """Answers every poll with a task in the next turn of the loop, or parks it for ``hold_s`` seconds."""

    def __init__(self, hold_s: float | None = None) -> None:
        self._hold_s = hold_s
        self.polls = 0

    async def poll_for_activity_task(
        self, task_list: swf.TaskList, *, identity: str, hold_s: float | None = None, hints: swf.Hints | None = None
    ) -> swf.ActivityTask | None:
        self.polls += 1
        await asyncio.sleep(self._hold_s or 0.0)
        return TASK if self._hold_s is None else None

    async def poll_for_decision_task(
        self,
        task_list: swf.TaskList,
        *,
        identity: str,
        start_at_previous: bool = False,
        hold_s: float | None = None,
        hints: swf.Hints | None = None,
    ) -> swf.DecisionTask | None:
        raise AssertionError("all lanes have activities")


async def program(quick: bool) -> Sequence[figures.Figure]:
    seconds = 0.2 if quick else 3.0
    rows = []
    for lanes in (1, 100, 1000):
        bare_us = await by_hand(lanes, seconds)
        ours_us = await busy(lanes, seconds)
        rows.append(
            figures.Figure(f"CPU per poll cycle, {lanes} lanes (by hand)", "", f"{ours_us:.0f} µs ({bare_us:.0f} µs)")
        )
    for lanes in (100,) if quick else (1000, 10_000):
        part = await idle(lanes, seconds * 5)
        rows.append(figures.Figure(f"CPU of {lanes} parked lanes", "≤ 0.1 %", f"{part:.3%}", part <= 0.001))
    return rows


async def by_hand(lanes: int, seconds: float) -> float:
    """Microseconds of CPU per cycle without a scheduler."""
    service, stopped = Memory(), asyncio.Event()

    async def poller(task_list: swf.TaskList) -> None:
        while not stopped.is_set():
            task = await asyncio.ensure_future(service.poll_for_activity_task(task_list, identity="bench"))
            await asyncio.ensure_future(ignore(task))

    pollers = [asyncio.ensure_future(poller(name)) for name in names(lanes)]
    cost = await cycles(service, seconds)
    stopped.set()
    await asyncio.gather(*pollers)
    return cost


async def busy(lanes: int, seconds: float) -> float:
    """Microseconds of CPU per cycle of the scheduler."""
    service = Memory()
    async with scheduler(service, lanes) as made:
        for name in names(lanes):
            made.add_lane(name, ignore, slots=2, max_polls=1)
        await asyncio.sleep(seconds / 5)
        return await cycles(service, seconds)


async def idle(lanes: int, seconds: float) -> float:
    """Part of a core that parked lanes use while none of their polls ends."""
    async with scheduler(Memory(hold_s=50.0), lanes) as made:
        for name in names(lanes):
            made.add_lane(name, ignore, slots=2, max_polls=1)
        await asyncio.sleep(3.0)
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - cpu) / (time.monotonic() - began)


async def cycles(service: Memory, seconds: float) -> float:
    polls, cpu = service.polls, time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - cpu) / max(1, service.polls - polls) * 1e6


def scheduler(service: Memory, lanes: int) -> Scheduler:
    profile = dataclasses.replace(EndpointProfile.local(), issue_rate=1e9)
    return Scheduler(service, profile=profile, identity="bench", budget=lanes + max(4, lanes // 5))


def names(lanes: int) -> list[swf.TaskList]:
    return [swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"list-{number}") for number in range(lanes)]


async def ignore(_: swf.ActivityTask | None) -> None:
    return


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, program))
