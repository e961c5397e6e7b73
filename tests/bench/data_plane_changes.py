"""How long changes of membership and health take through the runtime API, beside one reload of the same change.

python -m tests.bench.data_plane_changes

500 instances join a listener, all become healthy, all become unhealthy, all leave. Ours is what the servo does: look
at the running HAProxy, execute, rewrite the file, compare. A reload is what HAProxy needs to serve the same from a
file, checked before, until it answers with the version; it closes clients' idle connections, ours does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import uvloop
from tests.bench import data_plane_peers as peers
from tests.bench import engine_figures as figures
from tests.bench import polling_report

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, model, place, render, runtime

STEPS = ("join", "become healthy", "become unhealthy", "leave")
MUST_S = 0.1


def program(run: polling_report.Run) -> Sequence[figures.Figure]:
    if shutil.which("haproxy") is None:
        return [figures.Figure("changes", "", "not measured: there is no haproxy here")]
    count, rounds = (20, 1) if run.quick else (500, 9)
    return uvloop.run(_measured(count, rounds))


def models(address: str, count: int) -> dict[str, model.Model]:
    """The model after each step."""

    def served(admin: model.Admin | None) -> model.Model:
        servers = tuple(
            model.Server(f"i-{number:08x}", f"127.0.{1 + number // 200}.{1 + number % 200}", 8000, admin)
            for number in range(count)
            if admin is not None
        )
        return model.Model(address, listeners=(model.Listener(8080, model.Mode.HTTP, servers=servers),))

    maintained, ready = served(model.Admin.MAINT), served(model.Admin.READY)
    return dict(zip(STEPS, (maintained, ready, maintained, served(None)), strict=True))


async def _measured(count: int, rounds: int) -> Sequence[figures.Figure]:
    directory = Path(tempfile.mkdtemp(prefix="elb", dir="/tmp"))
    address = f"{peers.network()}.2"
    time_ = clock.SystemClock()
    limits = place.Limits().fitted()
    where = place.Place(directory / "vm")
    where.prepare()
    instruments = meters.Meters()
    applier = apply.Applier(where, binary="haproxy", limits=limits, time=time_, instruments=instruments)
    wanted = models(address, count)
    taken: dict[str, list[float]] = defaultdict(list)
    reloads: list[float] = []
    try:
        await applier.converge(wanted["leave"], drain_s=0.0)
        master = await applier.master_pid()
        for _ in range(rounds):
            for step in STEPS:
                began = time.monotonic()
                done = await applier.converge(wanted[step], drain_s=0.0)
                taken[step].append(time.monotonic() - began)
                assert not done.restructured
            reloads.append(await _reloaded(where, wanted["join"], limits))
            await asyncio.sleep(0.2)  # a reload that comes too soon after another is lost
            await applier.converge(wanted["leave"], drain_s=0.0)
            assert await applier.master_pid() == master
    finally:
        await applier.stop(soft_s=0.05)
        shutil.rmtree(directory, ignore_errors=True)
    reload_s = figures.median(reloads)
    rows = []
    for step in STEPS:
        median = figures.median(taken[step])
        must = "no reload, ≤ 100 ms" if count == 500 else ""
        seen = f"{figures.ms(median)} in all, {1e6 * median / count:.0f} µs each, no reload"
        rows.append(figures.Figure(f"{count} instances {step}", must, seen, median <= MUST_S if must else None))
    name = f"one reload of {count} instances that join, the check of its file included"
    return [*rows, figures.Figure(name, "", f"{figures.ms(reload_s)}, and clients reconnect")]


async def _reloaded(where: place.Place, wanted: model.Model, limits: place.Limits) -> float:
    """Seconds from a file to a HAProxy that serves it, as somebody would do it by hand."""
    text = render.render(wanted, where, limits)
    version = f"reload-{time.monotonic_ns()}"
    text = text.replace(f"description {render.tag(wanted, where, limits)}", f"description {version}")
    assert version in text
    asking = runtime.Runtime(where.admin_socket)
    began = time.monotonic()
    candidate = where.directory / "by-hand.cfg"
    candidate.write_text(text)
    await asyncio.to_thread(subprocess.run, ["haproxy", "-c", "-q", "-f", str(candidate)], check=True)
    candidate.replace(where.configuration)
    with contextlib.suppress(runtime.Unreachable):  # the master replaces itself while it answers
        await runtime.ask(where.master_socket, "reload", timeout_s=5.0)
    while time.monotonic() < began + 10:
        with contextlib.suppress(runtime.Unreachable):
            if (await asking.info())[0] == version:
                return time.monotonic() - began
        await asyncio.sleep(0.002)
    raise RuntimeError("the reload was lost")


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, program))
