"""What executions cost that a decision worker remembers: resident memory, and allocations of Python.

python -m tests.bench.flow_memory

A fresh process for each of the two, because counting allocations takes memory itself. Each execution was decided twice:
by replay of its past events, then from memory. Beside it: what the cache believes it holds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import orjson
from tests.bench import engine_figures as figures
from tests.bench import flow_decider, flow_history, flow_report, flow_workflow
from tests.bench.engine_figures import Figure

from elbflow import swf
from elbflow.swf import parse

ROOT = Path(__file__).parents[2]
EXECUTIONS, PAST = 1_000, 1_000
MOST_MB = 100.0
MB = 1_000_000


def program(run: flow_report.Run) -> Sequence[Figure]:
    executions = 20 if run.quick else EXECUTIONS
    resident = child(executions, "resident")
    allocated = child(executions, "allocated")
    name = f"{executions:,} executions in memory after {PAST:,} events"
    return [
        Figure(f"{name}: resident", f"≤ {MOST_MB:.0f} MB", f"{resident['mb']:.1f} MB", resident["mb"] <= MOST_MB),
        Figure(
            f"{name}: allocated by Python",
            f"≤ {MOST_MB:.0f} MB",
            f"{allocated['mb']:.1f} MB ({1e3 * allocated['mb'] / executions:.0f} kB each)",
            allocated["mb"] <= MOST_MB,
        ),
        Figure(f"{name}: as the cache weighs them", "", f"{resident['weighed_mb']:.1f} MB"),
    ]


def child(executions: int, what: str) -> dict[str, float]:
    output = subprocess.run(
        [sys.executable, "-m", "tests.bench.flow_memory", "--child", str(executions), what],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
    ).stdout
    found: dict[str, float] = json.loads(output)
    return found


async def fill(executions: int, what: str) -> dict[str, float]:
    """Have the worker remember them; the growth in MB."""
    body = flow_history.history(flow_workflow.Dialect(), flow_history.rounds_for(PAST) + 2)
    text = orjson.dumps({"events": body})
    del body
    service = flow_decider.Service()
    async with flow_decider.worker(service, remembering=flow_decider.remember_all()) as worker:
        await remember(worker, text, "warm")
        gc.collect()
        if what == "allocated":
            tracemalloc.start()
        before = measured(what)
        for number in range(executions):
            await remember(worker, text, f"run-{number}")
        gc.collect()
        grown = measured(what) - before
        cache = worker._cache
        if cache is None or len(cache) != executions + 1:
            raise SystemExit("not all executions are in memory")
        return {"mb": grown / MB, "weighed_mb": cache.bytes / MB}


async def remember(worker: flow_decider.flow.DecisionWorker, text: bytes, run: str) -> None:
    """Two decisions of an execution of its own: nothing is shared with the others but code."""
    events: Sequence[swf.HistoryEvent] = parse.events(orjson.loads(text))
    found = flow_decider.tasks(events, PAST, only_new=True, run=run)
    await worker.handle(next(found))
    await worker.handle(next(found), on_own_list=True)


def measured(what: str) -> int:
    if what == "allocated":
        return tracemalloc.get_traced_memory()[0]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        figures.say(json.dumps(asyncio.run(fill(int(sys.argv[2]), sys.argv[3]))))
        sys.exit(0)
    sys.exit(flow_report.main(__doc__, program))
