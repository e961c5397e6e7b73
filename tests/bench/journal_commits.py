"""The commit path: transitions per second of the engine's journal beside other ways to be as durable.

.venv/bin/python -m tests.bench.journal_commits --seconds 1.5 --rounds 5

One transition is 4 history events of about 300 bytes, two records written and one deleted; every producer waits for
its acknowledgement. Variants take turns within each round; a cell is the median of its rounds, and only ratios of one
run mean anything (spec/perf-baselines, method).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop
from tests.bench import journal_contenders as contenders

from elbflow.service import interpreter
from elbflow_engine import core

IN_FLIGHT = (16, 64, 256)
EVENT = b'{"eventId":1,"eventTimestamp":1700000000.123,"eventType":"ActivityTaskScheduled","attributes":"'
EVENT += b"x" * (300 - len(EVENT) - 2) + b'"}'
HEADER = b'{"header":"' + b"h" * 400 + b'"}'
TASK = b'{"task":"' + b"t" * 150 + b'"}'
TRANSITIONS_OF_A_RUN = 6
SHORT_S, LONG_S = 0.00025, 0.001
"""How long the other work of a busy loop holds it at a time: like one request, and like many at once."""


@dataclass(frozen=True)
class Variant:
    """One row of the table. With ``busy_s`` the event loop is never idle: other work holds it for so long at a time."""

    name: str
    contender: contenders.Contender
    in_flight: int
    busy_s: float = 0.0


@dataclass(frozen=True)
class Measured:
    """Transitions per second, and the time an acknowledgement took in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Target:
    """``of`` must reach ``factor`` times the rate of ``against``."""

    text: str
    of: str
    against: str
    factor: float


VARIANTS = [
    *(
        Variant(name, contender, in_flight)
        for in_flight in IN_FLIGHT
        for name, contender in (
            ("ours", contenders.ours),
            ("thread, commit each", contenders.commit_each),
            ("aiosqlite, commit each", contenders.naive_aiosqlite),
            ("append-only + fdatasync", contenders.append_only),
        )
    ),
    *(Variant("ours, loop 100 % busy, 0.25 ms", contenders.ours, in_flight, SHORT_S) for in_flight in IN_FLIGHT),
    *(Variant("ours, loop 100 % busy, 1 ms", contenders.ours, in_flight, LONG_S) for in_flight in IN_FLIGHT),
    *(Variant("ours, disk 2 ms slower", contenders.ours_on_a_slow_disk, in_flight) for in_flight in IN_FLIGHT),
]
TARGETS = (
    Target("commit-each", "ours", "thread, commit each", 2.0),
    Target("naive aiosqlite", "ours", "aiosqlite, commit each", 5.0),
    Target("append-only journal", "ours", "append-only + fdatasync", 0.25),
    Target("loop kept busy / idle, work of 0.25 ms", "ours, loop 100 % busy, 0.25 ms", "ours", 0.25),
    Target("loop kept busy / idle, work of 1 ms", "ours, loop 100 % busy, 1 ms", "ours", 0.25),
    Target("2 ms slower disk / this disk", "ours, disk 2 ms slower", "ours", 0.6),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5, metavar="S", help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where to write; the disk is what is measured")
    arguments = parser.parse_args()
    interpreter.tune()
    rounds: dict[Variant, list[Measured]] = {variant: [] for variant in VARIANTS}
    for _ in range(arguments.rounds):
        for variant in VARIANTS:
            rounds[variant].append(measure(variant, arguments.seconds, arguments.directory))
    report({variant: median(measured) for variant, measured in rounds.items()})
    return 0


def measure(variant: Variant, seconds: float, parent: Path | None) -> Measured:
    directory = Path(tempfile.mkdtemp(prefix="elbflow-journal-", dir=parent))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_measure(variant, seconds, directory))
    finally:
        shutil.rmtree(directory)


async def _measure(variant: Variant, seconds: float, directory: Path) -> Measured:
    waits: list[float] = []
    async with variant.contender(directory) as commit, contextlib.AsyncExitStack() as stack:
        if variant.busy_s:
            occupied = asyncio.create_task(occupy(variant.busy_s))
            stack.callback(occupied.cancel)
        began = time.perf_counter()
        ends = began + seconds
        async with asyncio.TaskGroup() as producers:
            for number in range(variant.in_flight):
                producers.create_task(produce(number, variant.in_flight, commit, ends, waits))
        elapsed = time.perf_counter() - began
    waits.sort()
    return Measured(len(waits) / elapsed, 1000 * waits[len(waits) // 2], 1000 * waits[len(waits) * 99 // 100])


async def produce(first: int, step: int, commit: contenders.Commit, ends: float, waits: list[float]) -> None:
    """Commit one transition after the other until ``ends``."""
    for changes in transitions(first, step):
        began = time.perf_counter()
        if began >= ends:
            return
        await commit(changes)
        waits.append(time.perf_counter() - began)


def transitions(first: int, step: int) -> Iterator[contenders.Transition]:
    """One run after the other, ``TRANSITIONS_OF_A_RUN`` transitions each."""
    run = first
    while True:
        for number in range(TRANSITIONS_OF_A_RUN):
            yield (
                core.Append(run, 4 * number + 1, (EVENT,) * 4),
                core.Put("execution", str(run), HEADER),
                core.Put("task", f"{run}/{number}", TASK),
                core.Delete("task", f"{run}/{number - 1}"),
            )
        run += step


async def occupy(slice_s: float) -> None:
    """Other work that always waits for the loop."""
    while True:
        until = time.perf_counter() + slice_s
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


def median(measured: list[Measured]) -> Measured:
    return Measured(
        statistics.median(one.rate for one in measured),
        statistics.median(one.p50_ms for one in measured),
        statistics.median(one.p99_ms for one in measured),
    )


def report(cells: dict[Variant, Measured]) -> None:
    print("| how | in flight | transitions/s | ack p50 ms | ack p99 ms |")
    print("|---|---|---|---|---|")
    rates: dict[tuple[str, int], float] = {}
    for variant, cell in cells.items():
        rates[variant.name, variant.in_flight] = cell.rate
        print(f"| {variant.name} | {variant.in_flight} | {cell.rate:,.0f} | {cell.p50_ms:.1f} | {cell.p99_ms:.1f} |")
    print()
    print("| ours against | must reach | " + " | ".join(f"{count} in flight" for count in IN_FLIGHT) + " |")
    print("|---|---|" + "---|" * len(IN_FLIGHT))
    for target in TARGETS:
        ratios = [rates[target.of, count] / rates[target.against, count] for count in IN_FLIGHT]
        shown = " | ".join(f"{ratio:.2f}" + ("" if ratio >= target.factor else " missed") for ratio in ratios)
        print(f"| {target.text} | {target.factor} | {shown} |")


if __name__ == "__main__":
    raise SystemExit(main())
