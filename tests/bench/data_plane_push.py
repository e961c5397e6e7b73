"""From the push of a document to the proof that its VM serves it, with 1, 100 and 500 VMs on one host.

python -m tests.bench.data_plane_push                (about 10 minutes, 5 GiB of free memory)
python -m tests.bench.data_plane_push --sizes 1,100

Engine, decider, Redis and agent host run as on one machine; every VM has a real HAProxy. A push is a workflow with one
``setLoadBalancer`` activity: from its start to its result, which the agent gives when HAProxy serves and its listeners
accept. First two pushes at a time, in equal parts membership, health check and listener, which needs a reload; then
every VM gets another instance at the same instant, which is bound by the cores: all parts share them, and what each
part takes is shown. Last, half of the VMs get another listener at that instant, half another instance. No limit is set
for that: a reload and its check take some 40 ms of CPU time, 250 of them 10 s, so two cores cannot do it in less than
5 s. What counts is that the others do not wait for them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path

import uvloop
from tests.bench import agent_idle
from tests.bench import engine_figures as figures

MUST_S = {1: 0.3, 100: 1.0, 500: 3.0}
KINDS = ("membership", "health check", "listener")
AT_ONCE = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs, not how fast")
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[*MUST_S])
    options = parser.parse_args()
    sizes, pushes, settle_s = ([2], 3, 0.2) if options.quick else (options.sizes, 300, 20.0)
    rows = uvloop.run(measured(sizes, pushes, settle_s))
    figures.say(f"\n{figures.machine()}\n")
    figures.say(figures.table(map(str, rows)))
    return 0


async def measured(sizes: Sequence[int], pushes: int, settle_s: float) -> Sequence[figures.Figure]:
    rows = []
    async with agent_idle.bench() as there:
        for size in sizes:
            await there.grow(size)
            await asyncio.sleep(settle_s)
            host = f"{size} VM{'s' if size > 1 else ''} on one host"
            steady = await _steady(there, pushes)
            rows.append(_figure(f"{host}: push to proof, {AT_ONCE} at a time", steady, MUST_S.get(size)))
            if size > 1:
                rows += await _bursts(there, host, MUST_S.get(size), settle_s / 2)
    return rows


async def _bursts(there: agent_idle.Bench, host: str, must: float | None, settle_s: float) -> list[figures.Figure]:
    taken: list[float] = []
    spent: Counter[str] = Counter()
    for _ in range(2):
        before = _cpu_s(there)
        taken += await _together(there, "membership")
        spent += Counter(_cpu_s(there)) - Counter(before)
        await _taken_back(there, settle_s)
    costs = ", ".join(f"{name} {figures.ms(each / len(taken))}" for name, each in spent.items())
    figures.say(f"{host}: CPU time until the result of a push, when all come at one instant: {costs}")
    mixed = await _together(there, "listener", "membership")
    await _taken_back(there, settle_s)
    return [
        _figure(f"{host}: push to proof, all at the same instant", taken, must),
        _figure(f"{host}: another listener for half of them at the same instant", mixed[::2], None),
        _figure(f"{host}: another instance for the other half", mixed[1::2], None),
    ]


def _figure(name: str, taken: Sequence[float], must: float | None) -> figures.Figure:
    p99 = figures.quantile(taken, 0.99)
    seen = f"p50 {figures.ms(figures.median(taken))}, p99 {figures.ms(p99)}, {len(taken)} pushes"
    return figures.Figure(name, f"p99 ≤ {must:g} s" if must else "", seen, p99 <= must if must else None)


async def _steady(there: agent_idle.Bench, pushes: int) -> list[float]:
    """Changes of a few VMs after each other; every other one takes the one before back."""
    taken: list[float] = []
    numbers = iter(range(pushes))
    chosen = there.vms[:: max(1, len(there.vms) // 20)]

    async def work(place: int) -> None:
        mine = chosen[place::AT_ONCE]
        for number in numbers:
            if not mine:
                return
            vm = mine[number // (2 * AT_ONCE) % len(mine)]
            turn = turns[vm] = turns.get(vm, -1) + 1
            taken.append(await _pushed(there, vm, KINDS[turn // 2 % 3] if turn % 2 == 0 else ""))

    turns: dict[str, int] = {}
    async with asyncio.TaskGroup() as group:
        for place in range(AT_ONCE):
            group.create_task(work(place))
    return taken


async def _together(there: agent_idle.Bench, *kinds: str) -> list[float]:
    """A change everywhere at one instant, of the kinds in turn."""
    turns = [kinds[number % len(kinds)] for number in range(len(there.vms))]
    return await asyncio.gather(*map(_pushed, repeat(there), there.vms, turns))


async def _taken_back(there: agent_idle.Bench, settle_s: float) -> None:
    """The next one meets what an operator would: VMs whose reports and first probes are behind them."""
    await asyncio.sleep(settle_s)
    await _together(there, "")
    await asyncio.sleep(settle_s)


async def _pushed(there: agent_idle.Bench, vm: str, kind: str) -> float:
    return await there.push(vm, there.wanted(vm, there.next_generation(), kind))


def _cpu_s(there: agent_idle.Bench) -> Mapping[str, float]:
    """CPU time so far of each part; that of programs which have ended, as ``haproxy -c``, is missing."""
    spent = dict.fromkeys(("agent", "decider and load", "engine", "Redis", "HAProxy"), 0.0)
    spent["agent"] = _process_s(there.agent.pid)
    spent["decider and load"] = _process_s(os.getpid())
    for pid in _children(os.getpid()):
        program = Path(f"/proc/{pid}/comm").read_text().strip()
        name = {"redis-server": "Redis", "elbflow-engine": "engine"}.get(program)
        if name is not None:
            spent[name] += _process_s(pid)
    for file in there.directory.glob("vms/*/haproxy.pid"):
        master = int(file.read_text().split()[0])
        spent["HAProxy"] += _process_s(master) + sum(map(_process_s, _children(master)))
    return spent


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _process_s(pid: int) -> float:
    """Of all its threads, in nanosecond resolution."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end while we look
            total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


if __name__ == "__main__":
    sys.exit(main())
