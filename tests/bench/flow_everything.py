"""Every benchmark of the flow runtime, one after the other, and one table of all figures at the end.

python -m tests.bench.flow_everything --simpleflow VENV --botoflow VENV     (about two minutes)
python -m tests.bench.flow_everything --results DIR                         (also keeps the figures as JSON)
python -m tests.bench.flow_everything --quick                               (shows that they run)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests.bench import engine_figures as figures
from tests.bench import everything, flow_report

MODULES = ("flow_replay", "flow_decisions", "flow_memory")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flow_report.add_options(parser)
    options = parser.parse_args()
    passed = [word for name, venv in flow_report.venvs(options).items() for word in (f"--{name}", str(venv))]
    if options.quick:
        passed.append("--quick")
    if options.results is not None:
        passed += ["--results", str(options.results)]
    rows: list[str] = []
    failed: list[str] = []
    began = time.monotonic()
    for module in MODULES:
        figures.say(f"\n== {module}")
        found = run(module, passed)
        rows += found
        if not found:
            failed.append(module)
    figures.say(f"\n{figures.machine()}; {time.monotonic() - began:.0f} s in all\n")
    figures.say(figures.table(rows))
    if failed:
        figures.say(f"\nwithout figures: {', '.join(failed)}")
    return 1 if failed else 0


def run(module: str, passed: list[str]) -> list[str]:
    """Run one benchmark in a process of its own, show its output; its rows, none when it failed."""
    words = [sys.executable, "-m", f"tests.bench.{module}", *passed]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, cwd=everything.ROOT)
    figures.say(done.stdout)
    return [] if done.returncode else list(everything.rows_of(module, done.stdout.splitlines()))


if __name__ == "__main__":
    sys.exit(main())
