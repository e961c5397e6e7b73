"""Dispatch latency, schedule committed to answer written, with 100 and with 5,000 parked polls, at 50 tasks a second.

python -m tests.bench.engine_dispatch

Seen from outside: from the answer to StartWorkflowExecution, which leaves when its decision task is on disk, to the
answer of the parked poll that gets the task. Both arrive at one process that holds all connections, so the latency
includes its own work. Tasks go to task lists drawn at random. Engines with few and with many polls take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench import engine_crowd, engine_flows, engine_http, engine_peers
from tests.bench import engine_figures as figures

TASKS_PER_S = 50
_HANDOFF = "swfd_handoff_seconds"


@dataclass(frozen=True)
class Sizes:
    few: int
    many: int
    rounds: int
    round_s: float
    settle_s: float


FULL = Sizes(few=100, many=5_000, rounds=5, round_s=8.0, settle_s=2.0)
QUICK = Sizes(few=10, many=100, rounds=1, round_s=0.5, settle_s=0.1)


@dataclass
class Stage:
    """An engine with its parked polls, and the latencies seen on it in seconds."""

    peer: engine_peers.Peer
    parked: engine_flows.Parked
    starter: engine_http.Client
    latencies: list[float] = field(default_factory=list)
    numbers: itertools.count = field(default_factory=itertools.count)

    async def round(self, seconds: float, chance: random.Random) -> None:
        """Start executions at a steady rate and note how long each task took to its poll."""
        answered: dict[str, float] = {}
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for turn in range(int(seconds * TASKS_PER_S)):
                await asyncio.sleep(max(0.0, began + turn / TASKS_PER_S - time.monotonic()))
                group.create_task(self._start(chance, answered))
        await asyncio.sleep(0.3)
        arrived = self.parked.tasks
        self.latencies += [max(0.0, arrived[name] - at) for name, at in answered.items()]

    async def _start(self, chance: random.Random, answered: dict[str, float]) -> None:
        name = f"dispatch-{next(self.numbers)}"
        seat = chance.choice(self.parked.seats)
        # The starter serves the first account; every other poll belongs to it.
        while seat.account != engine_crowd.ACCOUNTS[0]:
            seat = chance.choice(self.parked.seats)
        await engine_flows.start(self.starter, name, seat.task_list)
        answered[name] = time.monotonic()


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    chance = random.Random(1)
    async with contextlib.AsyncExitStack() as stack:
        few, many = [await _stage(stack, count, sizes.settle_s) for count in (sizes.few, sizes.many)]
        before = {id(stage): stage.peer.metrics() for stage in (few, many)}
        for _ in range(sizes.rounds):
            for stage in (few, many):
                await stage.round(sizes.round_s, chance)
        inside = {id(stage): figures.difference(stage.peer.metrics(), before[id(stage)]) for stage in (few, many)}
        return _figures(sizes, few, many, inside)


async def _stage(stack: contextlib.AsyncExitStack, count: int, settle_s: float) -> Stage:
    peer = stack.enter_context(engine_peers.engine())
    for account in engine_crowd.ACCOUNTS:
        await engine_flows.prepare(peer.url, account=account)
    accounts = engine_crowd.ACCOUNTS
    names = [(accounts[number % 2], engine_flows.DOMAIN, f"list-{number}") for number in range(count)]
    parked = await stack.enter_async_context(engine_flows.Parked(peer.url, names).sitting())
    await engine_crowd.all_parked(peer, count)
    await asyncio.sleep(settle_s)
    return Stage(peer, parked, engine_http.Client(peer.url, accounts[0]))


def _figures(
    sizes: Sizes, few: Stage, many: Stage, inside: Mapping[int, Mapping[str, float]]
) -> Sequence[figures.Figure]:
    p50, p99 = (figures.quantile(many.latencies, share) for share in (0.5, 0.99))
    few_p99 = figures.quantile(few.latencies, 0.99)
    own = [figures.of_histogram(inside[id(many)], _HANDOFF, share) for share in (0.5, 0.99)]
    return [
        figures.Figure(
            f"dispatch, {TASKS_PER_S} tasks/s, {sizes.many} parked ({len(many.latencies)} tasks)",
            "p50 ≤ 5 ms, p99 ≤ 25 ms",
            f"p50 {figures.ms(p50)}, p99 {figures.ms(p99)} "
            f"(the engine's own count: ≤ {figures.ms(own[0])}, ≤ {figures.ms(own[1])})",
            p50 <= 0.005 and p99 <= 0.025,
        ),
        figures.Figure(
            f"dispatch p99 against {sizes.few} parked",
            "≤ 1.5 ×",
            f"{p99 / few_p99:.2f} × ({figures.ms(p99)} against {figures.ms(few_p99)})",
            p99 <= 1.5 * few_p99,
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
