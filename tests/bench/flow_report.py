"""How the programs about the flow runtime start, print their table, and leave their figures for others to read."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import engine_figures as figures
from tests.bench.engine_figures import Figure

VENVS = {"botoflow": "BOTOFLOW_VENV", "simpleflow": "SIMPLEFLOW_VENV"}
"""Frameworks that ours is compared with, and the variables that may name their virtual environments."""


@dataclass(frozen=True)
class Run:
    """One run of a program. ``quick`` shows that it runs, not how fast. ``venvs`` are those that exist, by name."""

    quick: bool
    venvs: dict[str, Path]


Program = Callable[[Run], Sequence[Figure]]


def main(document: str | None, program: Program) -> int:
    """Run ``program`` on one core and print its figures.

    Always 0: figures are read, not asserted.
    """
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    options = parser.parse_args()
    if not options.quick:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    began = time.monotonic()
    found = program(Run(options.quick, venvs(options)))
    figures.say(f"\n{figures.machine()}; {time.monotonic() - began:.0f} s\n")
    figures.say(figures.table(map(str, found)))
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="small, not pinned: shows that it runs, not how fast")
    for name, variable in VENVS.items():
        parser.add_argument(
            f"--{name}",
            type=Path,
            metavar="VENV",
            default=os.environ.get(variable),
            help=f"virtual environment with {name} (pip install {name}); default ${variable}",
        )


def venvs(options: argparse.Namespace) -> dict[str, Path]:
    return {name: Path(given).resolve() for name in VENVS if (given := getattr(options, name))}
