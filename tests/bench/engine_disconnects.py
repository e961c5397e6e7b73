"""1,000 clients killed while their polls are parked: when their places are free, and whether tasks are lost.

python -m tests.bench.engine_disconnects

The clients are one process, ended by SIGKILL; the engine's own gauge, asked every few milliseconds, tells when the
last of them is gone. While they die, one task is started on each of their task lists, on each of which one living poll
waits behind the dead: every task must reach it, by its timeout at the latest (a task may have been written to a socket
whose client was dead already, spec/swf-long-poll-scale 7, Q13).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import engine_crowd, engine_flows, engine_http, engine_peers
from tests.bench import engine_figures as figures

LISTS = 20
TASK_TIMEOUT_S = 3
ASK_EVERY_S = 0.005
RECOVERY_S = 10.0
_ACCOUNTS = engine_crowd.ACCOUNTS[:1]


@dataclass(frozen=True)
class Sizes:
    clients: int
    rounds: int


FULL = Sizes(clients=1_000, rounds=5)
QUICK = Sizes(clients=100, rounds=1)


@dataclass(frozen=True)
class Round:
    """Seconds until the dead were gone and until the next task arrived; tasks by how they reached the living."""

    gone: float
    next_dispatch: float
    at_once: int
    recovered: int
    lost: int


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    with engine_peers.engine() as peer:
        await engine_flows.prepare(peer.url, account=_ACCOUNTS[0])
        rounds = [await _round(peer, sizes.clients, number) for number in range(sizes.rounds)]
    gone, following = (figures.median([getattr(one, name) for one in rounds]) for name in ("gone", "next_dispatch"))
    at_once, recovered, lost = (sum(getattr(one, name) for one in rounds) for name in ("at_once", "recovered", "lost"))
    return [
        figures.Figure(
            f"{sizes.clients} clients killed while parked: waiters gone", "≤ 200 ms", figures.ms(gone), gone <= 0.2
        ),
        figures.Figure(
            "tasks started while they died",
            "none lost",
            f"{lost} of {at_once + recovered + lost} lost; {at_once} dispatched at once, {recovered} by their timeout",
            lost == 0,
        ),
        figures.Figure("next dispatch, start to answer", "≤ 50 ms", figures.ms(following), following <= 0.05),
    ]


async def _round(peer: engine_peers.Peer, clients: int, number: int) -> Round:
    starter = engine_http.Client(peer.url)
    names = [f"round-{number}-task-{task_list}" for task_list in range(LISTS)]
    with engine_crowd.crowd(peer.url, "park", clients, lists=LISTS, accounts=_ACCOUNTS) as crowd:
        await engine_crowd.all_parked(peer, clients)
        living = [(_ACCOUNTS[0], engine_flows.DOMAIN, f"list-{task_list}") for task_list in range(LISTS)]
        async with engine_flows.Parked(peer.url, living).sitting() as parked:
            await engine_crowd.all_parked(peer, clients + LISTS)
            killed = time.monotonic()
            crowd.kill()
            started = asyncio.create_task(_start_all(peer.url, names))
            gone = await _gone(peer, killed)
            await started
            await asyncio.sleep(0.5)
            at_once = len(parked.tasks)
            sent = time.monotonic()
            await engine_flows.start(starter, f"round-{number}-next", "list-0", timeout_s=TASK_TIMEOUT_S)
            following = await _arrival(parked, f"round-{number}-next", sent) - sent
            await _recovery(parked, LISTS + 1)
            arrived = len(parked.tasks) - 1
    starter.close()
    return Round(gone, following, at_once, arrived - at_once, LISTS - arrived)


async def _start_all(url: str, names: Sequence[str]) -> None:
    clients = [engine_http.Client(url) for _ in names]
    await asyncio.gather(
        *(
            engine_flows.start(client, name, f"list-{number}", timeout_s=TASK_TIMEOUT_S)
            for number, (client, name) in enumerate(zip(clients, names, strict=True))
        )
    )
    for client in clients:
        client.close()


async def _gone(peer: engine_peers.Peer, killed: float) -> float:
    async with asyncio.timeout(RECOVERY_S):
        while await asyncio.to_thread(peer.metric, "swfd_parked_polls") > LISTS:
            await asyncio.sleep(ASK_EVERY_S)
    return time.monotonic() - killed


async def _arrival(parked: engine_flows.Parked, name: str, since: float) -> float:
    """When the task of execution ``name`` arrived."""
    async with asyncio.timeout(RECOVERY_S):
        while name not in parked.tasks:
            await asyncio.sleep(ASK_EVERY_S)
    return parked.tasks[name]


async def _recovery(parked: engine_flows.Parked, count: int) -> None:
    """Wait until ``count`` tasks arrived, or as long as a lost one could need to come back."""
    ends = time.monotonic() + TASK_TIMEOUT_S + 2
    while len(parked.tasks) < count and time.monotonic() < ends:
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
