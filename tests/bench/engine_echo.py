"""Distance to the limit: CPU per call against a bare asyncio HTTP echo of the same sizes on the same core.

python -m tests.bench.engine_echo

Two calls, 16 in flight: DescribeDomain changes nothing; SignalWorkflowExecution is on disk before it is answered. Only
the server's CPU time counts, the writer thread's included. Servers take turns. A sampled profile of each call follows.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import engine_calls, engine_flows, engine_peers
from tests.bench import engine_figures as figures

SHOWN_LINES = 25


@dataclass(frozen=True)
class Sizes:
    rounds: int
    calls: int
    profiled: int


FULL = Sizes(rounds=7, calls=4_000, profiled=40_000)
QUICK = Sizes(rounds=1, calls=300, profiled=300)


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    rows: list[figures.Figure] = []
    names = (engine_calls.READ, engine_calls.DURABLE)
    ours = {name: engine_calls.Costs() for name in names}
    limit = {name: engine_calls.Costs() for name in names}
    async with contextlib.AsyncExitStack() as stack:
        engine = stack.enter_context(engine_peers.engine())
        await engine_flows.prepare(engine.url)
        requests = await engine_calls.requests_of(engine.url)
        sizes_of_answers = {name: await engine_calls.answer_bytes(engine.url, requests[name][0]) for name in names}
        echoes = {name: stack.enter_context(engine_peers.echo(sizes_of_answers[name])) for name in names}
        callers = {name: engine_calls.Callers(engine.url, requests[name]) for name in names}
        echo_callers = {name: engine_calls.Callers(echoes[name].url, requests[name]) for name in names}
        for name in names:
            await callers[name].run(sizes.calls // 4)
            await echo_callers[name].run(sizes.calls // 4)
        for _ in range(sizes.rounds):
            for name in names:
                await callers[name].measure(engine, sizes.calls, ours[name])
                await echo_callers[name].measure(echoes[name], sizes.calls, limit[name])
        for each in (*callers.values(), *echo_callers.values()):
            each.close()
    for name in names:
        rows.append(_figure(name, ours[name], limit[name]))
        if not quick or name == engine_calls.DURABLE:
            await profile(name, sizes.profiled)
    return rows


def _figure(name: str, ours: engine_calls.Costs, limit: engine_calls.Costs) -> figures.Figure:
    cost, loop, bare = figures.median(ours.all), figures.median(ours.loop), figures.median(limit.all)
    kind = "durable" if name == engine_calls.DURABLE else "non-mutating"
    return figures.Figure(
        f"CPU of a {kind} call ({name}) against a bare echo of the same size",
        "",
        f"{cost / bare:.1f} × ({cost:.0f} µs, {loop:.0f} of them in the loop, against {bare:.0f} µs; "
        f"{figures.median(ours.rate):.0f} calls/s)",
    )


async def profile(name: str, calls: int) -> None:
    """Print where the loop's thread spends its time."""
    with tempfile.TemporaryDirectory(prefix="elbflow-bench-") as directory:
        path = Path(directory) / "profile"
        with engine_peers.engine(child=["--profile", str(path)]) as engine:
            await engine_flows.prepare(engine.url)
            callers = engine_calls.Callers(engine.url, (await engine_calls.requests_of(engine.url))[name])
            await callers.run(calls)
            callers.close()
        lines = path.read_text().splitlines()
    figures.say(f"\nprofile of {calls} × {name}: " + "\n".join(lines[:SHOWN_LINES]))


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
