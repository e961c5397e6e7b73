"""Connections that break in every way there is: when the client notices, what is lost, when tasks flow again (B12).

python -m tests.bench.polling_disconnects

A scheduler parks polls at the real engine. Then its process is killed; its connections are reset; a proxy closes them,
freezes or forgets them; packets of the engine vanish (a network namespace whose route back is a black hole; needs root
and ``ip``); the engine is killed and started again. While a fault lasts, decision tasks are started; each must be
decided in the end, by its timeout if its answer went to a dead connection (spec/swf-long-poll-scale 7, Q12 and Q13).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from tests.bench import engine_figures as figures
from tests.bench import engine_peers
from tests.integration.swf.relay import Relay, relaying

from elbflow import polling, swf

DOMAIN = "disconnects"
WORKFLOW = swf.TypeId("decide", "1")
DECISION_TIMEOUT_S = 3
TASKS = 10
KILLED_POLLS = 300
PARKED = 40
LOOK_EVERY_S = 0.01
FORGET_AFTER_S = 5.0
DEADLINE_S = 100.0
RECOVERY_S = 30.0
NAMESPACE = f"elbflow-{os.getpid()}"
OUR_ADDRESS, THEIR_ADDRESS = "10.214.77.1", "10.214.77.2"

Act = Callable[[], Awaitable[None]]


@dataclass
class Party:
    """A client with ``PARKED`` lanes, and what it decided: workflow ids by the time."""

    client: swf.Client
    registry: CollectorRegistry
    decided: dict[str, float] = field(default_factory=dict)

    async def decide(self, task: swf.DecisionTask) -> None:
        done = swf.Decision("CompleteWorkflowExecution", {"result": "done"})
        try:
            await self.client.respond_decision_task_completed(task.token, [done])
        except swf.UnknownResource:  # it timed out on the way: somebody gets it again
            return
        self.decided[task.execution.workflow_id] = time.monotonic()

    def count(self, *outcomes: str) -> float:
        """Polls that ended so."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "swf_poll_results_total" and sample.labels["outcome"] in outcomes
        )


@dataclass(frozen=True)
class Seen:
    """Seconds until all broken polls were noticed, and from the end of the fault to the next decision."""

    noticed: float
    following: float
    lost: int
    recovered: int


async def run(quick: bool) -> Sequence[figures.Figure]:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "111122223333")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "secret")
    rows = await _killed_client(30 if quick else KILLED_POLLS)
    rows += await _through_relay("connections reset", 1.0, _resetting)
    rows += await _killed_engine()
    if not quick:
        # These wait for timeouts, so they may wait together; each has an engine of its own.
        waiting = await asyncio.gather(
            _through_relay("connections closed by a proxy", 1.0, _closing),
            _through_relay("proxy frozen, its kernel alive", 75.0, _freezing),
            _through_relay(f"proxy forgets connections idle for {FORGET_AFTER_S:.0f} s", 75.0, _forgetting),
            _black_hole(),
        )
        rows += [figure for found in waiting for figure in found]
    return rows


async def _killed_client(polls: int) -> list[figures.Figure]:
    with engine_peers.engine(memory=True) as peer:
        await _prepare(peer.url)
        command = [sys.executable, "-m", "tests.bench.polling_disconnects_child", peer.url, str(polls)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            await _until(lambda: peer.metric("swfd_parked_polls") >= polls, 30)
            async with _starter(peer.url) as starter:
                began = time.monotonic()
                child.send_signal(signal.SIGKILL)
                starting = asyncio.ensure_future(_start(starter, "during", TASKS))
                await _until(lambda: peer.metric("swfd_parked_polls") == 0, 10)
                gone = time.monotonic() - began
                await starting
                async with _party(peer.url) as party:
                    seen = await _aftermath(party, starter, gone)
        finally:
            child.kill()
            child.wait()
    name = f"client with {polls} polls killed"
    return [
        figures.Figure(f"{name}: the engine noticed", "≤ 200 ms", figures.ms(gone), gone <= 0.2),
        *_rows(name, seen),
    ]


async def _through_relay(name: str, must_s: float, acts: Callable[[Relay], tuple[Act, Act]]) -> list[figures.Figure]:
    with engine_peers.engine(memory=True) as peer:
        await _prepare(peer.url)
        async with relaying(peer.url) as relay:
            seen = await _fault(relay.url, peer.url, *acts(relay))
    return _judged(name, seen, must_s)


def _resetting(relay: Relay) -> tuple[Act, Act]:
    return _async(relay.reset), _nothing


def _closing(relay: Relay) -> tuple[Act, Act]:
    return _async(relay.close_lines), _nothing


def _freezing(relay: Relay) -> tuple[Act, Act]:
    """The relay's kernel still acknowledges, so only the read timeout can tell."""
    return _async(relay.freeze), _async(relay.thaw)


def _forgetting(relay: Relay) -> tuple[Act, Act]:
    relay.forget_after_s = FORGET_AFTER_S
    return _nothing, _async(relay.remember)


async def _black_hole() -> list[figures.Figure]:
    name = "half-open: the engine's packets vanish"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return [figures.Figure(name, "≤ 50 s", "not run: needs root and ip")]
    with _namespace(), _engine_inside() as url:
        await _prepare(url)
        hole = f"ip -n {NAMESPACE} route {{}} blackhole {OUR_ADDRESS}/32"
        seen = await _fault(url, None, lambda: _shell(hole.format("add")), lambda: _shell(hole.format("del")))
    return _judged(name, seen, 50.0)


async def _killed_engine() -> list[figures.Figure]:
    directory = Path(tempfile.mkdtemp(prefix="elbflow-bench-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        url, process = stack.enter_context(_engine(directory, "127.0.0.1", "0"))
        await _prepare(url)

        async def kill() -> None:
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)

        async def start() -> None:
            port = str(urlsplit(url).port)
            await asyncio.to_thread(stack.enter_context, _engine(directory, "127.0.0.1", port))

        seen = await _fault(url, None, kill, start)
    return _judged("engine killed and started again", seen, 1.0)


async def _fault(url: str, direct: str | None, break_: Act, heal: Act) -> Seen:
    """Park polls through ``url``, break their connections, start tasks through ``direct`` if that still works."""
    async with _party(url) as party, _starter(direct or url) as starter:
        before = party.count("ambiguous", "stale")
        began = time.monotonic()
        if direct is None:
            await _start(starter, "during", TASKS)
            await break_()
        else:
            await break_()
            await _start(starter, "during", TASKS)
        # Those that got a task before, or just then, end otherwise.
        await _until(lambda: party.count("ambiguous", "stale") - before >= PARKED - 2 * TASKS, DEADLINE_S)
        noticed = time.monotonic() - began
        await heal()
        return await _aftermath(party, starter, noticed)


async def _aftermath(party: Party, starter: swf.Client, noticed: float) -> Seen:
    healed = time.monotonic()
    await _start(starter, "next", 1)
    await _until(lambda: "next-0" in party.decided, RECOVERY_S)
    following = party.decided["next-0"] - healed
    with contextlib.suppress(TimeoutError):
        await _until(lambda: len(party.decided) > TASKS, RECOVERY_S)
    closed = await starter.list_closed_workflow_executions(DOMAIN)
    mine = [row for row in closed if row.execution.workflow_id in party.decided]
    histories = [await starter.get_workflow_execution_history(DOMAIN, row.execution) for row in mine]
    recovered = sum(any(event.type == "DecisionTaskTimedOut" for event in history) for history in histories)
    for row in mine:
        party.decided.pop(row.execution.workflow_id)
    return Seen(noticed, following, TASKS + 1 - len(mine), recovered)


@contextlib.asynccontextmanager
async def _party(url: str) -> AsyncIterator[Party]:
    registry = CollectorRegistry()
    settings = swf.ClientSettings(endpoint_url=url, poll_connections=PARKED)
    async with swf.Client.open(settings) as client:
        party = Party(client, registry)
        profile = polling.EndpointProfile.local()
        async with polling.Scheduler(
            client, profile=profile, identity="bench", budget=PARKED, metrics=polling.Metrics(registry)
        ) as scheduler:
            for number in range(PARKED):
                scheduler.add_lane(_list(number), party.decide, slots=2, max_polls=1)
            await _until(lambda: scheduler.statistics().budget_used == PARKED, 30)
            await asyncio.sleep(0.3)
            yield party


@contextlib.asynccontextmanager
async def _starter(url: str) -> AsyncIterator[swf.Client]:
    async with swf.Client.open(swf.ClientSettings(endpoint_url=url)) as client:
        yield client


async def _prepare(url: str) -> None:
    async with _starter(url) as client:
        await client.register_domain(DOMAIN, retention_days=1)
        await client.register_workflow_type(DOMAIN, WORKFLOW, child_policy="TERMINATE")


async def _start(starter: swf.Client, name: str, count: int) -> None:
    for number in range(count):
        await starter.start_workflow_execution(
            DOMAIN,
            f"{name}-{number}",
            WORKFLOW,
            task_list=_list(number).name,
            execution_timeout=timedelta(minutes=5),
            decision_timeout=timedelta(seconds=DECISION_TIMEOUT_S),
        )


def _list(number: int) -> swf.TaskList:
    return swf.TaskList(swf.TaskKind.DECISION, DOMAIN, f"list-{number}")


def _judged(name: str, seen: Seen, must_s: float) -> list[figures.Figure]:
    noticed = figures.Figure(f"{name}: noticed", f"≤ {must_s:g} s", f"{seen.noticed:.2f} s", seen.noticed <= must_s)
    return [noticed, *_rows(name, seen)]


def _rows(name: str, seen: Seen) -> list[figures.Figure]:
    total = TASKS + 1
    return [
        figures.Figure(
            f"{name}: tasks lost", "0", f"{seen.lost} of {total}; {seen.recovered} by their timeout", seen.lost == 0
        ),
        figures.Figure(f"{name}: next decision after it", "", f"{1e3 * seen.following:.0f} ms"),
    ]


async def _until(condition: Callable[[], bool], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(LOOK_EVERY_S)


async def _nothing() -> None:
    """The fault ends, or comes, by itself."""


def _async(act: Callable[[], None]) -> Act:
    async def acting() -> None:
        act()

    return acting


async def _shell(command: str) -> None:
    await asyncio.to_thread(subprocess.run, command.split(), check=True)


@contextlib.contextmanager
def _engine(
    directory: Path, host: str, port: str, *, within: Sequence[str] = ()
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    program = str(Path(sys.executable).with_name("elbflow-engine"))
    options = ["--data-dir", str(directory / "data"), "--host", host, "--port", port, "--admin-port", "0"]
    log = directory / f"log-{time.monotonic_ns()}"
    with engine_peers._process([*within, program, "serve", *options], log, {}) as process:
        yield engine_peers._await_log(process, log)["engine_serving"], process


@contextlib.contextmanager
def _engine_inside() -> Iterator[str]:
    directory = Path(tempfile.mkdtemp(prefix="elbflow-bench-"))
    try:
        with _engine(directory, THEIR_ADDRESS, "0", within=("ip", "netns", "exec", NAMESPACE)) as (url, _):
            yield url
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _namespace() -> Iterator[None]:
    """A network namespace with a cable to this one."""
    ours, theirs = f"elb{os.getpid()}a"[:15], f"elb{os.getpid()}b"[:15]
    commands = (
        f"ip netns add {NAMESPACE}",
        f"ip link add {ours} type veth peer name {theirs} netns {NAMESPACE}",
        f"ip addr add {OUR_ADDRESS}/24 dev {ours}",
        f"ip link set {ours} up",
        f"ip -n {NAMESPACE} addr add {THEIR_ADDRESS}/24 dev {theirs}",
        f"ip -n {NAMESPACE} link set {theirs} up",
        f"ip -n {NAMESPACE} link set lo up",
    )
    try:
        for command in commands:
            subprocess.run(command.split(), check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
