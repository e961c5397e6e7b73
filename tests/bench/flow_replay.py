"""Replaying a history of 10,000 events: ours, botoflow and simpleflow on the same work (see tests.bench.flow_history).

python -m tests.bench.flow_replay --simpleflow VENV --botoflow VENV

Each framework replays in a process of its own interpreter, in turns with the others, and the median counts: CPU of one
core. A decider begins with the bytes of PollForDecisionTask's answers (pages of 1,000 events) and ends with decisions.
Reading the answers is each framework's own client: botocore for the others. What came after that is shown by itself.

An environment for them: ``python -m venv VENV && VENV/bin/pip install simpleflow`` (or botoflow). Without one the
column stays empty. botoflow is from the time of Python 3.5 and runs on 3.11 with the one line that its child shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import engine_figures as figures
from tests.bench import flow_report
from tests.bench.engine_figures import Figure

HERE = Path(__file__).parent
EVENTS = 10_000
OURS = "elbflow"
MOST_S, LEAST_RATIO = 0.5, 5.0


@dataclass
class Seconds:
    """CPU seconds of one framework's replays."""

    version: str = ""
    reading: list[float] = field(default_factory=list)
    deciding: list[float] = field(default_factory=list)

    @property
    def both(self) -> float:
        return figures.median([read + decided for read, decided in zip(self.reading, self.deciding, strict=True)])

    @property
    def alone(self) -> float:
        return figures.median(self.deciding)


def program(run: flow_report.Run) -> Sequence[Figure]:
    events, turns, repetitions = (1_000, 1, 1) if run.quick else (EVENTS, 5, 4)
    names = (OURS, *run.venvs)
    found = {name: Seconds() for name in names}
    for _ in range(turns):
        for name in names:
            replay(found[name], command(name, run), events, repetitions)
    for name in flow_report.VENVS:
        if name not in run.venvs:
            figures.say(f"{name}: not measured; pip install {name} into a virtual environment and name it (--{name})")
    ours = found.pop(OURS)
    rows = [
        Figure(
            f"replay of {events:,} events, from SWF's answers to the decisions",
            f"≤ {MOST_S} s",
            f"{figures.ms(ours.both)} (reading {figures.ms(figures.median(ours.reading))})",
            ours.both <= MOST_S,
        )
    ]
    for name, other in found.items():
        rows += compared(f"{name} {other.version}", ours, other)
    return rows


def compared(name: str, ours: Seconds, other: Seconds) -> list[Figure]:
    whole, alone = other.both / ours.both, other.alone / ours.alone
    return [
        Figure(
            f"the same with {name}: times as long",
            f"≥ {LEAST_RATIO:.0f} ×",
            f"{whole:.1f} × ({figures.ms(other.both)}, reading {figures.ms(figures.median(other.reading))})",
            whole >= LEAST_RATIO,
        ),
        Figure(
            f"without reading the answers, {name}: times as long",
            "",
            f"{alone:.1f} × ({figures.ms(other.alone)} against {figures.ms(ours.alone)})",
        ),
    ]


def command(name: str, run: flow_report.Run) -> Sequence[str]:
    if name == OURS:
        return sys.executable, "-m", "tests.bench.flow_elbflow_child"
    return str(run.venvs[name] / "bin" / "python"), str(HERE / f"flow_{name}_child.py")


def replay(found: Seconds, words: Sequence[str], events: int, repetitions: int) -> None:
    """Let a child replay, and add what it says. Raises CalledProcessError when it fails."""
    environment = dict(os.environ)
    if words[0] != sys.executable:
        environment.pop("PYTHONPATH", None)
    output = subprocess.run(
        [*words, str(events), str(repetitions)],
        env=environment,
        cwd=HERE.parents[1],
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    ).stdout
    said = json.loads(output)
    found.version = said["version"]
    found.reading += said["reading"]
    found.deciding += said["deciding"]


if __name__ == "__main__":
    sys.exit(flow_report.main(__doc__, program))
