"""How long an engine takes to load open executions at its start.

.venv/bin/python -m tests.bench.journal_load --executions 10000

Each has the history of a workflow in the middle of its work, 13 events: decided twice, one activity done, one running
with a heartbeat, a timer set. Prints the seconds of opening the journal and loading the core, best
and worst of the rounds, and the size of the file; the target is 5 s for 10,000 (spec/swf-long-poll-scale 6.10).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import prometheus_client
import uvloop

from elbflow import clock
from elbflow.service import interpreter
from elbflow_engine import core, driver, journal, meters
from elbflow_engine.testing import Bench, MemoryJournal, decision

SAMPLE = {"name": "sample", "version": "1"}
INPUT = "i" * 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    interpreter.tune()
    with tempfile.TemporaryDirectory(prefix="elbflow-load-") as directory:
        path = Path(directory) / journal.FILE_NAME
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(write(path, arguments.executions))
            rounds = sorted(runner.run(load(path, arguments.executions)) for _ in range(arguments.rounds))
        print(f"{arguments.executions} open executions, {path.stat().st_size / 2**20:.0f} MiB")
        print(f"loaded in {rounds[0]:.2f} to {rounds[-1]:.2f} s ({'reached' if rounds[-1] <= 5 else 'missed'}: 5 s)")
    return 0


async def write(path: Path, count: int) -> None:
    """Fill a new journal as an engine would."""
    async with journal.Journal.open(path) as book:
        await book.secret()
        bench = Bench()
        registered, bench.journal = bench.journal, Through(book)
        bench.journal.apply(registered.rows())
        for number in range(count):
            work(bench, f"w{number}")
            if number % 200 == 0:
                await book.commit(())
        await book.commit(())


class Through(MemoryJournal):
    """A journal in memory that also writes to the real one."""

    def __init__(self, book: journal.Journal) -> None:
        super().__init__()
        self._book = book

    def apply(self, changes: Iterable[core.Change]) -> None:
        told = tuple(changes)
        super().apply(told)
        self._book.commit(told)


def work(bench: Bench, name: str) -> None:
    bench.start(name, input=INPUT)
    first = decision("ScheduleActivityTask", activityId="first", activityType=SAMPLE, input=INPUT)
    bench.decide(bench.poll(), first)
    bench.respond(bench.poll("activity", "work"), result=INPUT)
    second = decision("ScheduleActivityTask", activityId="second", activityType=SAMPLE, input=INPUT)
    timer = decision("StartTimer", timerId="t", startToFireTimeout="3600")
    bench.decide(bench.poll(), second, timer)
    running = bench.poll("activity", "work") or {}
    bench.call("RecordActivityTaskHeartbeat", domain=None, taskToken=running["taskToken"], details="half")


async def load(path: Path, expected: int) -> float:
    """Seconds until an engine on ``path`` could listen."""
    meter = meters.Meters(prometheus_client.CollectorRegistry())
    began = time.perf_counter()
    async with journal.Journal.open(path, meter) as book:
        engine = driver.Driver(book, driver.Configuration(core.Limits()), Standing(), meter)
        engine.on_handoff = lambda handoff, since: None
        await engine.start()
        seconds = time.perf_counter() - began
        assert engine.engine.statistics().open_executions == expected
        await engine.close()
    return seconds


class Standing(clock.SystemClock):
    """Time stands still at the bench's instant, so that nothing is overdue."""

    def now(self) -> float:
        return Bench().now


if __name__ == "__main__":
    raise SystemExit(main())
