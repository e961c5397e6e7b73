"""One poller in a process of its own, driven over its input: a line of JSON in, a line of JSON out.

python -m tests.bench.polling_crowd ours '{"url": "http://127.0.0.1:1234", "lists": ["a", "b"]}'

It says ``{"ready": true}`` when the client is made and has made one short call, and polls from ``start`` on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
import uvloop
from tests.bench.polling_pollers import Plan, Poller, Record, opened

TICK_S = 0.002
STOP_S = 10.0
PROBE_DEADLINE_S = 5.0
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


class Crowd:
    """The other side's handle on such a process. All methods block."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def ask(self, do: str, **members: object) -> dict[str, Any]:
        """Have it done; raises ``RuntimeError`` when the process died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do} | members) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The poller died while asked to {do}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def start(self) -> None:
        """Begin to poll."""
        self.ask("start")

    def report(self) -> dict[str, Any]:
        """Latencies, empties and faults since the last report, stalls of the loop, and the poller's state."""
        return self.ask("report")

    def watch(self) -> None:
        """Measure stalls of the loop from now until the next report."""
        self.ask("watch")

    def probe(self, count: int, within_s: float = 30.0) -> list[float]:
        """Seconds that up to ``count`` short calls took, one after the other; none begins after ``within_s``, or after
        one that took too long, which counts as infinite."""
        return [float(seconds) for seconds in self.ask("probe", count=count, within_s=within_s)["seconds"]]

    def cpu_s(self) -> float:
        """User and system time of all threads so far."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def rss_kib(self) -> float:
        """Resident memory, from the page tables, which is exact."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return float(line.split()[1])
        raise RuntimeError("smaps_rollup has no Rss")


@contextlib.contextmanager
def crowd(poller: str, plan: Plan, cores: Collection[int] = ()) -> Iterator[Crowd]:
    """Start ``poller``; on ``cores`` if they are given. Killed with the block: nothing is drained."""
    command = [sys.executable, "-m", "tests.bench.polling_crowd", poller, json.dumps(asdict(plan))]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | CREDENTIALS)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if cores:
            os.sched_setaffinity(process.pid, cores)
        if not process.stdout.readline():
            raise RuntimeError(f"The poller {poller} did not start")
        yield Crowd(process)
    finally:
        process.kill()
        process.wait(STOP_S)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


class Stalls:
    """A ticking task: by how much the latest of its ticks was late, and the most CPU time that the loop used between
    two of them, which other processes cannot add to."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self.longest_s = 0.0
        self.busiest_s = 0.0

    def watch(self) -> None:
        self.longest_s = self.busiest_s = 0.0
        self._task = asyncio.create_task(self._tick())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _tick(self) -> None:
        while True:
            begun, used = time.monotonic(), time.thread_time()
            await asyncio.sleep(TICK_S)
            self.longest_s = max(self.longest_s, time.monotonic() - begun - TICK_S)
            self.busiest_s = max(self.busiest_s, time.thread_time() - used)


class Commands:
    """Carries out what comes in."""

    def __init__(self, poller: Poller, record: Record) -> None:
        self._poller = poller
        self._record = record
        self._stalls = Stalls()

    async def carry_out(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["do"]:
            case "start":
                await self._poller.start()
            case "watch":
                self._stalls.watch()
            case "probe":
                return {"seconds": await self._probes(command["count"], command["within_s"])}
            case "report":
                return self._report()
        return {}

    def _report(self) -> dict[str, Any]:
        self._stalls.stop()
        record = self._record
        latencies, record.latencies = record.latencies, []
        empties, record.empties = record.empties, 0
        faults, record.faults = record.faults, []
        report = {"latencies": latencies, "empties": empties, "stall_s": self._stalls.longest_s}
        return report | {
            "busy_s": self._stalls.busiest_s,
            "faults": len(faults),
            "fault": faults[-1:],
            **self._poller.state(),
        }

    async def _probes(self, count: int, within_s: float) -> list[float]:
        seconds: list[float] = []
        deadline = time.monotonic() + within_s
        while len(seconds) < count and math.inf not in seconds and (begun := time.monotonic()) < deadline:
            try:
                async with asyncio.timeout(PROBE_DEADLINE_S):
                    await self._poller.probe()
                seconds.append(time.monotonic() - begun)
            except TimeoutError:
                seconds.append(math.inf)
        return seconds


async def main(name: str, plan: Plan) -> None:
    record = Record()
    async with opened(name, plan, record) as poller:
        await poller.probe()
        commands = Commands(poller, record)
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await commands.carry_out(json.loads(line))), flush=True)


if __name__ == "__main__":
    # The output is for answers.
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    members = json.loads(sys.argv[2])
    uvloop.run(main(sys.argv[1], Plan(**members | {"lists": tuple(members["lists"])})))
