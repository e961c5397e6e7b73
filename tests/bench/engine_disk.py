"""What a disk that takes 2 ms longer for every commit costs those who call the engine.

python -m tests.bench.engine_disk

Durable calls and whole workflow cycles, 16 in flight each, on an engine as it is and on one whose
commits take longer.
Both take turns; figures are medians. ``journal_commits`` shows the same for the journal alone, where 16 in flight can
do no more than 16 in every commit.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.bench import engine_calls, engine_flows, engine_peers
from tests.bench import engine_figures as figures

SLOWER_S = 0.002


@dataclass(frozen=True)
class Sizes:
    rounds: int
    calls: int
    seconds: float
    warm_up: int


FULL = Sizes(rounds=7, calls=6_000, seconds=3.0, warm_up=300)
QUICK = Sizes(rounds=1, calls=100, seconds=0.3, warm_up=10)


@dataclass
class Rates:
    """Per second, by round."""

    calls: list[float] = field(default_factory=list)
    cycles: list[float] = field(default_factory=list)


class Load:
    """Both loads on one engine."""

    def __init__(self, peer: engine_peers.Peer, signals: Sequence[bytes]) -> None:
        self._peer = peer
        self._cycles = engine_flows.Cycles(peer.url, engine_calls.IN_FLIGHT)
        self._callers = engine_calls.Callers(peer.url, signals)

    async def warm(self, sizes: Sizes) -> None:
        await self._cycles.run(sizes.warm_up)

    async def measure(self, sizes: Sizes, rates: Rates) -> None:
        costs = engine_calls.Costs()
        await self._callers.measure(self._peer, sizes.calls, costs)
        rates.calls += costs.rate
        rates.cycles.append(await self._cycles.run_for(sizes.seconds))

    def close(self) -> None:
        self._cycles.close()
        self._callers.close()


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    rates = (Rates(), Rates())
    slow = ("--slower-disk", str(SLOWER_S))
    with engine_peers.engine(child=["--as-is"]) as this, engine_peers.engine(child=slow) as slower:
        loads = [await _load(peer, sizes) for peer in (this, slower)]
        for number in range(sizes.rounds):
            for load, rate in zip(loads, rates, strict=True):
                await load.measure(sizes, rate)
            seen = ", ".join(f"{rate.calls[-1]:.0f} calls/s, {rate.cycles[-1]:.0f} cycles/s" for rate in rates)
            figures.say(f"round {number + 1}: this disk, slower disk: {seen}")
        for load in loads:
            load.close()
    return [
        _figure("durable calls", *(figures.median(rate.calls) for rate in rates)),
        _figure("workflow cycles", *(figures.median(rate.cycles) for rate in rates)),
    ]


async def _load(peer: engine_peers.Peer, sizes: Sizes) -> Load:
    await engine_flows.prepare(peer.url)
    load = Load(peer, (await engine_calls.requests_of(peer.url))[engine_calls.DURABLE])
    await load.warm(sizes)
    return load


def _figure(what: str, this: float, slower: float) -> figures.Figure:
    return figures.Figure(
        f"{what} with a disk {1000 * SLOWER_S:.0f} ms slower against this disk, {engine_calls.IN_FLIGHT} in flight",
        "≥ 0.6 ×",
        f"{slower / this:.2f} × ({slower:.0f}/s against {this:.0f}/s)",
        slower / this >= 0.6,
    )


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
