"""How the programs about polling start, print their table, and leave their curves for the charts."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import engine_figures as figures
from tests.bench.engine_figures import Figure


@dataclass
class Run:
    """One run of a program. ``quick`` shows that it runs, not how fast.

    The emulated server gets the ``server`` cores and the poller the ``client`` ones; empty sets leave them where they
    are.
    """

    quick: bool
    server: Collection[int] = ()
    client: Collection[int] = ()
    points: list[dict[str, object]] = field(default_factory=list)

    def point(self, chart: str, series: str, x: float, y: float) -> None:
        """One point of a curve; :mod:`tests.bench.charts` knows the charts."""
        self.points.append({"chart": chart, "series": series, "x": x, "y": y})


Program = Callable[[Run], Sequence[Figure]]


def main(document: str | None, program: Program) -> int:
    """Run ``program`` and print its figures; with ``--results`` its points go to a file there. Always 0: figures are
    read, not asserted.
    """
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small, not pinned: shows that it runs, not how fast")
    parser.add_argument("--results", type=Path, metavar="DIR", help="write the points of the charts there")
    options = parser.parse_args()
    run = Run(options.quick)
    if not options.quick:
        cores = sorted(os.sched_getaffinity(0))
        run.server, run.client = cores[:1], cores[-1:]
    began = time.monotonic()
    found = program(run)
    figures.say(f"\n{figures.machine()}; {time.monotonic() - began:.0f} s\n")
    figures.say(figures.table(map(str, found)))
    if options.results is not None:
        write(options.results, Path(sys.argv[0]).stem, run.points)
    return 0


def write(results: Path, name: str, points: Sequence[dict[str, object]]) -> None:
    """Leave the points of one program in ``results``; it overwrites those of an earlier run."""
    results.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(point) for point in points)
    (results / f"{name}.json").write_text(f"[\n{lines}\n]\n")
