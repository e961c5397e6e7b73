"""3,000 parked polls in one process: ours beside boto3's threads, aiobotocore with a pool that is large enough, and a
bare client.

python -m tests.bench.polling_parked [--results DIR]

Each poller runs in a fresh process on the last core, the emulated server on the first. Memory is growth from the ready
client to all polls parked, the kernel's part included. In a burst one poll in ten gets a task at the same instant; its
latency runs from there to the poller's code. How many polls park, the server says. Short calls take turns between a
process with all polls parked and one without any. Scenario B1 of spec/swf-long-poll-scale 8; C4 to C6 of
spec/perf-baselines 8.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench import polling_crowd, polling_memory, polling_report
from tests.bench.engine_figures import Figure, median, ms, quantile
from tests.bench.polling_pollers import Plan
from tests.emulators.running import Emulator, emulated

SERIES = {"threads": "boto3, a thread per poll", "stock": "aiobotocore", "bare": "bare asyncio", "ours": "ours"}
COMPARED = tuple(SERIES)
CAPPED = ("default", "aiohttp")
BURST_S = 10.0
SETTLE_S = 0.3


@dataclass(frozen=True)
class Sizes:
    """``polls`` is what the goals are about; ``sweep`` and ``counted`` are further numbers of polls."""

    polls: int
    sweep: Sequence[int]
    counted: Sequence[int]
    rounds: int
    bursts: int
    calls: int
    idle_s: float
    park_s: float
    responding: Sequence[str]


FULL = Sizes(
    3_000,
    (100, 1_000),
    (10, 11, 101),
    rounds=3,
    bursts=4,
    calls=300,
    idle_s=5.0,
    park_s=30.0,
    responding=("ours", "stock"),
)
QUICK = Sizes(60, (), (), rounds=1, bursts=1, calls=20, idle_s=0.2, park_s=5.0, responding=("ours",))
CAPPED_S = 8.0
STEADY_S = 1.0


@dataclass
class Seen:
    """One poller at one number of polls; a value for each round. Seconds, KiB per poll."""

    parked: list[int] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    burst_p99: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    idle_cpu: list[float] = field(default_factory=list)
    respond: list[tuple[float, float]] = field(default_factory=list)


class Table:
    """What was seen, by poller and number of polls."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], Seen] = defaultdict(Seen)

    def of(self, poller: str, polls: int) -> Seen:
        return self._seen[poller, polls]

    def parked(self, poller: str) -> str:
        """Configured and parked, for all numbers tried."""
        pairs = sorted((polls, min(seen.parked)) for (name, polls), seen in self._seen.items() if name == poller)
        return ", ".join(f"{parked:,} of {polls:,}" for polls, parked in pairs)

    def all_parked(self, poller: str) -> bool:
        return all(min(seen.parked) == polls for (name, polls), seen in self._seen.items() if name == poller)


def run(run: polling_report.Run) -> Sequence[Figure]:
    sizes = QUICK if run.quick else FULL
    table = Table()
    with emulated(cores=run.server) as server:
        for _, poller in itertools.product(range(sizes.rounds), COMPARED):
            measure(run, sizes, server, poller, sizes.polls, table.of(poller, sizes.polls))
        for polls, poller in itertools.product(sizes.sweep, COMPARED):
            measure(run, sizes, server, poller, polls, table.of(poller, polls))
        for polls in sizes.counted:
            count(run, sizes.park_s, server, "ours", polls, table)
        for polls, poller in itertools.product((*sizes.counted[1:], sizes.polls), CAPPED):
            count(run, CAPPED_S, server, poller, polls, table)
    for polls, poller in itertools.product((*sizes.sweep, sizes.polls), COMPARED):
        seen = table.of(poller, polls)
        run.point("parked-memory", SERIES[poller], polls, round(median(seen.memory), 2))
        run.point("parked-burst", SERIES[poller], polls, round(1e3 * median(seen.burst_p99), 2))
    return figures_of(sizes, table)


def lists_of(polls: int) -> tuple[str, ...]:
    return tuple(f"list-{number}" for number in range(polls))


def count(run: polling_report.Run, within_s: float, server: Emulator, poller: str, polls: int, table: Table) -> None:
    """How many of the polls park at all."""
    with polling_crowd.crowd(poller, Plan(server.url, lists_of(polls)), run.client) as crowd:
        crowd.start()
        table.of(poller, polls).parked.append(parked_at_last(server, polls, within_s))
    server.wait(lambda report: report["parked"] == 0, within_s)


def all_parked(server: Emulator, polls: int, within_s: float) -> int:
    """How many are parked, as soon as all are."""
    return int(server.wait(lambda report: report["parked"] >= polls, within_s)["parked"])


def parked_at_last(server: Emulator, polls: int, within_s: float) -> int:
    """How many are parked when all are, or when their number stands still."""
    deadline = time.monotonic() + within_s
    parked = all_parked(server, 1, within_s)
    while parked < polls and time.monotonic() < deadline:
        before, parked = parked, all_parked(server, polls, STEADY_S)
        if parked == before:
            break
    return parked


def measure(run: polling_report.Run, sizes: Sizes, server: Emulator, poller: str, polls: int, seen: Seen) -> None:
    """One round of one poller."""
    plan = Plan(server.url, lists_of(polls))
    with polling_crowd.crowd(poller, plan, run.client) as crowd:
        before = polling_memory.now(crowd.rss_kib)
        crowd.watch()
        crowd.start()
        seen.parked.append(all_parked(server, polls, sizes.park_s))
        time.sleep(SETTLE_S)
        stalls = [stalls_of(crowd.report())]
        memory = polling_memory.now(crowd.rss_kib).each_since(before, polls)
        seen.own.append(memory.own)
        seen.memory.append(memory.total)
        if polls == sizes.polls:
            seen.idle_cpu.append(idle_cpu(crowd, sizes.idle_s))
        p99s = []
        for number in range(sizes.bursts):
            p99_s, stall = burst(server, crowd, plan.lists[number % 10 :: 10], polls)
            p99s.append(p99_s)
            stalls.append(stall)
        seen.burst_p99.append(median(p99s))
        seen.stalls.append(max(late_s for late_s, _ in stalls))
        seen.busy.append(max(busy_s for _, busy_s in stalls))
        if polls == sizes.polls and poller in sizes.responding:
            seen.respond.append(respond(run, sizes, crowd, poller, plan))
    server.wait(lambda report: report["parked"] == 0, sizes.park_s)


def idle_cpu(crowd: polling_crowd.Crowd, period_s: float) -> float:
    """Share of a core."""
    before = crowd.cpu_s()
    time.sleep(period_s)
    return (crowd.cpu_s() - before) / period_s


def stalls_of(report: dict[str, Any]) -> tuple[float, float]:
    """Seconds: by how much a tick of the loop was late at most, and how much CPU time went between two of them."""
    return report["stall_s"], report["busy_s"]


def burst(
    server: Emulator, crowd: polling_crowd.Crowd, lists: Sequence[str], polls: int
) -> tuple[float, tuple[float, float]]:
    """p99 of the latency, and the stalls, when all ``lists`` get a task at once."""
    crowd.watch()
    server.tasks(lists)
    all_parked(server, polls, BURST_S)
    report = crowd.report()
    return quantile(report["latencies"], 0.99), stalls_of(report)


def respond(
    run: polling_report.Run, sizes: Sizes, full: polling_crowd.Crowd, poller: str, plan: Plan
) -> tuple[float, float]:
    """Median seconds of a short call with all polls parked, and in a process without any."""
    times: dict[int, list[float]] = {full.pid: []}
    with polling_crowd.crowd(poller, plan, run.client) as idle:
        times[idle.pid] = []
        for _, crowd in itertools.product(range(5), (full, idle)):
            times[crowd.pid] += crowd.probe(sizes.calls // 5)
        return statistics.median(times[full.pid]), statistics.median(times[idle.pid])


def figures_of(sizes: Sizes, table: Table) -> Sequence[Figure]:
    seen = {poller: table.of(poller, sizes.polls) for poller in COMPARED}
    ours, polls = seen["ours"], f"{sizes.polls:,} parked polls"
    return [
        ratio(f"{polls}: memory each with the kernel's, against a boto3 thread", 0.5, seen, "memory", "threads", "KiB"),
        ratio(f"{polls}: resident memory each, against a boto3 thread", 0.6, seen, "own", "threads", "KiB"),
        ratio(f"{polls}: resident memory each, against the bare client", 3.0, seen, "own", "bare", "KiB"),
        ratio(
            f"{polls}: p99 of a burst for one in ten, against stock aiobotocore", 0.6, seen, "burst_p99", "stock", "ms"
        ),
        Figure(
            "the same burst, other clients",
            "",
            ", ".join(f"{name} {ms(median(seen[name].burst_p99))}" for name in ("threads", "bare")),
        ),
        Figure("polls seen parked by the server: ours", "all", table.parked("ours"), table.all_parked("ours")),
        Figure("the same with aiobotocore's defaults", "", table.parked("default")),
        Figure("the same with aiohttp's defaults", "", table.parked("aiohttp")),
        *(respond_figure(name, seen[name], 1.2 if name == "ours" else None) for name in sizes.responding),
        Figure(
            f"{polls}: longest stall of the loop, while they park and in bursts",
            "≤ 50 ms",
            f"{ms(max(ours.stalls))} (most CPU time in one go {ms(max(ours.busy))})",
            max(ours.stalls) <= 0.05,
        ),
        Figure(
            "the same, stock aiobotocore",
            "",
            f"{ms(max(seen['stock'].stalls))} (most CPU time in one go {ms(max(seen['stock'].busy))})",
        ),
        Figure(
            f"{polls}: CPU of a core, idle",
            "≤ 0.1 %",
            f"{100 * median(ours.idle_cpu):.2f} %",
            median(ours.idle_cpu) <= 0.001,
        ),
    ]


def ratio(name: str, most: float, seen: dict[str, Seen], what: str, peer: str, unit: str) -> Figure:
    """Ours against ``peer``, medians over the rounds."""
    scale = 1e3 if unit == "ms" else 1.0
    mine, other = (scale * median(getattr(seen[poller], what)) for poller in ("ours", peer))
    return Figure(
        name, f"≤ {most} ×", f"{mine / other:.2f} × ({mine:.1f} against {other:.1f} {unit})", mine <= most * other
    )


def respond_figure(name: str, seen: Seen, most: float | None) -> Figure:
    full, idle = (median([pair[side] for pair in seen.respond]) for side in (0, 1))
    shown = f"{full / idle:.2f} × ({ms(full, 2)} against {ms(idle, 2)})"
    must = "" if most is None else f"≤ {most} ×"
    met = None if most is None else full <= most * idle
    return Figure(f"short call with the budget full against idle: {name}", must, shown, met)


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, run))
