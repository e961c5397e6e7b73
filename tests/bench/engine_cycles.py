"""Whole workflow cycles per second against a fresh moto server, and again with 50,000 closed executions in the store.

python -m tests.bench.engine_cycles

A cycle is start, poll, decide (schedule an activity), poll, complete it, poll, decide (complete): seven calls, made by
each of 16 clients one after the other on a task list of its own. Rounds of fresh engines, fresh moto servers and the
filled engine are interleaved; figures are medians.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench import engine_figures as figures
from tests.bench import engine_flows, engine_http, engine_peers

CLIENTS = 16
MOTO_ATTEMPTS = 5


@dataclass(frozen=True)
class Sizes:
    rounds: int
    seconds: float
    closed: int
    moto_closed: int
    warm_up: int


FULL = Sizes(rounds=5, seconds=4.0, closed=50_000, moto_closed=1_000, warm_up=300)
QUICK = Sizes(rounds=1, seconds=0.5, closed=100, moto_closed=0, warm_up=20)


@dataclass
class Rates:
    """Cycles per second by round."""

    fresh: list[float] = field(default_factory=list)
    moto: list[float] = field(default_factory=list)
    filled: list[float] = field(default_factory=list)


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    rates = Rates()
    with engine_peers.engine() as filled:
        await engine_flows.prepare(filled.url)
        load = engine_flows.Cycles(filled.url, CLIENTS)
        await load.run(sizes.warm_up)
        first = await load.run_for(sizes.seconds)
        rss_before = filled.rss_kib()
        took = await load.run(sizes.closed)
        figures.say(f"{sizes.closed} executions closed in {took:.0f} s; first {first:.0f} cycles/s")
        for number in range(sizes.rounds):
            rates.moto.append(await _moto(sizes))
            rates.fresh.append(await _fresh_engine(sizes))
            rates.filled.append(await load.run_for(sizes.seconds))
            figures.say(
                f"round {number + 1}: moto {rates.moto[-1]:.1f}, fresh {rates.fresh[-1]:.0f}, "
                f"with {sizes.closed} closed {rates.filled[-1]:.0f} cycles/s"
            )
        growth = (filled.rss_kib() - rss_before) / sizes.closed
        store = filled.store_mib()
        load.close()
    aged = await _moto(sizes, clients=1, closed=sizes.moto_closed) if sizes.moto_closed else rates.moto[0]
    return _figures(sizes, rates, aged, growth, store)


async def _fresh_engine(sizes: Sizes) -> float:
    with engine_peers.engine() as peer:
        await engine_flows.prepare(peer.url)
        load = engine_flows.Cycles(peer.url, CLIENTS)
        await load.run(sizes.warm_up)
        rate = await load.run_for(sizes.seconds)
        load.close()
        return rate


async def _moto(sizes: Sizes, *, clients: int = CLIENTS, closed: int = 0) -> float:
    """A short run on purpose: moto slows down with every execution it has closed. Under concurrent calls it fails some
    of them with a 500; then the run starts anew.
    """
    for _ in range(MOTO_ATTEMPTS):
        with engine_peers.moto() as peer:
            await engine_flows.prepare(peer.url)
            load = engine_flows.Cycles(peer.url, clients)
            try:
                await load.run(closed)
                return await load.run_for(sizes.seconds)
            except* engine_http.Refused as failed:
                figures.say(f"moto failed: {failed.exceptions[0]!r:.100}")
            finally:
                load.close()
    return float("nan")


def _figures(sizes: Sizes, rates: Rates, aged: float, growth: float, store: float) -> Sequence[figures.Figure]:
    fresh, moto, filled = (figures.median(each) for each in (rates.fresh, rates.moto, rates.filled))
    ratio, kept = fresh / moto, filled / fresh
    return [
        figures.Figure(
            "workflow cycles, 16 clients, durable, against a fresh moto server",
            "≥ 10 ×, stretch 20 ×",
            f"{ratio:.1f} × ({fresh:.0f}/s against {moto:.1f}/s)",
            ratio >= 10,
        ),
        figures.Figure(
            f"the same with {sizes.closed} closed executions in the store, against a fresh store",
            "≥ 0.9 ×",
            f"{kept:.2f} × ({filled:.0f}/s; {growth:.2f} KiB RSS per closed execution; store {store:.0f} MiB)",
            kept >= 0.9,
        ),
        figures.Figure(f"moto after {sizes.moto_closed} closed executions, one client", "", f"{aged:.1f}/s"),
    ]


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
