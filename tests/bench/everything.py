"""Every benchmark, one after the other, and one table of all figures at the end.

python -m tests.bench.everything                     (about an hour)
python -m tests.bench.everything --suite polling     (what the long polls cost; a good quarter of an hour)
python -m tests.bench.everything --suite flow        (replay and cached workflows; SIMPLEFLOW_VENV, BOTOFLOW_VENV)
python -m tests.bench.everything --suite api         (the calls of the Classic ELB API on a full store; 40 seconds)
python -m tests.bench.everything --suite data-plane  (traffic, changes, pushes, density; about 25 minutes)
python -m tests.bench.everything --results DIR       (also keeps the points of the curves: see tests.bench.charts)
python -m tests.bench.everything --quick             (shows that they run)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import engine_figures as figures

ROOT = Path(__file__).parents[2]
JOURNAL = "journal_commits"
JOURNAL_HEADER = "| ours against |"
ENGINE = (
    "engine_cycles",
    "engine_parked",
    JOURNAL,
    "engine_disk",
    "engine_dispatch",
    "engine_disconnects",
    "engine_tenants",
    "engine_timers",
    "engine_echo",
)
CHARTED = ("polling_parked", "polling_early", "polling_herd", "polling_burst")
POLLING = (
    "scheduler_cost",
    "client_cost",
    *CHARTED,
    "polling_rotation",
    "polling_tenants",
    "polling_disconnects",
)
FLOW = ("flow_replay", "flow_decisions", "flow_memory")
DATA_PLANE = ("data_plane_traffic", "data_plane_changes", "data_plane_push", "data_plane_density")
API = ("api_calls",)
SUITES = {"engine": ENGINE, "polling": POLLING, "flow": FLOW, "api": API, "data-plane": DATA_PLANE}
MODULES = tuple(module for suite in SUITES.values() for module in suite)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--suite", choices=SUITES)
    parser.add_argument("--only", nargs="+", choices=MODULES)
    parser.add_argument("--results", type=Path, metavar="DIR", help="write the points of the charts there")
    options = parser.parse_args()
    rows: list[str] = []
    failed: list[str] = []
    began = time.monotonic()
    for module in options.only or SUITES.get(options.suite, MODULES):
        figures.say(f"\n== {module}")
        code, found = run(module, quick=options.quick, results=options.results)
        rows += found
        if code or not found:
            failed.append(module)
    figures.say(f"\n{figures.machine()}; {time.monotonic() - began:.0f} s in all\n")
    figures.say(figures.table(rows))
    if failed:
        figures.say(f"\nwithout figures: {', '.join(failed)}")
    return 1 if failed else 0


def run(module: str, *, quick: bool, results: Path | None = None) -> tuple[int, Sequence[str]]:
    """Run one benchmark in a process of its own, show its output as it comes; its exit code and its rows."""
    lines: list[str] = []
    with subprocess.Popen(
        command(module, quick=quick, results=results), stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            figures.say(lines[-1])
    return process.returncode, rows_of(module, lines)


def command(module: str, *, quick: bool, results: Path | None = None) -> Sequence[str]:
    """The command line of one benchmark."""
    fast = ["--seconds", "0.05", "--rounds", "1"] if module == JOURNAL else ["--quick"]
    kept = [] if results is None or module not in CHARTED else ["--results", str(results)]
    return [sys.executable, "-m", f"tests.bench.{module}", *(fast if quick else []), *kept]


def rows_of(module: str, lines: Sequence[str]) -> Sequence[str]:
    """The figures in the output of a benchmark."""
    if module == JOURNAL:
        return _journal_rows(lines)
    if figures.HEADER not in lines:
        return ()
    return [line for line in lines[lines.index(figures.HEADER) + 2 :] if line.startswith("|")]


def _journal_rows(lines: Sequence[str]) -> Sequence[str]:
    """The journal's table of ratios has a column for each number in flight; the first of them has to be met."""
    start = next((number for number, line in enumerate(lines) if line.startswith(JOURNAL_HEADER)), len(lines))
    widths = [cell.removesuffix(" in flight") for cell in _cells(lines[start])[2:]] if start < len(lines) else []
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, must, *ratios = _cells(line)
        measured = ", ".join(
            f"{ratio.removesuffix(' missed')} × at {width}" for ratio, width in zip(ratios, widths, strict=True)
        )
        met = not ratios[0].endswith("missed")
        rows.append(str(figures.Figure(f"durable transitions in flight against {name}", f"≥ {must} ×", measured, met)))
    return rows


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


if __name__ == "__main__":
    sys.exit(main())
