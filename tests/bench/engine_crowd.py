"""Clients in a process of their own: parked polls that can be killed, or cycles that saturate the engine.

python -m tests.bench.engine_crowd URL park 1000 --lists 100
python -m tests.bench.engine_crowd URL cycles 32

Each line on its input is answered with one line of JSON; it ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import uvloop
from tests.bench import engine_flows, engine_peers

ACCOUNTS = ("111122223333", "444455556666")
STOP_S = 10.0


class Crowd:
    """The other side's handle on such a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def report(self) -> dict[str, Any]:
        """What happened so far; blocks for an instant. Raises ``RuntimeError`` when the process died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The crowd's process died")
        report: dict[str, Any] = json.loads(line)
        return report

    def kill(self) -> None:
        """SIGKILL: the kernel closes all its sockets."""
        self._process.kill()


@contextlib.contextmanager
def crowd(
    url: str, what: str, count: int, *, lists: int = 0, accounts: Sequence[str] = ACCOUNTS, per_s: float = math.inf
) -> Iterator[Crowd]:
    """Start a crowd beside the calling process, on the same core; ``per_s`` bounds all its cycles together. Those that
    park connect all at once."""
    command = [sys.executable, "-m", "tests.bench.engine_crowd", url, what, str(count)]
    command += ["--lists", str(lists or count), "--per-second", str(per_s), "--accounts", *accounts]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Crowd(process)
    finally:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)


async def all_parked(peer: engine_peers.Peer, count: int, within_s: float = 60.0) -> None:
    """Wait until the engine itself counts ``count`` parked polls."""
    async with asyncio.timeout(within_s):
        while await asyncio.to_thread(peer.metric, "swfd_parked_polls") < count:
            await asyncio.sleep(0.2)


async def park(url: str, count: int, lists: int, accounts: Sequence[str]) -> None:
    names = [
        (accounts[number % len(accounts)], engine_flows.DOMAIN, f"list-{number // len(accounts) % lists}")
        for number in range(count)
    ]
    parked = engine_flows.Parked(url, names)
    async with parked.sitting(count):
        while await _asked():
            empties = parked.empties
            if parked.failed:
                raise RuntimeError(f"{len(parked.failed)} polls failed: {parked.failed[0]}")
            _answer(
                empties=len(empties),
                shortest_s=min(empties, default=None),
                tasks=sum(len(seat.tasks) for seat in parked.seats),
            )


async def cycles(url: str, width: int, accounts: Sequence[str], per_s: float) -> None:
    loads = [
        engine_flows.Cycles(
            url, width // len(accounts), account=account, name=f"crowd-{os.getpid()}-", per_s=per_s / len(accounts)
        )
        for account in accounts
    ]
    running = [asyncio.create_task(load.run_while(lambda: True)) for load in loads]
    while await _asked():
        _answer(
            cycles=sum(load.done for load in loads), failed=[str(task.exception()) for task in running if task.done()]
        )
    for task in running:
        task.cancel()
    await asyncio.wait(running)


async def _asked() -> bool:
    return bool(await asyncio.to_thread(sys.stdin.readline))


def _answer(**members: object) -> None:
    print(json.dumps(members), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("what", choices=("park", "cycles"))
    parser.add_argument("count", type=int)
    parser.add_argument("--lists", type=int, default=1)
    parser.add_argument("--per-second", type=float, default=math.inf)
    parser.add_argument("--accounts", nargs="+", default=list(ACCOUNTS))
    options = parser.parse_args()
    gc.set_threshold(100_000, 50, 1000)
    if options.what == "park":
        uvloop.run(park(options.url, options.count, options.lists, options.accounts))
    else:
        uvloop.run(cycles(options.url, options.count, options.accounts, options.per_second))


if __name__ == "__main__":
    main()
