"""What VMs cost that serve nobody: memory and CPU of one agent, and of every further VM of a host.

python -m tests.bench.data_plane_density      (about 6 minutes, 3 GiB of free memory)

One VM is ``elbflow-agent run`` with the packages and the environment of its image, as one process and as worker and
servo; then a host grows from 10 to 300 VMs. Every VM has its document, two instances that it checks every 30 s, a real
HAProxy, and a decider that watches its health and its counters. Memory is proportional (PSS) where processes share
pages, and CPU what the kernel counts for agent and HAProxys.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import agent_idle, data_plane_peers, engine_peers, polling_report
from tests.bench import engine_figures as figures

from elbflow import clock, swf
from elbflow.contract import document, names
from elbflow_agent import ipc, meters

AS_PROCESSES_MIB = 55.8
"""The same VM with an agent process, a Redis and a HAProxy of its own (spec/perf-baselines 7)."""
INSTANCE = "i-0123abcd"
IMAGE_ENVIRONMENT = {
    "PYTHONOPTIMIZE": "2",
    "PYTHONNODEBUGRANGES": "1",
    "SSL_CERT_FILE": "/dev/null",
    "MALLOC_ARENA_MAX": "1",
}
"""What deploy/vm gives the agent."""


@dataclass(frozen=True)
class Sizes:
    first: int
    last: int
    settle_s: float
    idle_s: float


FULL = Sizes(10, 300, 40.0, 60.0)
QUICK = Sizes(1, 2, 0.5, 1.0)


def kib(pids: Iterable[int], what: str) -> float:
    """Sum of a line of the processes' memory, ``Rss`` or ``Pss``."""
    total = 0.0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{what}:"):
                total += float(line.split()[1])
    return total


def program(run: polling_report.Run) -> Sequence[figures.Figure]:
    os.environ.update(agent_idle.IDENTITY)
    return asyncio.run(_measured(QUICK if run.quick else FULL))


async def _measured(sizes: Sizes) -> Sequence[figures.Figure]:
    rows = list(await one_vm(("both",), "Agent of one VM, one process", sizes))
    if sizes is FULL:
        rows += await one_vm(("servo", "worker"), "Agent of one VM, servo and worker", sizes)
    async with agent_idle.bench(observed=False) as there:
        await there.grow(sizes.first)
        await asyncio.sleep(sizes.settle_s)
        before = kib([there.agent.pid], "Pss")
        await there.grow(sizes.last)
        await asyncio.sleep(sizes.settle_s)
        haproxys = [pid for vm in there.vms for pid in _haproxys(there.directory / "vms" / vm)]
        python = (kib([there.agent.pid], "Pss") - before) / (sizes.last - sizes.first)
        each = kib(haproxys, "Pss") / sizes.last
        agent, proxies = await _cpu([there.agent.pid], sizes), await _cpu(haproxys, sizes)
        whole_mib = (python + each) / 1024
        return [
            *rows,
            figures.Figure("Host: Python for each further VM", "≤ 100 KiB", f"{python:.0f} KiB", python <= 100),
            figures.Figure(
                "Host: each further VM with its HAProxy",
                "≤ 8 MiB",
                f"{whole_mib:.2f} MiB, {AS_PROCESSES_MIB / whole_mib:.0f} × less than as processes",
                whole_mib <= 8,
            ),
            figures.Figure(
                f"Host: {sizes.last} VMs idle",
                "≤ 10 % of a core",
                f"{100 * agent:.1f} % the agent, {100 * proxies:.1f} % the HAProxys",
                agent + proxies <= 0.1,
            ),
        ]


async def _cpu(pids: Sequence[int], sizes: Sizes) -> float:
    """Cores that the processes use while nothing happens."""
    before, began = data_plane_peers.cpu_s(pids), time.monotonic()
    await asyncio.sleep(sizes.idle_s)
    return (data_plane_peers.cpu_s(pids) - before) / (time.monotonic() - began)


def _haproxys(place: Path) -> list[int]:
    return data_plane_peers.family(int((place / "haproxy.pid").read_text()))


async def one_vm(roles: Sequence[str], name: str, sizes: Sizes) -> Sequence[figures.Figure]:
    """What the agent of a VM of its own costs; HAProxy and Redis not counted."""
    directory = Path(tempfile.mkdtemp(prefix="elb", dir="/tmp"))
    address = f"{data_plane_peers.network()}.2"
    try:
        with engine_peers.engine("--auth", "off", memory=True) as engine, contextlib.ExitStack() as stack:
            await _domain(engine.url)
            redis = ("redis-server", "--port", "0", "--unixsocket", str(directory / "redis.sock"), "--save", "")
            stack.enter_context(_running([*redis, "--dir", str(directory)], directory / "redis.log"))
            command = [sys.executable, "-m", "tests.bench.data_plane_bare", "run", "--run-dir", str(directory)]
            command += ["--redis-socket", str(directory / "redis.sock"), "--swf-endpoint", engine.url]
            command += ["--instance-id", INSTANCE, "--address", address, "--admin-port", "0"]
            environment = {**os.environ, **IMAGE_ENVIRONMENT}
            # The image has everything compiled.
            subprocess.run([*command, "--help"], env=environment, check=True, stdout=subprocess.DEVNULL)
            agents = [
                stack.enter_context(_running([*command, "--role", role], directory / f"{role}.log", environment))
                for role in roles
            ]
            async with _stopping(directory):
                await _apply(directory, address)
                await asyncio.sleep(sizes.settle_s)
                pids = [agent.pid for agent in agents]
                rss, pss = kib(pids, "Rss") / 1024, kib(pids, "Pss") / 1024
                cores = await _cpu(pids, sizes)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    alone = len(roles) == 1
    return [
        figures.Figure(
            f"{name}: memory",
            "≤ 60 MB RSS" if alone else "",
            f"{rss * 1.048576:.0f} MB RSS, {pss * 1.048576:.0f} MB PSS",
            rss * 1.048576 <= 60 if alone else None,
        ),
        figures.Figure(f"{name}: CPU, idle", "≤ 1 % of a core", f"{100 * cores:.2f} %", cores <= 0.01),
    ]


@contextlib.contextmanager
def _running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.asynccontextmanager
async def _stopping(directory: Path) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await agent_idle.running.stop_data_plane(directory, "haproxy", soft_s=0.05)


async def _domain(url: str) -> None:
    async with swf.Client.open(swf.ClientSettings(endpoint_url=url, poll_connections=1)) as client:
        await client.register_domain(names.DOMAIN, retention_days=1)


async def _apply(directory: Path, address: str) -> None:
    http = document.Protocol.HTTP
    wanted = document.LoadBalancerDocument(
        document.LoadBalancerKey(agent_idle.ACCOUNT, "one"),
        1,
        "local-1a",
        (document.Listener(http, agent_idle.PORT, http, 8000),),
        (document.BackendInstance("i-1", address),),
        document.HealthCheck("TCP:8000", 30, 5, 2, 2),
    )
    connect = ipc.unix_socket(directory / "redis.sock")
    async with ipc.Client(connect, time=clock.SystemClock(), instruments=meters.Meters()) as client:
        for attempt in range(10):
            try:
                await client.call(INSTANCE, ipc.APPLY, wanted, within_s=10)
            except (ipc.NoServo, ipc.NoAnswer):
                if attempt == 9:
                    raise
            else:
                return


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, program))
