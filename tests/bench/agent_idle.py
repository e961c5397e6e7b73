"""What the agent host costs: CPU per idle VM and its causes, and how long a push takes inside it, step by step.

.venv/bin/python -m tests.bench.agent_idle                       10 and 300 VMs: about 7 minutes, 3 GiB of free memory
.venv/bin/python -m tests.bench.agent_idle --sizes 300 --causes  also names the functions that spend the time

One engine, one Redis, one agent host with real HAProxys, and two back ends checked by every VM; a decider in this
process watches every VM's health and counters as the control plane does. Idle first, unobserved; then sampled; then
with pushes at a fixed rate, of equal parts membership, health check and listener, each to two VMs at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from tests.bench import engine_figures as figures
from tests.bench import engine_peers
from tests.scale import backends

from elbflow import flow, polling, swf
from elbflow.contract import document, names, vm_activities
from elbflow.service import interpreter
from elbflow_agent import running

ACCOUNT = "000000000001"
TOKEN = "bench"  # of a host that lives for minutes
PORT, NEW_PORT = 8080, 9090
INTERVAL_S = 30
SETTLE_S = 40.0
PAIR = 2
EVENTS = 1500
IDENTITY = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Push:
    vm: str
    document: document.LoadBalancerDocument


PUSH = flow.WorkflowSignature(
    "push", "1.0", Push, document.Applied, execution_timeout=_MINUTE * 5, decision_timeout=_MINUTE
)
WATCH = flow.WorkflowSignature("watch", "1.0", str, type(None), execution_timeout=_DAY, decision_timeout=_MINUTE)
MEASURE = flow.WorkflowSignature("measure", "1.0", str, type(None), execution_timeout=_DAY, decision_timeout=_MINUTE)


_waiting: dict[tuple[str, int], asyncio.Future[document.Applied]] = {}


def _tell_waiting(key: tuple[str, int], applied: document.Applied) -> None:
    """The decider is this process, so nobody need ask the engine again and again whether the workflow has ended."""
    future = _waiting.pop(key, None)
    if future is not None:
        future.get_loop().call_soon_threadsafe(future.set_result, applied)


@flow.workflow(PUSH)
class PushDocument:
    async def run(self, request: Push) -> document.Applied:
        applied = await vm_activities.set_load_balancer.using(task_list=request.vm)(request.document)
        _tell_waiting((request.vm, request.document.generation), applied)
        return applied


@flow.workflow(WATCH)
class WatchHealth:
    async def run(self, vm: str) -> None:
        digest = ""
        while flow.info().history_length < EVENTS:
            digest = (await vm_activities.get_instance_status.using(task_list=vm)(digest)).digest
        raise flow.continue_as_new(vm)


@flow.workflow(MEASURE)
class MeasureTraffic:
    async def run(self, vm: str) -> None:
        sequence = 0
        while flow.info().history_length < EVENTS:
            sequence = (await vm_activities.get_cloudwatch_metrics.using(task_list=vm)(60.0, sequence)).sequence
        raise flow.continue_as_new(vm)


@dataclass
class Bench:
    """Everything that runs."""

    directory: Path
    admin: str
    agent: subprocess.Popen[bytes]
    workflows: flow.Client
    instances: Sequence[str]

    def __post_init__(self) -> None:
        self.vms: list[str] = []
        self._generation = 1

    async def grow(self, count: int) -> None:
        """Launch VMs until there are ``count``, give each its document and its two watchers."""
        new = [f"i-{number:08x}" for number in range(len(self.vms), count)]
        self.vms += new
        queue = iter(new)

        async def work(http: aiohttp.ClientSession) -> None:
            for vm in queue:
                body = {"zone": "local-1a", "account": ACCOUNT, "load_balancer": f"lb-{vm}"}
                async with http.put(f"{self.admin}/vms/{vm}", json=body) as answer:
                    answer.raise_for_status()
                await self.push(vm, self.wanted(vm, 1))
                for signature in (WATCH, MEASURE):
                    await self.workflows.start(signature, f"{signature.name}-{vm}", vm)

        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(4):
                group.create_task(work(http))

    def wanted(self, vm: str, generation: int, kind: str = "") -> document.LoadBalancerDocument:
        ports = [PORT, NEW_PORT] if kind == "listener" else [PORT]
        there = self.instances if kind == "membership" else self.instances[:2]
        interval_s = INTERVAL_S + 1 if kind == "health check" else INTERVAL_S
        http = document.Protocol.HTTP
        return document.LoadBalancerDocument(
            document.LoadBalancerKey(ACCOUNT, f"lb-{vm}"),
            generation,
            "local-1a",
            tuple(document.Listener(http, port, http, backends.PORT) for port in ports),
            tuple(document.BackendInstance(one, one) for one in there),
            document.HealthCheck(f"HTTP:{backends.PORT}/", interval_s, 2, 2, 2),
        )

    def next_generation(self) -> int:
        """Of the next document of any VM."""
        self._generation += 1
        return self._generation

    async def push(self, vm: str, wanted: document.LoadBalancerDocument) -> float:
        began = time.monotonic()
        workflow_id = f"push-{vm}-{wanted.generation}"
        landed = asyncio.get_running_loop().create_future()
        _waiting[vm, wanted.generation] = landed
        await self.workflows.start(PUSH, workflow_id, Push(vm, wanted))
        async with asyncio.timeout(60):
            applied: document.Applied = await landed
        assert applied.generation == wanted.generation
        assert not applied.problems, applied
        return time.monotonic() - began

    async def pushes(self, count: int, rate: float) -> None:
        """``count`` changes of pairs of VMs, ``rate`` a second; every other one takes the one before back."""
        loop, began, kinds = asyncio.get_running_loop(), time.monotonic(), ("membership", "health check", "listener")
        pairs = [self.vms[at : at + PAIR] for at in range(0, len(self.vms) - 1, PAIR)]
        chosen = max(1, min(len(pairs), count // 6))
        picked = [pairs[number * len(pairs) // chosen] for number in range(chosen)]
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                turn, place = divmod(number, chosen)
                kind = kinds[(place + turn // 2) % len(kinds)] if turn % 2 == 0 else ""
                generation = self.next_generation()
                for vm in picked[place]:
                    group.create_task(self.push(vm, self.wanted(vm, generation, kind)))
                await asyncio.sleep(max(0.0, began + (number + 1) / rate - time.monotonic()))
        assert loop.is_running()

    def cpu_s(self) -> float:
        """User and system time of the host's process, with its threads."""
        fields = Path(f"/proc/{self.agent.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    @contextlib.asynccontextmanager
    async def observed(self) -> AsyncIterator[dict[str, Any]]:
        """The child's report on the block."""
        report, seen = self.directory / "report.json", dict[str, Any]()
        report.unlink(missing_ok=True)
        self.agent.send_signal(signal.SIGUSR1)
        yield seen
        self.agent.send_signal(signal.SIGUSR2)
        while not report.exists():
            await asyncio.sleep(0.05)
        seen.update(orjson.loads(report.read_bytes()))


@contextlib.asynccontextmanager
async def bench(*, observed: bool = True) -> AsyncIterator[Bench]:
    """Start everything; nothing is left running. What observes the agent's inside takes some of its memory."""
    directory = Path(tempfile.mkdtemp(prefix="elb", dir="/tmp"))
    network = f"127.{random.randrange(100, 250)}.0.0/16"
    os.environ.update(IDENTITY)
    interpreter.tune()  # as the decider's own process does
    (directory / "token").touch(0o600)
    (directory / "token").write_text(TOKEN)
    try:
        with engine_peers.engine("--auth", "off", memory=True) as engine, _redis(directory):
            async with contextlib.AsyncExitStack() as stack:
                instances = await stack.enter_async_context(backends.serving(network, 3))
                workflows = await stack.enter_async_context(_decider(engine.url))
                agent, admin = stack.enter_context(_agent(directory, engine.url, network, observed))
                stack.push_async_callback(running.stop_data_plane, directory / "vms", "haproxy", soft_s=0.05)
                try:
                    yield Bench(directory, admin, agent, workflows, instances)
                finally:
                    agent.terminate()
                    await asyncio.to_thread(agent.wait, 60)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.asynccontextmanager
async def _decider(url: str) -> AsyncIterator[flow.Client]:
    settings = swf.ClientSettings(endpoint_url=url, poll_connections=8)
    async with swf.Client.open(settings) as client:
        await client.register_domain(names.DOMAIN, retention_days=1)
        async with (
            polling.Scheduler(client, profile=polling.EndpointProfile.local(), identity="bench") as scheduler,
            flow.DecisionWorker(
                client,
                scheduler,
                domain=names.DOMAIN,
                task_list=names.TASK_LIST,
                workflows=[PushDocument, WatchHealth, MeasureTraffic],
                slots=16,
                identity="bench",
            ),
        ):
            yield flow.Client(client, names.DOMAIN, names.TASK_LIST)


@contextlib.contextmanager
def _redis(directory: Path) -> Iterator[None]:
    options = ("--port", "0", "--unixsocket", str(directory / "redis.sock"), "--save", "", "--dir", str(directory))
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def _agent(directory: Path, url: str, network: str, observed: bool) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    program = ("tests.bench.agent_child", str(directory / "report.json")) if observed else ("elbflow_agent",)
    command = [sys.executable, "-m", *program, "host", "--run-dir", str(directory / "vms")]
    command += ["--redis-socket", str(directory / "redis.sock")]
    command += ["--swf-endpoint", url, "--network", network, "--token-file", str(directory / "token")]
    command += ["--admin-port", "0", "--admin-host", "127.0.0.1"]
    log = directory / "agent.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process, _admin_url(process, log)
        finally:
            process.kill()


def _admin_url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if '"admin_serving"' in line:
                return str(orjson.loads(line)["url"])
        time.sleep(0.05)
    raise RuntimeError(log.read_text()[-2000:])


async def measure(there: Bench, options: argparse.Namespace, size: int) -> Mapping[str, Sequence[float]]:
    """One size; the durations of the steps of its pushes."""
    await there.grow(size)
    await asyncio.sleep(options.settle)
    before, began = there.cpu_s(), time.monotonic()
    await asyncio.sleep(options.idle)
    cores = (there.cpu_s() - before) / (time.monotonic() - began)
    figures.say(f"\n{size} VMs, idle: {100 * cores:.1f} % of a core, {1e6 * cores / size:.0f} µs per VM and second")
    async with there.observed() as idle:
        await asyncio.sleep(options.idle)
    _tell(idle, options.causes)
    before, began = there.cpu_s(), time.monotonic()
    async with there.observed() as busy:
        await there.pushes(options.pushes, options.rate)
    busy_s, spent = time.monotonic() - began, there.cpu_s() - before
    each = (spent - cores * busy_s) / max(1, len(busy["pushes"]))
    figures.say(f"{size} VMs, {len(busy['pushes'])} pushes: {1e3 * each:.1f} ms of CPU each beyond idle")
    _tell(busy, options.causes)
    steps = list(dict.fromkeys(step for push in busy["pushes"] for step in push))
    found = {step: [push[step] for push in busy["pushes"] if step in push] for step in steps}
    for step, values in sorted(found.items(), key=lambda item: -figures.median(item[1])):
        p50, p99 = figures.median(values), figures.quantile(values, 0.99)
        figures.say(f"  {step:<28} {len(values):>5} ×  p50 {figures.ms(p50):>9}  p99 {figures.ms(p99):>9}")
    return found


def _tell(seen: Mapping[str, Any], causes: bool) -> None:
    late, collections = seen["late_s"], seen["collections_s"]
    shares = ", ".join(f"{name} {figures.ms(figures.quantile(late, share))}" for name, share in _SHARES)
    over = ", ".join(f"{sum(each > bound for each in late)} over {1e3 * bound:.0f} ms" for bound in (0.005, 0.02, 0.05))
    figures.say(f"  loop lag of {len(late)} ticks: {shares}, longest {figures.ms(max(late, default=0.0))}; {over}")
    longest = figures.ms(max(collections, default=0.0))
    figures.say(f"  {len(collections)} collections, {figures.ms(sum(collections))}, longest {longest}")
    if causes:
        for title in ("own", "within"):
            figures.say(f"  {title}, of {seen['samples']} samples")
            for line in _lines(seen[title], seen["samples"]):
                figures.say(f"    {line}")


_SHARES = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))


def _lines(counts: Iterable[tuple[str, int]], total: int) -> Iterator[str]:
    return (f"{100 * count / max(1, total):5.1f} %  {name}" for name, count in counts)


async def run(options: argparse.Namespace) -> None:
    """Measure at every size."""
    whole: dict[int, Sequence[float]] = {}
    async with bench() as there:
        for size in options.sizes:
            whole[size] = (await measure(there, options, size))["received to answered at SWF"]
    first, last = options.sizes[0], options.sizes[-1]
    for name, share in _SHARES[:2]:
        small, large = figures.quantile(whole[first], share), figures.quantile(whole[last], share)
        ratio = f"{figures.ms(small)} at {first} VMs, {figures.ms(large)} at {last}: {large / small:.2f} ×"
        figures.say(f"push to proof inside the host, {name}: {ratio}")
    figures.say(figures.machine())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(part) for part in text.split(",")], default=[10, 300])
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--settle", type=float, default=SETTLE_S, metavar="SECONDS")
    parser.add_argument("--pushes", type=int, default=120, metavar="N", help="changes at every size, each of two VMs")
    parser.add_argument("--rate", type=float, default=2.0, metavar="N", help="changes a second")
    parser.add_argument("--causes", action="store_true", help="print the functions that spend the time")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
