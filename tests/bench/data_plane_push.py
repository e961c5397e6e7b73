"""From the push of a document to the proof that its VM serves it, with 1, 100 and 500 VMs on one host.

python -m tests.bench.data_plane_push                (about 10 minutes, 5 GiB of free memory)
python -m tests.bench.data_plane_push --sizes 1,100

Engine, decider, Redis and agent host run as on one machine; every VM has a real HAProxy. A push is a workflow with one
``setLoadBalancer`` activity: from its start to its result, which the agent gives when HAProxy serves and its listeners
accept. First two pushes at a time, in equal parts membership, health check and listener, which needs a reload; then
every VM gets another instance at the same instant, which is bound by the cores: all parts share them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

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
    rows = asyncio.run(measured(sizes, pushes, settle_s))
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
                together = [each for _ in range(2) for each in await _together(there)]
                rows.append(_figure(f"{host}: push to proof, all at the same instant", together, None))
    return rows


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


async def _together(there: agent_idle.Bench) -> list[float]:
    """One more instance everywhere; afterwards it is taken back."""
    for kind in ("membership", ""):
        found = await asyncio.gather(*(_pushed(there, vm, kind) for vm in there.vms))
        if kind:
            taken = found
    return taken


async def _pushed(there: agent_idle.Bench, vm: str, kind: str) -> float:
    return await there.push(vm, there.wanted(vm, there.next_generation(), kind))


if __name__ == "__main__":
    sys.exit(main())
