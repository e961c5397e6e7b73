"""A foreign tenant's task latency, alone and while load-balancer accounts saturate the engine.

python -m tests.bench.engine_tenants

The tenant starts an execution 20 times a second in an account of its own and waits for its decision task on a parked
poll: from sending the start to having the task. A second process holds 600 polls in two other accounts, and beside the
tenant runs whole workflow cycles there: 133 a second, which is what 1,000 load balancers with a tick of 30 s for each
of four workflows make, then, for the picture, as many as 32 clients get out of the engine. Quiet and loaded phases
take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.bench import engine_crowd, engine_flows, engine_http, engine_peers
from tests.bench import engine_figures as figures

TENANT = "999900001111"
TENANT_DOMAIN = "stacks"
TASKS_PER_S = 20
LISTS = 8
SETTLE_S = 0.5
LATEST_S = 30.0
TICKS_PER_S = 1000 * 4 / 30


@dataclass(frozen=True)
class Sizes:
    polls: int
    width: int
    rounds: int
    round_s: float


FULL = Sizes(polls=600, width=32, rounds=5, round_s=6.0)
QUICK = Sizes(polls=20, width=8, rounds=1, round_s=0.7)


class Tenant:
    """Starts executions at a steady rate and notes how long each decision task took to arrive."""

    def __init__(self, url: str, parked: engine_flows.Parked) -> None:
        self._clients = itertools.cycle([engine_http.Client(url, TENANT) for _ in range(LISTS)])
        self._parked = parked
        self._numbers = itertools.count()

    async def phase(self, seconds: float) -> list[float]:
        sent: dict[str, float] = {}
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for turn in range(int(seconds * TASKS_PER_S)):
                await asyncio.sleep(max(0.0, began + turn / TASKS_PER_S - time.monotonic()))
                number = next(self._numbers)
                name = f"stack-{number}"
                sent[name] = time.monotonic()
                group.create_task(
                    engine_flows.start(next(self._clients), name, f"tenant-{number % LISTS}", TENANT_DOMAIN)
                )
        async with asyncio.timeout(LATEST_S):
            while not sent.keys() <= (arrived := self._parked.tasks).keys():
                await asyncio.sleep(0.01)
        return [arrived[name] - at for name, at in sent.items()]


@dataclass
class Load:
    """What runs beside the tenant, and what he felt of it."""

    name: str
    width: int
    per_s: float
    latencies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    alone: list[float] = []
    loads = [
        Load("1,000 load balancers", sizes.width, TICKS_PER_S),
        Load(f"{sizes.width} clients that saturate the engine", sizes.width, math.inf),
    ]
    async with _stage(sizes) as (peer, tenant):
        for _ in range(sizes.rounds):
            alone += await tenant.phase(sizes.round_s)
            for load in loads:
                await _beside(peer, tenant, load, sizes.round_s)
    return [row for load in loads for row in _figures(alone, load)]


async def _beside(peer: engine_peers.Peer, tenant: Tenant, load: Load, seconds: float) -> None:
    with engine_crowd.crowd(peer.url, "cycles", load.width, per_s=load.per_s) as crowd:
        crowd.report()
        await asyncio.sleep(SETTLE_S)
        before = crowd.report()["cycles"]
        load.latencies += await tenant.phase(seconds)
        report = crowd.report()
        if report["failed"]:
            raise RuntimeError(f"The load failed: {report['failed']}")
        load.rates.append((report["cycles"] - before) / (seconds + SETTLE_S))
    await asyncio.sleep(SETTLE_S)


@contextlib.asynccontextmanager
async def _stage(sizes: Sizes) -> AsyncIterator[tuple[engine_peers.Peer, Tenant]]:
    with engine_peers.engine() as peer:
        for account in engine_crowd.ACCOUNTS:
            await engine_flows.prepare(peer.url, account=account)
        await engine_flows.prepare(peer.url, TENANT_DOMAIN, TENANT)
        with engine_crowd.crowd(peer.url, "park", sizes.polls):
            lists = [(TENANT, TENANT_DOMAIN, f"tenant-{number}") for number in range(LISTS)]
            async with engine_flows.Parked(peer.url, lists).sitting() as parked:
                await engine_crowd.all_parked(peer, sizes.polls + LISTS)
                yield peer, Tenant(peer.url, parked)


def _figures(alone: Sequence[float], load: Load) -> Sequence[figures.Figure]:
    rows = []
    rate = figures.median(load.rates)
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        quiet, busy = figures.quantile(alone, share), figures.quantile(load.latencies, share)
        rows.append(
            figures.Figure(
                f"foreign tenant's task latency {label} beside {load.name} ({rate:.0f} cycles/s)",
                "≤ 2 × alone and ≤ + 10 ms" if math.isfinite(load.per_s) else "",
                f"{busy / quiet:.1f} ×, + {figures.ms(busy - quiet)} ({figures.ms(busy)} against {figures.ms(quiet)})",
                not math.isfinite(load.per_s) or (busy <= 2 * quiet and busy - quiet <= 0.01),
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
