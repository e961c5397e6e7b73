"""Counters of a real HAProxy through reloads, failures and crashes: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from tests.integration.agent.conftest import Backend, free_port, get, kill

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import master, model, place, runtime
from elbflow_agent.health import checks, probe, target
from elbflow_agent.servo import Servo, ServoOptions, accounts

KEY = document.LoadBalancerKey("000000000001", "web")
HTTP, TCP = document.Protocol.HTTP, document.Protocol.TCP


class FastClock(clock.SystemClock):
    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s) / 100)

    def monotonic(self) -> float:
        return super().monotonic() * 100


@pytest.fixture
async def servo(where: place.Place, binary: str, address: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Servo]:
    class FastChecks(checks.Checks):
        def __init__(self, **arguments: object) -> None:
            super().__init__(**{**arguments, "time": FastClock(), "probing": real_time})  # type: ignore[arg-type]

    async def real_time(host: str, what: target.Target, timeout_s: float, _: clock.Clock) -> probe.Verdict:
        return await probe.probe(host, what, timeout_s, clock.SystemClock())

    monkeypatch.setattr("elbflow_agent.servo.servo.checks.Checks", FastChecks)
    options = ServoOptions(address, where.directory, binary, KEY, place.Limits(1000, 5))
    async with Servo(options, time=clock.SystemClock(), rng=random.Random(), instruments=meters.Meters()) as made:
        yield made


def wanted(
    port: int, *addresses: str, to: int, generation: int = 1, tcp: int = 0, probed: int = 0
) -> document.LoadBalancerDocument:
    """Listeners for instances at ``addresses``; every generation takes a reload."""
    listeners = (document.Listener(HTTP, port, HTTP, to), *([document.Listener(TCP, tcp, TCP, to)] if tcp else []))
    return document.LoadBalancerDocument(
        KEY,
        generation,
        "local-1a",
        listeners=listeners,
        backends=tuple(document.BackendInstance(f"i-{number:08x}", at) for number, at in enumerate(addresses)),
        health_check=document.HealthCheck(f"TCP:{probed or to}", 5, 2, 10, 2),
        attributes=document.Attributes(idle_timeout_s=60 + generation),
    )


async def served(address: str, port: int) -> int:
    """Ask until it is answered; how many instances answered: one."""
    async with asyncio.timeout(5):
        while (await get(address, port, "/first"))[0] != "200":
            await asyncio.sleep(0.01)
    return 1


async def counted(servo: Servo, name: str) -> float:
    return dict((await servo.metrics(0)).counters).get(name, 0.0)


async def test_counts_of_requests_that_end_between_a_reload_and_the_end_of_its_old_worker_are_not_lost(
    servo: Servo, address: str, backends: list[Backend]
) -> None:
    port, done, asked = free_port(address), asyncio.Event(), 0
    first = wanted(port, "127.0.0.1", to=backends[0].port)
    await servo.apply(first)
    asked += await served(address, port)
    backends[0].delay_s = 0.02

    async def client() -> None:
        nonlocal asked
        while not done.is_set():
            assert (await get(address, port))[0] == "200"
            asked += 1

    clients = [asyncio.create_task(client()) for _ in range(6)]
    for generation in (2, 3, 4):
        await servo.apply(wanted(port, "127.0.0.1", to=backends[0].port, generation=generation))
        await asyncio.sleep(0.05)
    done.set()
    await asyncio.gather(*clients)
    await asyncio.sleep(0.3)
    assert asked > 50
    assert backends[0].requests == asked
    assert await counted(servo, "RequestCount") == asked


async def test_counts_of_a_worker_that_ended_outlive_a_killed_servo(
    where: place.Place, servo: Servo, address: str, backends: list[Backend]
) -> None:
    """HAProxy's old worker is gone, and the servo too, before anybody asked for a report."""
    port = free_port(address)
    await servo.apply(wanted(port, "127.0.0.1", to=backends[0].port))
    asked = await served(address, port)
    for _ in range(3):
        asked += int((await get(address, port))[0] == "200")
    await servo.apply(wanted(port, "127.0.0.1", to=backends[0].port, generation=2))
    async with asyncio.timeout(5):
        while len(await _workers(where)) > 1:
            await asyncio.sleep(0.02)
    async with plain(where, address) as next_servo:  # knows what is on disk alone, as if the first one had been killed
        assert await counted(next_servo, "RequestCount") == asked


async def test_a_servo_that_leaves_holds_no_old_worker(
    where: place.Place, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    async with plain(where, address) as servo:
        await servo.apply(wanted(port, "127.0.0.1", to=backends[0].port))
        _, client = await asyncio.open_connection(address, port)
        await asyncio.sleep(0.05)
        await servo.apply(wanted(port, "127.0.0.1", to=backends[0].port, generation=2))
    assert len(await _workers(where)) == 2
    client.close()
    await client.wait_closed()
    async with asyncio.timeout(5):
        while len(await _workers(where)) > 1:
            await asyncio.sleep(0.02)


def plain(where: place.Place, address: str) -> Servo:
    """Another servo in the same place."""
    options = ServoOptions(address, where.directory, "haproxy", KEY, place.Limits(1000, 5))
    return Servo(options, time=clock.SystemClock(), rng=random.Random(), instruments=meters.Meters())


async def _workers(where: place.Place) -> tuple[int, ...]:
    found = await master.Master(where, binary="haproxy", time=clock.SystemClock()).processes()
    return (*found.old_workers, *([found.worker] if found.worker else []))


async def test_connections_that_failed_and_were_tried_elsewhere_are_errors_and_no_requests(
    servo: Servo, address: str, backends: list[Backend], where: place.Place
) -> None:
    """One instance refuses, unnoticed by its health check: HAProxy turns to the other one, for requests and for TCP."""
    port, tcp, other = (
        free_port(address),
        free_port(address),
        f"127.77.{random.randrange(256)}.{random.randrange(2, 250)}",
    )
    health = [await asyncio.start_server(_refuse, other)]
    probed = health[0].sockets[0].getsockname()[1]
    health.append(await asyncio.start_server(_refuse, "127.0.0.1", probed))
    await servo.apply(wanted(port, "127.0.0.1", other, to=backends[0].port, tcp=tcp, probed=probed))
    haproxy = runtime.Runtime(where.admin_socket)
    async with asyncio.timeout(20):
        while {each.admin for each in (await haproxy.observe()).servers.values()} != {model.Admin.READY}:
            await asyncio.sleep(0.01)
    for _ in range(4):
        assert (await get(address, tcp))[0] == (await get(address, port))[0] == "200"
    found = dict((await servo.metrics(0)).counters)
    assert found["RequestCount"] == found["LatencyCount"] == 8
    assert found["BackendConnectionErrors"] >= 2, "one of TCP, one of HTTP at least"
    await backends[0].stop()
    assert (await get(address, port))[0] == "503"
    later = dict((await servo.metrics(0)).counters)
    assert later["RequestCount"] == 8
    assert later["BackendConnectionErrors"] >= found["BackendConnectionErrors"] + 4, "retried three times"
    for server in health:
        server.close()
        await server.wait_closed()


async def test_an_answer_that_is_still_flowing_has_a_latency_when_it_has_ended(servo: Servo, address: str) -> None:
    """HAProxy counts it when it begins and writes its line at its end: it was said to have taken no time."""
    on = asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await reader.readline():  # a health check
            writer.close()
            return
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234")
        await on.wait()
        writer.write(b"5")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(slowly, "127.0.0.1", 0)
    port, to = free_port(address), server.sockets[0].getsockname()[1]
    async with server:
        await servo.apply(wanted(port, "127.0.0.1", to=to))
        on.set()
        known = await served(address, port)
        on.clear()
        reader, client = await asyncio.open_connection(address, port)
        client.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        await reader.readuntil(b"1234")
        flowing = dict((await servo.metrics(0)).counters)
        assert flowing["RequestCount"] == flowing["HTTPCode_Backend_2XX"] == known + 1
        assert flowing["LatencyCount"] == known
        on.set()
        await reader.readexactly(1)  # the connection stays
        async with asyncio.timeout(5):
            while (ended := dict((await servo.metrics(0)).counters))["LatencyCount"] <= known:
                await asyncio.sleep(0.01)
        assert 100 <= ended["LatencyMin"] <= ended["LatencyMax"] <= ended["Latency"] - ended["LatencyMin"]
        client.close()
        await client.wait_closed()


async def _refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_what_was_counted_before_haproxy_crashed_is_not_lost(
    servo: Servo, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "_TRAFFIC_LOOK_S", 0.05)
    port = free_port(address)
    await servo.apply(wanted(port, "127.0.0.1", to=backends[0].port))
    asked = await served(address, port)
    for _ in range(5):
        asked += int((await get(address, port))[0] == "200")
    async with asyncio.timeout(10):
        while servo._accounts.totals.get("RequestCount", 0) < asked:
            await asyncio.sleep(0.02)
    pid = servo.statistics().haproxy_pid
    assert pid is not None
    await kill(pid)
    asked += await _served_again(address, port)
    assert await counted(servo, "RequestCount") == asked


async def _served_again(address: str, port: int) -> int:
    async with asyncio.timeout(5):
        while True:
            try:
                return await served(address, port)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.02)
