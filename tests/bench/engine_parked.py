"""5,000 parked polls: memory, idle CPU, early empties, what short calls cost beside them, and the longest stall.

python -m tests.bench.engine_parked

Memory is RSS growth over a warm engine. Idle CPU covers one whole hold, so every poll is sent again once. Short calls
take turns between an engine with parked polls and one without. Stalls are seen from outside, by a call every 5 ms on a
connection of its own, while polls park and while four clients run cycles; then a full collection is forced.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tests.bench import engine_calls, engine_crowd, engine_flows, engine_http, engine_peers
from tests.bench import engine_figures as figures

PROBE_EVERY_S = 0.005
SLACK_S = 0.02
CYCLING = 4
_PAUSES = 'elbflow_gc_pause_seconds_total{generation="2"}'


@dataclass(frozen=True)
class Sizes:
    polls: int
    hold_s: float
    jitter_s: float
    rounds: int
    calls: int
    probed_s: float


FULL = Sizes(polls=5_000, hold_s=58.0, jitter_s=1.0, rounds=7, calls=3_000, probed_s=10.0)
QUICK = Sizes(polls=200, hold_s=2.0, jitter_s=1.0, rounds=1, calls=200, probed_s=0.5)


@dataclass(frozen=True)
class Stalls:
    """Seconds: the longest wait of the probe in each phase, and the forced collection as the process saw it."""

    parking: float
    cycling: float
    collecting: float
    collection: float


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    hold = ("--hold", str(sizes.hold_s))
    rows: list[figures.Figure] = []
    with engine_peers.engine(*hold, child=["--as-is"]) as parked, engine_peers.engine(*hold) as unparked:
        for peer in (parked, unparked):
            await warm(peer)
        before = parked.rss_kib()
        with engine_crowd.crowd(parked.url, "park", sizes.polls) as crowd:
            parking = await _park(sizes, parked)
            rss = (parked.rss_kib() - before) / sizes.polls
            rows += [_memory(sizes, rss), *await _idle(sizes, parked, crowd)]
            rows += await _short_calls(sizes, parked, unparked)
            tuned = await _stalls(sizes, parked, parking)
    with engine_peers.engine(*hold, child=["--stock-collector"]) as peer:
        await warm(peer)
        with engine_crowd.crowd(peer.url, "park", sizes.polls):
            stock = await _stalls(sizes, peer, await _park(sizes, peer))
    return [*rows, *_stall_rows(tuned, stock)]


async def warm(peer: engine_peers.Peer) -> None:
    """Register in all accounts and run everything once."""
    for account in engine_crowd.ACCOUNTS:
        await engine_flows.prepare(peer.url, account=account)
    load = engine_flows.Cycles(peer.url, 16)
    await load.run(200)
    load.close()


def _memory(sizes: Sizes, rss_kib: float) -> figures.Figure:
    return figures.Figure(f"{sizes.polls} parked polls: RSS each", "≤ 16 KiB", f"{rss_kib:.1f} KiB", rss_kib <= 16)


async def _idle(sizes: Sizes, peer: engine_peers.Peer, crowd: engine_crowd.Crowd) -> Sequence[figures.Figure]:
    window_s = sizes.hold_s + sizes.jitter_s
    turns, cpu = crowd.report()["empties"], peer.cpu_s()
    await asyncio.sleep(window_s)
    share = 100 * (peer.cpu_s() - cpu) / window_s
    report = crowd.report()
    turns = report["empties"] - turns
    shortest = report["shortest_s"] or 0.0
    early = shortest < sizes.hold_s - sizes.jitter_s - SLACK_S
    return [
        figures.Figure(
            f"{sizes.polls} parked polls: CPU of a core, idle, {turns} re-polls in {window_s:.0f} s",
            "≤ 8 %",
            f"{share:.1f} %",
            share <= 8,
        ),
        figures.Figure(
            f"{sizes.polls} parked polls: shortest hold of {report['empties']} empties, "
            f"{sizes.hold_s:.0f} ± {sizes.jitter_s:.0f} s wanted",
            "no early empty",
            f"{shortest:.2f} s",
            not early,
        ),
    ]


async def _short_calls(
    sizes: Sizes, parked: engine_peers.Peer, unparked: engine_peers.Peer
) -> Sequence[figures.Figure]:
    rows = []
    requests = {peer.url: await engine_calls.requests_of(peer.url) for peer in (parked, unparked)}
    for name in (engine_calls.READ, engine_calls.DURABLE):
        costs = {peer.url: engine_calls.Costs() for peer in (parked, unparked)}
        callers = {peer.url: engine_calls.Callers(peer.url, requests[peer.url][name]) for peer in (parked, unparked)}
        for _ in range(sizes.rounds):
            for peer in (parked, unparked):
                await callers[peer.url].measure(peer, sizes.calls, costs[peer.url])
        for each in callers.values():
            each.close()
        beside, alone = (figures.median(costs[peer.url].all) for peer in (parked, unparked))
        rows.append(
            figures.Figure(
                f"{name} beside {sizes.polls} parked polls, CPU against none parked",
                "≤ 1.3 ×",
                f"{beside / alone:.2f} × ({beside:.0f} against {alone:.0f} µs)",
                beside / alone <= 1.3,
            )
        )
    return rows


async def _park(sizes: Sizes, peer: engine_peers.Peer) -> float:
    """Wait until all are parked; the longest wait of the probe meanwhile."""
    async with _probing(peer.url) as waits:
        await engine_crowd.all_parked(peer, sizes.polls)
    return max(waits)


async def _stalls(sizes: Sizes, peer: engine_peers.Peer, parking: float) -> Stalls:
    load = engine_flows.Cycles(peer.url, CYCLING)
    async with _probing(peer.url) as cycling:
        await load.run_for(sizes.probed_s)
    load.close()
    before = peer.metrics()[_PAUSES]
    async with _probing(peer.url) as collecting:
        peer.process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(sizes.probed_s / 10)
    return Stalls(parking, max(cycling), max(collecting), peer.metrics()[_PAUSES] - before)


@contextlib.asynccontextmanager
async def _probing(url: str) -> AsyncIterator[list[float]]:
    """Call every few milliseconds; the list fills with the seconds each answer took."""
    client = engine_http.Client(url)
    request = client.encode(engine_calls.READ, {"name": engine_flows.DOMAIN})
    waits: list[float] = [0.0]

    async def probe() -> None:
        while True:
            sent = time.monotonic()
            answer = await client.send(request)
            waits.append(answer.at - sent)
            await asyncio.sleep(PROBE_EVERY_S)

    probing = asyncio.create_task(probe())
    try:
        yield waits
    finally:
        probing.cancel()
        await asyncio.wait({probing})
        client.close()


def _stall_rows(tuned: Stalls, stock: Stalls) -> Sequence[figures.Figure]:
    longest = max(tuned.parking, tuned.cycling)
    return [
        figures.Figure(
            "longest loop stall, while polls park and beside cycles; collector tuned",
            "≤ 50 ms",
            f"{figures.ms(tuned.parking)} parking, {figures.ms(tuned.cycling)} cycling",
            longest <= 0.05,
        ),
        figures.Figure(
            "the same with the interpreter's own collector settings",
            "",
            f"{figures.ms(stock.parking)} parking, {figures.ms(stock.cycling)} cycling",
        ),
        figures.Figure(
            "a forced full collection beside parked polls; tuned, untuned",
            "",
            f"{figures.ms(tuned.collection)} (probe {figures.ms(tuned.collecting)}), {figures.ms(stock.collection)}",
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
