"""Kill the engine again and again while clients keep it busy, and see whether it forgets anything.

.venv/bin/python -m tests.soak.engine_kill --kills 100 --seed 1

Clients write down every answer. SIGKILL comes at a random instant, sometimes while the engine still starts. After each
restart the histories of all executions touched since the last one are read through the API; at the end everything runs
out and all of them are. Nothing acknowledged may be missing, every history must be correct, no task delivered twice,
nothing overdue, nothing stuck (spec/swf-semantics 13.12).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import uvloop
from tests.soak.engines import Engine, Reading
from tests.soak.flows import Event
from tests.soak.ledger import Ledger, Run
from tests.soak.load import Load

from elbflow_engine import histories

KILLED_WHILE_STARTING = 0.12
SLACK_S = 2.0
"""A deadline may fire so late: an engine that has just started fires what became due meanwhile."""
RUN_OUT_S = 60.0


class Soak:
    """One run; :meth:`run` raises ``AssertionError`` at the first thing that is wrong."""

    def __init__(
        self,
        data_dir: Path,
        seed: int,
        scale: int,
        *,
        steps: int = 5,
        shortest_load_s: float = 0.2,
        longest_load_s: float = 1.6,
    ) -> None:
        self._data_dir = data_dir
        self._chance = random.Random(seed)
        self._scale = scale
        self._load_s = shortest_load_s, longest_load_s
        self.ledger = Ledger()
        self._load = Load(self.ledger, self._chance, steps)
        self.checked = 0
        self.kills = 0
        self._slowest_start_s = 0.0
        self._unfinished: set[Run] = set()

    async def run(self, kills: int) -> str:
        """Kill ``kills`` times; what was done, in one line."""
        engine = await self._started()
        reading = Reading(engine.url)
        await reading.prepare()
        reading.close()
        loading = asyncio.create_task(self._load.run(self._scale))
        try:
            for number in range(1, kills + 1):
                await self._under_load(engine, loading)
                await self._kill(engine)
                engine = await self._restarted()
                await self._check(engine, self.ledger.fresh() | self._unfinished)
                if number % 10 == 0 or number == kills:
                    say(f"{number} kills: {self._figures()}")
            self._load.running.set()
            await self._run_out(engine, loading)
        except Exception as error:
            error.add_note(engine.story())
            raise
        finally:
            loading.cancel()
            await asyncio.wait({loading})
            await engine.kill()
        return self._figures()

    async def _under_load(self, engine: Engine, loading: asyncio.Task[None]) -> None:
        self._load.url = engine.url
        self._load.running.set()
        await asyncio.wait({loading}, timeout=self._chance.uniform(*self._load_s))
        self._load.running.clear()
        if loading.done():
            loading.result()
        if engine.complaints:
            raise AssertionError(f"the engine complained: {engine.complaints}")

    async def _restarted(self) -> Engine:
        while self._chance.random() < KILLED_WHILE_STARTING:
            starting = await Engine.start(self._data_dir)
            await asyncio.sleep(self._chance.uniform(0.2, 1.0))
            await self._kill(starting)
        return await self._started()

    async def _kill(self, engine: Engine) -> None:
        self.kills += 1
        await engine.kill()

    async def _started(self) -> Engine:
        engine = await Engine.start(self._data_dir)
        self._slowest_start_s = max(self._slowest_start_s, await engine.serving())
        return engine

    async def _check(self, engine: Engine, runs: set[Run]) -> dict[Run, list[Event]]:
        """Read and judge the histories of ``runs``."""
        reading = Reading(engine.url)
        found: dict[Run, list[Event]] = {}
        try:
            for run in sorted(runs):
                asked = time.time()
                found[run] = events = await reading.history(run)
                try:
                    histories.check(events, expired_at=asked - SLACK_S)
                    self.ledger.check(run, events)
                except AssertionError:
                    say(f"{run}:\n{histories.show(events)}")
                    raise
        finally:
            reading.close()
        self.checked += len(found)
        self._unfinished = {run for run, events in found.items() if events[-1]["eventType"] not in histories.CLOSE}
        return found

    async def _run_out(self, engine: Engine, loading: asyncio.Task[None]) -> None:
        """Start nothing more; everything must end by itself. Then look at all of it."""
        self._load.url = engine.url
        self._load.starting = False
        reading = Reading(engine.url)
        ends = time.monotonic() + RUN_OUT_S
        while await reading.open_count() and time.monotonic() < ends and not loading.done():
            await asyncio.sleep(0.2)
        if loading.done():
            loading.result()
        stuck = {run async for run in reading.runs("Open")}
        everything = {run async for run in reading.runs("Closed")} | self.ledger.started | stuck
        reading.close()
        found = await self._check(engine, everything)
        histories.check_together(found)
        if stuck:
            for run in sorted(stuck)[:3]:
                say(f"{run}:\n{histories.show(found[run])}")
            raise AssertionError(f"{len(stuck)} executions got stuck")

    def _figures(self) -> str:
        return (
            f"{self.kills} kills in all, {self._load.calls} calls, "
            f"{self.ledger.acknowledgements()} acknowledgements kept, {len(self.ledger.started)} executions, "
            f"{self.checked} histories checked, slowest start {self._slowest_start_s:.2f} s"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="default: a new one, which is printed")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="of each kind")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    data_dir = Path(tempfile.mkdtemp(prefix="elbflow-soak-"))
    say(f"seed {seed}, journal in {data_dir}")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(Soak(data_dir, seed, arguments.clients).run(arguments.kills))
    except Exception:
        traceback.print_exc()
        say(f"FAILED with seed {seed}; the journal is left in {data_dir}")
        return 1
    shutil.rmtree(data_dir)
    say(f"passed: {arguments.kills} kills, {figures}")
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
