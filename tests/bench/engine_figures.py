"""What every benchmark prints: one markdown table of figures, and the machine they were taken on."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from tests.bench import engine_peers

HEADER = "| figure | must reach | measured |"


@dataclass(frozen=True)
class Figure:
    """One row. ``must`` is empty for a figure that is only stated; ``met`` None likewise."""

    name: str
    must: str
    measured: str
    met: bool | None = None

    def __str__(self) -> str:
        verdict = {None: "", True: "", False: " **missed**"}[self.met]
        return f"| {self.name} | {self.must} | {self.measured}{verdict} |"


Program = Callable[[bool], Awaitable[Sequence[Figure]]]


def main(document: str | None, program: Program) -> int:
    """Run ``program(quick)`` and print its figures. Always 0: figures are read, not asserted."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small, not pinned: shows that it runs, not how fast")
    options = parser.parse_args()
    if not options.quick:
        engine_peers.pin()
    # The load generator's own collector must not be what is measured.
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    began = time.monotonic()
    figures = uvloop.run(_await(program(options.quick)))
    say(f"\n{machine()}; {time.monotonic() - began:.0f} s\n")
    say(table(map(str, figures)))
    return 0


def table(rows: Iterable[str]) -> str:
    """A markdown table of the rows of figures."""
    return "\n".join((HEADER, "|---|---|---|", *rows))


async def _await(work: Awaitable[Sequence[Figure]]) -> Sequence[Figure]:
    return await work


def machine() -> str:
    """Cores, processor, system, interpreter, load: what a reader needs to judge the figures."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{len(names) or os.cpu_count()} × {names[0] if names else platform.machine()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}; `{' '.join(sys.orig_argv[1:])}`"
    )


def median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lies; the nearest of them, the middle of two for the median."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    if share == 0.5 and len(ordered) % 2 == 0:
        return (ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def of_histogram(metrics: Mapping[str, float], name: str, share: float) -> float:
    """Upper bound of the bucket in which the quantile of a Prometheus histogram lies, in its own unit."""
    buckets: dict[float, float] = {}
    for key, value in metrics.items():
        if key.startswith(f"{name}_bucket{{"):
            bound = float(key.partition('le="')[2].partition('"')[0])
            buckets[bound] = buckets.get(bound, 0.0) + value
    total = max(buckets.values(), default=0.0)
    return next((bound for bound in sorted(buckets) if total and buckets[bound] >= share * total), float("nan"))


def difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Counters of a period."""
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def ms(seconds: float, digits: int = 1) -> str:
    return f"{1e3 * seconds:.{digits}f} ms"


def say(line: str) -> None:
    print(line, flush=True)
