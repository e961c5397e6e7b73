"""Access logs from a real HAProxy to stored objects, and what they tell of latencies and queues."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.agent.conftest import Backend, free_port, get, kill

from elbflow import clock, errors, objects
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.accesslog import api as accesslog
from elbflow_agent.accesslog import recorder
from elbflow_agent.haproxy import logs, place, queues
from elbflow_agent.health import checks, probe, target
from elbflow_agent.servo import Servo, ServoOptions, accounts

KEY = document.LoadBalancerKey("000000000001", "web")
HTTP, TCP = document.Protocol.HTTP, document.Protocol.TCP
BUCKET = "the-logs"
MINUTE = 60
WEIRD = 'User-Agent: weird "one" \\ ]: #7D} {9|} GET /\r\n'


class ShiftedClock(clock.SystemClock):
    """The wall clock, ``shift_s`` ahead, or what it shows while it stands; sleeps and intervals are real."""

    def __init__(self) -> None:
        self.shift_s = 0.0
        self.stands_at: float | None = None

    def now(self) -> float:
        return super().now() + self.shift_s if self.stands_at is None else self.stands_at

    def stand_still(self) -> None:
        """Show this moment until :meth:`go_on`."""
        self.stands_at = self.now()

    def go_on(self) -> None:
        """Go on from where it stood."""
        assert self.stands_at is not None
        self.shift_s, self.stands_at = self.stands_at - super().now(), None

    def stand_before_the_end(self, minutes: int, seconds: float) -> int:
        """Set the clock ``seconds`` before the end of an interval; that end."""
        length = minutes * MINUTE
        now = super().now()
        end = (int(now) // length + 1) * length
        self.shift_s = end - seconds - now
        return end


class Store:
    """Keeps objects; fails while it is told to."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.puts = 0
        self.failing = False

    async def put(self, bucket: str, key: str, body: bytes) -> None:
        self.puts += 1
        if self.failing:
            raise objects.ObjectNotStored("not now")
        self.objects[bucket, key] = body

    def lines(self) -> list[str]:
        return [line for body in self.objects.values() for line in body.decode().splitlines()]

    async def until(self, lines: int, within_s: float = 8.0) -> list[str]:
        async with asyncio.timeout(within_s):
            while len(self.lines()) < lines:
                await asyncio.sleep(0.02)
        return self.lines()


class Vm:
    """One VM's servo over a store; may be started again and again."""

    def __init__(self, where: place.Place, binary: str, address: str, spool: Path) -> None:
        self.where, self.binary, self.address, self.spool = where, binary, address, spool
        self.time = ShiftedClock()
        self.store = Store()
        self.instruments = meters.Meters()

    @contextlib.asynccontextmanager
    async def running(
        self, *, publish_s: float = 0.0, cap_bytes: int = 1 << 30, server_connections: int = 0
    ) -> AsyncIterator[Servo]:
        parts = accesslog.Spool(self.spool, cap_bytes=cap_bytes, region="home-1", rng=random.Random())
        shipper = accesslog.Shipper(parts, lambda to: self.store, instruments=self.instruments, backoff_s=(0.05, 0.1))
        for left in await asyncio.to_thread(parts.prepare, self.time.now()):
            shipper.offer(left)
        shipping = asyncio.create_task(shipper.run())
        try:
            options = ServoOptions(
                self.address,
                self.where.directory,
                self.binary,
                KEY,
                place.Limits(1000, 5),
                publish_s=publish_s,
                server_connections=server_connections,
            )
            async with Servo(
                options,
                time=self.time,
                rng=random.Random(),
                instruments=self.instruments,
                shipping=accesslog.Shipping(parts, shipper),
            ) as servo:
                yield servo
            await shipper.settled(5.0)
        finally:
            shipping.cancel()
            await asyncio.gather(shipping, return_exceptions=True)


@pytest.fixture
def vm(where: place.Place, binary: str, address: str, short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Vm:
    class FastChecks(checks.Checks):
        def __init__(self, **arguments: object) -> None:
            super().__init__(**{**arguments, "time": FastClock(), "probing": real_time})  # type: ignore[arg-type]

    class FastClock(clock.SystemClock):
        async def sleep(self, delay_s: float) -> None:
            await asyncio.sleep(max(0.0, delay_s) / 100)

        def monotonic(self) -> float:
            return super().monotonic() * 100

    async def real_time(host: str, what: target.Target, timeout_s: float, _: clock.Clock) -> probe.Verdict:
        return await probe.probe(host, what, timeout_s, clock.SystemClock())

    monkeypatch.setattr("elbflow_agent.servo.servo.checks.Checks", FastChecks)
    return Vm(where, binary, address, short_dir / "access-logs")


def wanted(
    port: int, backend: Backend, *, generation: int = 1, tcp_port: int | None = None, **attributes: object
) -> document.LoadBalancerDocument:
    tcp = () if tcp_port is None else (document.Listener(TCP, tcp_port, TCP, backend.port),)
    enabled: dict[str, object] = {
        "access_log_enabled": True,
        "access_log_bucket": BUCKET,
        "access_log_prefix": "a/b",
        "access_log_interval_min": 5,
    }
    return document.LoadBalancerDocument(
        KEY,
        generation,
        "local-1a",
        listeners=(document.Listener(HTTP, port, HTTP, backend.port), *tcp),
        backends=(document.BackendInstance(backend.name, "127.0.0.1"),),
        health_check=document.HealthCheck(f"HTTP:{backend.port}/", 5, 2, 10, 2),
        attributes=replace(document.Attributes(), **{**enabled, **attributes}),  # type: ignore[arg-type]
    )


async def served(address: str, port: int) -> None:
    async with asyncio.timeout(5):
        while (await get(address, port, "/first"))[0] != "200":
            await asyncio.sleep(0.01)


def paths(lines: list[str]) -> list[str]:
    """Paths of the requests of a test, in order."""
    return [line.split('"')[1].split()[1].partition("/n/")[2] for line in lines if "/n/" in line]


async def logged_texts(
    vm: Vm, address: str, port: int, wanted: document.LoadBalancerDocument, sent: list[tuple[str, str]], more: str = ""
) -> tuple[set[str], list[str]]:
    """Statuses of requests of these paths and agents, and what their lines say of both."""
    vm.time.stand_before_the_end(5, 0.2)
    vm.time.stand_still()
    async with vm.running() as servo:
        await servo.apply(wanted)
        await served(address, port)
        extra = (f"User-Agent: {agent}\r\n{more}" for _, agent in sent)
        answers = [await get(address, port, path, each) for (path, _), each in zip(sent, extra, strict=True)]
        vm.time.go_on()
        lines = [line for line in await vm.store.until(len(sent) + 1) if "/n/" in line]
    return {answer[0] for answer in answers}, [line.split(" ", 11)[11].rpartition(" - -")[0] for line in lines]


async def test_texts_of_any_length_are_logged_whole(vm: Vm, address: str, backends: list[Backend]) -> None:
    port, line_lengths, agent_lengths = free_port(address), (1, 959, 960, 961, 1023, 1024, 13_000), (1, 511, 512, 7000)
    sent = [("/n/" + "u" * (long - 4) + str(long % 10), "a" * 9) for long in line_lengths]
    sent += [(f"/n/{'v' * long}", "b" * (long - 1) + "'") for long in agent_lengths]
    sent += [("/n/" + "|}{w" * 400, "c{|# " * 400 + "c")]
    statuses, texts = await logged_texts(vm, address, port, wanted(port, backends[0]), sent)
    assert statuses == {"200"}
    assert texts == [f'"GET http://test:{port}{path} HTTP/1.1" "{agent}"' for path, agent in sent]


async def test_long_texts_of_a_refused_request_are_logged_whole(vm: Vm, address: str, backends: list[Backend]) -> None:
    port, sent = free_port(address), [("/n/" + "u" * 3000, "a" * 2000)]
    strict = wanted(port, backends[0], desync_mitigation=document.DesyncMitigation.STRICTEST)
    statuses, texts = await logged_texts(vm, address, port, strict, sent, "Content-Length: 0\r\n")
    assert statuses == {"400"}
    assert texts == [f'"GET http://test:{port}{path} HTTP/1.1" "{agent}"' for path, agent in sent]


async def test_requests_become_lines_of_an_object_at_the_end_of_the_interval(
    vm: Vm, address: str, backends: list[Backend]
) -> None:
    port, tcp_port = free_port(address), free_port(address)
    end = vm.time.stand_before_the_end(5, 0.2)
    vm.time.stand_still()  # all that is asked for belongs to one interval, however long it takes
    async with vm.running() as servo:
        await servo.apply(wanted(port, backends[0], tcp_port=tcp_port))
        await served(address, port)
        longest_ms = await took_ms(get(address, port, "/n/0?q=a:b", WEIRD))
        await get(address, port, "/n/broken")
        await get(address, tcp_port, "/n/tcp")
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(recorded, vm.spool, "q=a:b", "broken", '["T"'):
                await asyncio.sleep(0.02)
        assert not vm.store.objects
        vm.time.go_on()
        lines = await vm.store.until(4)
    ((bucket, key),) = set(vm.store.objects)
    at = clock_text(end)
    assert bucket == BUCKET
    assert key.startswith(f"a/b/AWSLogs/{KEY.account}/elasticloadbalancing/home-1/{at[:4]}/{at[4:6]}/{at[6:8]}/")
    assert key.rsplit("/", 1)[1].startswith(f"{KEY.account}_elasticloadbalancing_home-1_web_{at}_{address}_")
    assert key.endswith(".log")
    plain = next(line for line in lines if "/n/0" in line)
    fields = plain.split(" ", 11)
    assert fields[1] == "web"
    assert fields[2].startswith("127.0.0.1:")
    assert fields[3] == f"127.0.0.1:{backends[0].port}"
    assert all(0 <= float(each) <= longest_ms / 1000 for each in fields[4:7])
    assert fields[7:11] == ["200", "200", "0", str(len(backends[0].name))]
    agent = '"weird \\x22one\\x22 \\x5c ]: #7D} {9|} GET /"'
    assert fields[11] == f'"GET http://test:{port}/n/0?q=a:b HTTP/1.1" {agent} - -'
    (tcp,) = [line for line in lines if line.endswith('"- - - " "-" - -')]
    assert tcp.split(" ")[6:9] == ["-1", "-", "-"]
    assert await asyncio.to_thread(os.listdir, vm.spool) == []


def recorded(spool: Path, *words: str) -> bool:
    """Whether lines with these words wait for the end of their interval."""
    text = "".join(path.read_text() for path in spool.glob("*.open"))
    return all(word in text for word in words)


def clock_text(end: int) -> str:
    return time.strftime("%Y%m%dT%H%MZ", time.gmtime(end))


async def test_nothing_is_lost_and_nothing_is_twice_when_agents_come_and_go(
    vm: Vm, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    vm.time.stand_before_the_end(60, 600.0)
    first = wanted(port, backends[0], access_log_interval_min=60)
    async with vm.running() as servo:
        await servo.apply(first)
        await served(address, port)
        for number in range(5):
            await get(address, port, f"/n/{number}")
    for number in range(5, 10):  # nobody reads the pipe now
        await get(address, port, f"/n/{number}")
    assert not vm.store.objects
    async with vm.running(publish_s=3.0):
        for number in range(10, 15):
            await get(address, port, f"/n/{number}")
        await asyncio.sleep(0.1)
    assert sorted(map(int, paths(vm.store.lines()))) == list(range(15)), "what is not finished is stored in leaving"
    async with vm.running() as servo:
        await get(address, port, "/n/15")
        vm.store.failing = True
        await servo.apply(wanted(port, backends[0], generation=2, access_log_enabled=False))
        await get(address, port, "/n/not-logged")
        await asyncio.sleep(0.3)
        assert vm.store.puts > 2
        vm.store.failing = False
        await vm.store.until(17)
    assert sorted(map(int, paths(vm.store.lines()))) == list(range(16))
    assert len(vm.store.objects) == 1, "the same object, complete now"
    assert await asyncio.to_thread(os.listdir, vm.spool) == []


async def test_a_recorder_that_is_killed_again_and_again_loses_and_repeats_no_line(short_dir: Path) -> None:
    pipe, spool, store = short_dir / "log.pipe", short_dir / "spool", short_dir / "store"
    for each in (pipe, logs.taken(pipe)):
        os.mkfifo(each)
    writer, taken = (os.open(each, os.O_RDWR) for each in (pipe, logs.taken(pipe)))  # as HAProxy holds them
    written = 0
    for ending in (signal.SIGKILL, signal.SIGTERM):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.agent.recording", str(pipe), str(spool), str(store)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert await child.stdout.readline() == b"recording\n"
        pause_s = random.uniform(0.02, 0.06)
        ends_at = time.monotonic() + pause_s
        while time.monotonic() < ends_at:
            for _ in range(20):
                os.write(writer, line(written))
                written += 1
            await asyncio.sleep(0.001)
        if ending is signal.SIGKILL:
            child.send_signal(ending)
        for _ in range(30):  # nobody reads now, or for long: what finishes believes that HAProxy is gone
            os.write(writer, line(written))
            written += 1
        if ending is signal.SIGTERM:
            child.send_signal(ending)
        await child.wait()
    os.close(writer)
    os.close(taken)
    stored = await asyncio.to_thread(lambda: [path.read_text() for path in store.rglob("*.log")])
    assert len(stored) <= 2, "one for an interval, and the interval may have ended"
    found = [int(each.partition("/n/")[2].split()[0]) for text in stored for each in text.splitlines()]
    assert len(found) == len(set(found))
    assert sorted(found) == list(range(written))
    assert await asyncio.to_thread(os.listdir, spool) == []


def line(number: int) -> bytes:
    return (
        f'["H",0,1,200,"--",0,0,1700000000.123,0,0,"C0000201","99","0A000001","80","fe-80",80,90,"-","-",0,0] '
        f"{{|||||test||}} {{0|}} GET /n/{number} HTTP/1.1\n"
    ).encode()


async def test_a_full_spool_costs_lines_and_no_requests(vm: Vm, address: str, backends: list[Backend]) -> None:
    port = free_port(address)
    vm.time.stand_before_the_end(60, 600.0)
    vm.store.failing = True
    async with vm.running(cap_bytes=1) as servo:
        await servo.apply(wanted(port, backends[0], access_log_interval_min=60))
        await served(address, port)
        await asyncio.sleep(0.1)
        for number in range(5):
            assert (await get(address, port, f"/n/{number}"))[0] == "200"
            await asyncio.sleep(0.03)
        vm.store.failing = False
    assert vm.instruments.access_log_lines.labels("dropped")._value.get() >= 5


async def took_ms(request: Awaitable[object]) -> float:
    """What it took as its client sees it, in whole milliseconds."""
    began = time.monotonic()
    await request
    return math.ceil((time.monotonic() - began) * 1000)


async def test_latencies_and_failed_connections_are_measured(
    vm: Vm, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_CALM_STRIDE_S", 1.0)  # lines are read because counters are looked at
    monkeypatch.setattr(accounts, "_TRAFFIC_LOOK_S", 0.01)
    port = free_port(address)
    slow = backends[0]
    async with vm.running() as servo:
        await servo.apply(wanted(port, slow, access_log_enabled=False))
        await served(address, port)
        quick_ms = await took_ms(get(address, port))
        slow.delay_s = 0.2
        slow_ms = await took_ms(get(address, port))
        counters = dict((await servo.metrics(0)).counters)
        assert counters["LatencyMin"] <= quick_ms
        assert 200 <= counters["LatencyMax"] <= slow_ms
        assert counters["LatencyCount"] == counters["RequestCount"] == counters["HTTPCode_Backend_2XX"]
        assert counters["LatencyMax"] <= counters["Latency"] <= counters["LatencyMax"] * counters["LatencyCount"]
        await slow.stop()
        waiting = asyncio.create_task(get(address, port))
        async with asyncio.timeout(5):
            while "BackendConnectionErrors" not in dict((await servo.metrics(0)).counters):
                await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert not vm.store.objects
    assert not vm.spool.exists() or await asyncio.to_thread(os.listdir, vm.spool) == []


async def test_what_waits_for_a_server_is_measured(vm: Vm, address: str, backends: list[Backend]) -> None:
    port = free_port(address)
    async with vm.running(server_connections=1) as servo:
        await servo.apply(wanted(port, backends[0], access_log_enabled=False))
        await served(address, port)
        backends[0].delay_s = 0.1
        assert [one[0] for one in await asyncio.gather(*(get(address, port) for _ in range(5)))] == ["200"] * 5
        await asyncio.sleep(0.4)
        counters = dict((await servo.metrics(0)).counters)
        assert 2 <= counters["SurgeQueueLength"] <= 4
        assert "SpilloverCount" not in counters


async def test_sizes_of_bodies_without_announced_length(vm: Vm, address: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"transfer-encoding" in head.lower():
            await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Long-Header: abc\r\n\r\n")
        writer.write(b"a\r\n0123456789\r\n" * 3 + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = free_port(address)
    backend = Backend("i-1", server.sockets[0].getsockname()[1])
    vm.time.stand_before_the_end(60, 600.0)
    async with server, vm.running(publish_s=3.0) as servo:
        await servo.apply(wanted(port, backend, access_log_interval_min=60))
        await served(address, port)
        reader, writer = await asyncio.open_connection(address, port)
        for method in (b"POST", b"GET"):  # one of a GET closes connections, with a header that says so
            head = b" /n/0 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
            writer.write(method + head + b"7\r\nabcdefg\r\n0\r\n\r\n")
            assert (await reader.readuntil(b"0\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)
    sizes = [line.split(" ")[9:11] for line in vm.store.lines() if "/n/0" in line]
    assert sizes == [["7", "30"]] * 2


async def test_a_vm_that_is_removed_stores_what_it_has(vm: Vm, address: str, backends: list[Backend]) -> None:
    port = free_port(address)
    vm.time.stand_before_the_end(60, 600.0)
    async with vm.running() as servo:
        await servo.apply(wanted(port, backends[0], access_log_interval_min=60))
        await served(address, port)
        await get(address, port, "/n/0")
        await servo.stop_data_plane(1.0)
        assert paths(await vm.store.until(2)) == ["0"]
    assert await asyncio.to_thread(os.listdir, vm.spool) == []


@pytest.mark.parametrize(("within_s", "answers"), [(30.0, 1.0), (0.3, 0.0)])
async def test_the_last_requests_of_a_vm_that_goes_are_logged_and_counted(
    vm: Vm, address: str, backends: list[Backend], within_s: float, answers: float
) -> None:
    """One that ends by itself, and one that is ended: both are in the log, and have a connection that was counted."""
    port = free_port(address)
    vm.time.stand_before_the_end(60, 600.0)
    async with vm.running() as servo:
        await servo.apply(wanted(port, backends[0], access_log_interval_min=60))
        await served(address, port)
        before = await servo.metrics(0)
        backends[0].delay_s, seen = 1.5, backends[0].requests
        asked = asyncio.create_task(get(address, port, "/n/last"))
        async with asyncio.timeout(5):
            while backends[0].requests == seen:
                await asyncio.sleep(0.01)
        await servo.soft_stop()
        with pytest.raises(ConnectionRefusedError):
            await get(address, port)
        with pytest.raises(errors.Retryable):
            await servo.apply(wanted(port, backends[0], generation=2))
        await servo.finish(within_s)
        counted = dict((await servo.metrics(before.sequence)).counters)
        assert counted["RequestCount"] == 1.0
        assert counted.get("HTTPCode_Backend_2XX", 0.0) == answers
        assert counted.get("LatencyCount", 0.0) == answers
        await asyncio.gather(asked, return_exceptions=True)
        async with asyncio.timeout(10):
            while paths(vm.store.lines()) != ["last"]:
                await asyncio.sleep(0.02)


async def test_a_haproxy_that_was_started_without_the_pipe_is_not_made_to_write_into_something_else(
    vm: Vm, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port(address)
    with monkeypatch.context() as before:
        before.setattr(logs, "command", lambda program, pipe: program)
        async with vm.running() as servo:
            pid = servo.statistics().haproxy_pid
    async with vm.running() as servo:
        await servo.apply(wanted(port, backends[0], access_log_interval_min=60))
        await served(address, port)
        text = await asyncio.to_thread(vm.where.configuration.read_text)
        assert servo.statistics().haproxy_pid == pid
        assert logs.logging_of(text) is logs.Logging.NONE
        assert pid is not None
        await kill(pid)
        async with asyncio.timeout(10):
            while logs.logging_of(await asyncio.to_thread(vm.where.configuration.read_text)) is logs.Logging.NONE:
                await asyncio.sleep(0.02)
        await served(address, port)


async def test_every_request_is_logged_once_through_reloads_and_restarts(
    vm: Vm, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    vm.time.stand_before_the_end(60, 600.0)
    asked: list[int] = []
    done = asyncio.Event()

    async def client() -> None:
        while not done.is_set():
            asked.append(number := len(asked))
            assert (await get(address, port, f"/n/{number}"))[0] == "200"
            await asyncio.sleep(0.002)

    def change(generation: int) -> document.LoadBalancerDocument:
        return wanted(
            port, backends[0], generation=generation, access_log_interval_min=60, idle_timeout_s=50 + generation
        )

    async with vm.running() as servo:
        await servo.apply(change(1))
        await served(address, port)
        clients = [asyncio.create_task(client()) for _ in range(4)]
        await servo.apply(change(2))
    async with vm.running() as servo:
        for generation in (3, 4):
            await servo.apply(change(generation))
        done.set()
        await asyncio.gather(*clients)
        await asyncio.sleep(0.1)
        await servo.apply(replace(change(5), attributes=document.Attributes()))
        async with asyncio.timeout(5):
            while not vm.store.objects:
                await asyncio.sleep(0.02)
    assert sorted(map(int, paths(vm.store.lines()))) == sorted(asked)
    assert len(vm.store.objects) == 1
    assert len(asked) > 100


async def test_what_finds_the_queue_full_is_counted(
    vm: Vm, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "LONGEST", 2)
    port = free_port(address)
    async with vm.running(server_connections=1) as servo:
        await servo.apply(wanted(port, backends[0], access_log_enabled=False))
        await served(address, port)
        backends[0].delay_s = 0.4  # all have to be there before the first is answered
        statuses = [one[0] for one in await asyncio.gather(*(get(address, port) for _ in range(8)))]
        spilled = statuses.count("503")
        assert spilled >= 4
        counters = dict((await servo.metrics(0)).counters)
        assert counters["SpilloverCount"] == spilled
        assert counters["HTTPCode_ELB_5XX"] >= spilled, "and those before the instance was in service"
