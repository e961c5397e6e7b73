"""Change a load balancer in every way, and kill everything around HAProxy, while clients keep asking.

.venv/bin/python -m tests.soak.data_plane --changes 1000 --kills 20 --seed 1

60 clients keep their connections, 30 make one per request, 4 have sessions without an end. Each change
goes through SWF, worker, Redis and servo, and is then compared with what HAProxy says it serves. Meanwhile Redis is
gone for a while, and servo and worker are killed again and again. No request may fail, no session end before its time,
nothing may be reported as an error, no old HAProxy worker may be left (spec/vm-agent 3.4, spec/perf-baselines facts 7
and 8).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import logging
import os
import random
import signal
import socket
import ssl
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop
from tests.soak import back_ends, certificates, changes, streams, traffic, vm

from elbflow.contract import document
from elbflow_agent.haproxy import place

BINARY = "haproxy"
HARD_STOP_S = 10
INSTANCES = 4
SETTLE_S = 30.0
BACK_S = 1.0
WARM_UP = 100
"""Changes until a servo that was just started has every cache and buffer that it will have."""
EVERY_LOOK = 10
LOOKS = 5
MOST_GROWTH = 1.2
EVERY_RENEWAL = 20


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    changes: int = 1000
    kills: int = 20
    outage_s: float = 60.0
    steady: int = 1000
    kept: int = 60
    fresh: int = 30
    pause_s: float = 0.05


@dataclass(frozen=True)
class Scene:
    """What takes part."""

    machine: vm.Vm
    walk: changes.Walk
    shop: certificates.Shop
    load: traffic.Traffic


class Soak:
    """One run; :meth:`run` raises ``AssertionError`` at the first thing that is wrong."""

    def __init__(self, directory: Path, seed: int, size: Size) -> None:
        self._directory = directory
        self._chance = random.Random(seed)
        self._size = size
        self._began = time.monotonic()
        self.longest_push_s = 0.0
        self.most_workers = 0
        self.growth: dict[str, float] = {}
        self.back_s = 0.0

    async def run(self) -> str:
        """What was done, in one line."""
        net = f"127.{self._chance.randrange(100, 250)}.{self._chance.randrange(1, 250)}"
        instances = tuple(f"{net}.{10 + each}" for each in range(INSTANCES))
        async with (
            back_ends.serving(self._directory, instances, BINARY) as served,
            vm.launched(self._directory, f"{net}.1", hard_stop_s=HARD_STOP_S) as machine,
        ):
            with socket.socket() as squatter:
                squatter.bind((machine.address, 0))
                squatter.listen()
                ports = changes.Ports.chosen(free_ports(machine.address, 5), taken=squatter.getsockname()[1])
                walk = changes.Walk(self._chance, ports, served)
                shop = certificates.Shop(machine.certificates)
                for arn in changes.ARNS:
                    await asyncio.to_thread(shop.renew, arn)
                scene = Scene(machine, walk, shop, self._traffic(machine.address, walk))
                await machine.first_push(walk.current)
                await in_service(machine.address, ports.web)
                await self._play(scene)
                return self._told(scene)

    def _traffic(self, address: str, walk: changes.Walk) -> traffic.Traffic:
        ports, size = walk.ports, self._size
        web, sticky, raw = (traffic.Target(address, port) for port in (ports.web, ports.sticky, ports.raw))
        secure = traffic.Target(address, ports.secure, trusting())
        # What is a request and what is not, a TCP listener cannot know: sessions end when their server's drain does.
        return traffic.Traffic(
            targets=(web, sticky, raw, secure),
            kept_targets=(web, sticky, secure),
            answers=frozenset(walk.instances.addresses),
            kept=size.kept,
            fresh=size.fresh,
            pause_s=size.pause_s,
        )

    async def _play(self, scene: Scene) -> None:
        async with scene.load:
            async with self._streams(scene) as long:
                await self._changes(scene)
                if self._size.outage_s:
                    await self._without_redis(scene)
                if self._size.steady:
                    await self._memory(scene)
            await self._settled(scene)
        assert scene.load.failed == 0, scene.load.failures
        assert not long.broken, long.broken
        assert scene.load.requests > 0
        assert self.most_workers <= place.Limits().old_workers
        complaints = await asyncio.to_thread(scene.machine.complaints)
        assert not complaints, complaints[:10]
        await self._crash(scene)

    def _told(self, scene: Scene) -> str:
        load, walk, spent = scene.load, scene.walk, time.monotonic() - self._began
        growth = ", ".join(f"{name} {ratio:.2f}" for name, ratio in self.growth.items())
        return (
            f"{walk.generation} changes with {walk.reloads} reloads and {walk.rotations} rotations, killed "
            f"{scene.machine.kills}, {self._size.outage_s:g} s without Redis: {load.requests} requests, {load.failed} "
            f"failed, slowest {load.slowest_s * 1000:.0f} ms; longest push {self.longest_push_s:.2f} s, at most "
            f"{self.most_workers} old workers; memory after {self._size.steady} changes by {growth or 'nothing'}; "
            f"HAProxy killed and back in {self.back_s * 1000:.0f} ms; {spent:.0f} s"
        )

    def _streams(self, scene: Scene) -> streams.Streams:
        """No reload may end them before the shortest idle timeout, whatever the draining timeout is."""
        target = traffic.Target(scene.machine.address, scene.walk.ports.raw)
        return streams.Streams(target, scene.walk.instances.addresses[0], changes.IDLE_S[0] - 1)

    async def _changes(self, scene: Scene) -> None:
        number, victims = self._size.changes, ["servo", "worker"] * self._size.kills
        self._chance.shuffle(victims)
        deadly = dict(zip(self._chance.sample(range(number), len(victims)), victims, strict=True))
        for step in range(number):
            wanted = await scene.walk.step()
            await self._push(scene, wanted, deadly.get(step))
            if step % EVERY_RENEWAL == EVERY_RENEWAL - 1:
                await asyncio.to_thread(scene.shop.renew, scene.walk.arn)
                scene.walk.rotations += 1
            await self._shown(scene)
            if step % 50 == 49:
                say(f"{step + 1} changes, {scene.load.requests} requests, killed {scene.machine.kills}")

    async def _push(self, scene: Scene, wanted: document.LoadBalancerDocument, victim: str | None = None) -> None:
        killing = asyncio.create_task(self._kill(scene.machine, victim)) if victim is not None else None
        began = time.monotonic()
        applied = await scene.machine.push(wanted)
        self.longest_push_s = max(self.longest_push_s, time.monotonic() - began)
        if killing is not None:
            await killing
        assert applied.generation == wanted.generation, (applied, wanted)
        problems = {problem.port for problem in applied.problems}
        assert problems == {each.port for each in wanted.listeners} - scene.walk.served(), applied.problems
        await self._compare(scene)
        assert not scene.load.failures, scene.load.failures[:5]

    async def _kill(self, machine: vm.Vm, role: str) -> None:
        """At a random instant of the push; the next one comes after a moment."""
        await asyncio.sleep(self._chance.uniform(0, 0.15))
        await machine.kill(role)
        await asyncio.sleep(self._chance.uniform(0, 0.3))
        await machine.start(role)

    async def _compare(self, scene: Scene) -> None:
        found, walk = await scene.machine.observed(), scene.walk
        assert found.ports == walk.served(), (sorted(found.ports), sorted(walk.served()))
        for port in found.ports:
            names = {name for backend, name in found.servers if backend == f"be-{port}"}
            assert names >= walk.names(), (port, names, walk.names())
        self.most_workers = max(self.most_workers, len((await scene.machine.haproxy()).old_workers))

    async def _shown(self, scene: Scene) -> None:
        """New clients see the newest certificate, at the latest when the servo is back."""
        async with asyncio.timeout(SETTLE_S):
            while True:
                _, writer = await asyncio.open_connection(
                    scene.machine.address, scene.walk.ports.secure, ssl=trusting()
                )
                seen = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                writer.close()
                if seen == scene.shop.leaves[scene.walk.arn]:
                    return
                await asyncio.sleep(0.02)

    async def _without_redis(self, scene: Scene) -> None:
        say(f"no Redis for {self._size.outage_s:g} s")
        await scene.machine.kill("redis")
        await asyncio.sleep(self._size.outage_s)
        await scene.machine.start("redis")
        await self._push(scene, await scene.walk.step())

    async def _memory(self, scene: Scene) -> None:
        """Changes that need no reload leave both processes as large as they were."""
        say(f"{self._size.steady} changes without a reload")
        looks: list[dict[str, int]] = []
        for step in range(1, WARM_UP + self._size.steady + 1):
            await self._push(scene, scene.walk.steady())
            if step % EVERY_LOOK == 0:
                looks.append(await self._sizes(scene))
            if step % 100 == 0:
                say(f"{step} changes, KiB resident: {looks[-1]}")
        warm = WARM_UP // EVERY_LOOK
        before, after = middle(looks[warm - LOOKS : warm]), middle(looks[-LOOKS:])
        self.growth = {name: after[name] / before[name] for name in before}
        assert max(self.growth.values()) <= MOST_GROWTH, (before, after)

    async def _sizes(self, scene: Scene) -> dict[str, int]:
        worker = (await scene.machine.haproxy()).worker
        servo = scene.machine.processes["servo"].pid
        return {"haproxy": resident(worker or 0), "servo": resident(servo)}

    async def _settled(self, scene: Scene) -> None:
        """In time old workers end and departed servers are gone."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            old, found = (await scene.machine.haproxy()).old_workers, await scene.machine.observed()
            names = {name for _, name in found.servers}
            if not old and names == scene.walk.names():
                return
            assert time.monotonic() < deadline, (old, names, scene.walk.names())
            await asyncio.sleep(0.2)

    async def _crash(self, scene: Scene) -> None:
        """HAProxy dies, without traffic since requests in progress die with it."""
        await self._push(scene, scene.walk.steady())
        before, began = await scene.machine.observed(), time.monotonic()
        os.kill(before.pid, signal.SIGKILL)
        await asyncio.to_thread(gone, before.pid)
        await in_service(scene.machine.address, scene.walk.ports.web, pause_s=0.005)
        self.back_s = time.monotonic() - began
        assert self.back_s <= BACK_S
        after = await scene.machine.observed()
        assert after.pid != before.pid
        assert (after.ports, after.servers.keys()) == (before.ports, before.servers.keys())


def middle(looks: list[dict[str, int]]) -> dict[str, int]:
    """The median of each size: at a single look there may be a reply half read, or pages about to be given back."""
    return {name: int(statistics.median(each[name] for each in looks)) for name in looks[0]}


def gone(pid: int) -> None:
    """Wait until a process has ended. Blocking."""
    while Path(f"/proc/{pid}/stat").exists():
        time.sleep(0.002)


def resident(pid: int) -> int:
    """Resident memory of a process in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@functools.cache
def trusting() -> ssl.SSLContext:
    """For clients that look at certificates themselves."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def free_ports(address: str, count: int) -> list[int]:
    """Ports of ``address`` that were free just now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((address, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


async def in_service(address: str, port: int, pause_s: float = 0.05) -> None:
    """Return when a request is answered by a back end."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError, EOFError):
                reader, writer = await asyncio.open_connection(address, port)
                writer.write(traffic.REQUEST)
                head = await reader.readuntil(b"\r\n\r\n")
                writer.close()
                if b" 200 " in head:
                    return
            await asyncio.sleep(pause_s)


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def main() -> int:
    """0 when no request failed and nothing was wrong, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = Size()
    parser.add_argument("--changes", type=int, default=given.changes, help="of every kind")
    parser.add_argument("--kills", type=int, default=given.kills, help="of servo and worker each")
    parser.add_argument("--outage-s", type=float, default=given.outage_s, help="seconds without Redis")
    parser.add_argument("--steady", type=int, default=given.steady, help="changes after which memory is looked at")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = vars(parser.parse_args())
    seed = options.pop("seed")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="elb", dir="/tmp") as directory:
        try:
            done = uvloop.run(Soak(Path(directory), seed, Size(**options)).run())
        except Exception as error:
            error.add_note(f"python -m tests.soak.data_plane --seed {seed}")
            raise
    sys.stdout.write(f"{done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
