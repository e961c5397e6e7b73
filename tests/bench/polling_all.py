"""Every benchmark of the long-poll scheduler, one after the other, and one table of all figures at the end.

python -m tests.bench.polling_all [--results DIR]    (about ten minutes)
python -m tests.bench.polling_all --quick            (shows that they run)

``python -m tests.bench.charts --results DIR`` draws what is left in DIR.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import engine_all
from tests.bench import engine_figures as figures

MODULES = ("polling_parked", "polling_early", "polling_herd", "polling_burst")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=MODULES, default=MODULES)
    parser.add_argument("--results", type=Path, metavar="DIR", help="write the points of the charts there")
    options = parser.parse_args()
    rows: list[str] = []
    failed: list[str] = []
    began = time.monotonic()
    for module in options.only:
        figures.say(f"\n== {module}")
        lines: list[str] = []
        with subprocess.Popen(
            command(module, quick=options.quick, results=options.results),
            stdout=subprocess.PIPE,
            text=True,
            cwd=engine_all.ROOT,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                figures.say(lines[-1])
        found = engine_all.rows_of(module, lines)
        rows += found
        if process.returncode or not found:
            failed.append(module)
    figures.say(f"\n{figures.machine()}; {time.monotonic() - began:.0f} s in all\n")
    figures.say(figures.table(rows))
    if failed:
        figures.say(f"\nwithout figures: {', '.join(failed)}")
    return 1 if failed else 0


def command(module: str, *, quick: bool, results: Path | None) -> Sequence[str]:
    """The command line of one benchmark."""
    kept = [] if results is None else ["--results", str(results)]
    return [sys.executable, "-m", f"tests.bench.{module}", *(["--quick"] if quick else []), *kept]


if __name__ == "__main__":
    sys.exit(main())
