"""A foreign tenant's task latency, alone and while load-balancer accounts saturate the engine.

python -m tests.bench.engine_tenants

The tenant starts an execution 20 times a second in an account of its own and waits for its decision task on a parked
poll: from sending the start to having the task. Beside it a second process holds 600 polls and runs whole workflow
cycles in two other accounts as fast as the engine can, 32 clients wide. Quiet and loaded phases take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tests.bench import engine_crowd, engine_flows, engine_http, engine_peers
from tests.bench import engine_figures as figures

TENANT = "999900001111"
TENANT_DOMAIN = "stacks"
TASKS_PER_S = 20
LISTS = 8
SETTLE_S = 0.5


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
        await asyncio.sleep(SETTLE_S)
        arrived = self._parked.tasks
        return [arrived[name] - at for name, at in sent.items()]


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    alone: list[float] = []
    loaded: list[float] = []
    rates: list[float] = []
    async with _stage(sizes) as (peer, tenant):
        for _ in range(sizes.rounds):
            alone += await tenant.phase(sizes.round_s)
            with engine_crowd.crowd(peer.url, "cycles", sizes.width) as crowd:
                crowd.report()
                await asyncio.sleep(SETTLE_S)
                before = crowd.report()["cycles"]
                loaded += await tenant.phase(sizes.round_s)
                report = crowd.report()
                if report["failed"]:
                    raise RuntimeError(f"The load failed: {report['failed']}")
                rates.append((report["cycles"] - before) / (sizes.round_s + SETTLE_S))
            await asyncio.sleep(SETTLE_S)
    return _figures(sizes, alone, loaded, figures.median(rates))


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


def _figures(sizes: Sizes, alone: Sequence[float], loaded: Sequence[float], rate: float) -> Sequence[figures.Figure]:
    rows = []
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        quiet, busy = figures.quantile(alone, share), figures.quantile(loaded, share)
        rows.append(
            figures.Figure(
                f"foreign tenant's task latency {label} beside {sizes.width} saturating clients ({rate:.0f} cycles/s)",
                "≤ 2 × alone and ≤ + 10 ms",
                f"{busy / quiet:.1f} ×, + {figures.ms(busy - quiet)} ({figures.ms(busy)} against {figures.ms(quiet)})",
                busy <= 2 * quiet and busy - quiet <= 0.01,
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
