"""The servo with real HAProxy and real probes: documents, health, crashes, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from tests import stopwatch
from tests.integration.agent.conftest import Backend, Load, free_port, get, kill

from elbflow import clock, errors
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import check, place, render
from elbflow_agent.health import checks, probe, target
from elbflow_agent.servo import Servo, ServoOptions, WrongLoadBalancer

KEY = document.LoadBalancerKey("000000000001", "web")
HTTP, HTTPS = document.Protocol.HTTP, document.Protocol.HTTPS
IN, OUT = document.InstanceState.IN_SERVICE, document.InstanceState.OUT_OF_SERVICE
MakeServo = Callable[[], Servo]


class FastClock(clock.SystemClock):
    """Sleeps a hundredth of what it is asked for."""

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s) / 100)

    def monotonic(self) -> float:
        return super().monotonic() * 100


@pytest.fixture
def make_servo(where: place.Place, binary: str, address: str, monkeypatch: pytest.MonkeyPatch) -> MakeServo:
    """A servo in the test's place whose health checks run a hundred times as fast."""

    class FastChecks(checks.Checks):
        def __init__(self, **arguments: object) -> None:
            super().__init__(**{**arguments, "time": FastClock(), "probing": real_time})  # type: ignore[arg-type]

    async def real_time(host: str, what: target.Target, timeout_s: float, _: clock.Clock) -> probe.Verdict:
        return await probe.probe(host, what, timeout_s, clock.SystemClock())

    monkeypatch.setattr("elbflow_agent.servo.servo.checks.Checks", FastChecks)

    def make() -> Servo:
        return Servo(
            ServoOptions(address, where.directory, binary, KEY, place.Limits(1000, 5), removal_grace_s=2.0),
            time=clock.SystemClock(),
            rng=random.Random(),
            instruments=meters.Meters(),
        )

    return make


@pytest.fixture
async def servo(make_servo: MakeServo) -> AsyncIterator[Servo]:
    async with make_servo() as made:
        yield made


def wanted(port: int, *members: Backend, generation: int = 1, **fields: object) -> document.LoadBalancerDocument:
    instance_port = members[0].port if members else 9
    base = document.LoadBalancerDocument(
        KEY,
        generation,
        "local-1a",
        listeners=(document.Listener(HTTP, port, HTTP, instance_port),),
        backends=tuple(document.BackendInstance(each.name, "127.0.0.1") for each in members),
        health_check=document.HealthCheck(f"HTTP:{instance_port}/", 5, 2, 2, 2),
    )
    return replace(base, **fields)  # type: ignore[arg-type]


async def in_state(servo: Servo, state: document.InstanceState, within_s: float = 10.0) -> document.HealthReport:
    report = document.HealthReport("")
    async with asyncio.timeout(within_s):
        while not report.instances or any(each.state is not state for each in report.instances):
            report = await servo.health(report.digest, 5.0)
    return report


async def test_a_document_is_applied_checked_and_served(servo: Servo, address: str, backends: list[Backend]) -> None:
    port, secure = free_port(address), free_port(address)
    base = wanted(port, backends[0])
    listeners = (*base.listeners, document.Listener(HTTPS, secure, HTTP, 80))
    applied = await servo.apply(replace(base, listeners=listeners))
    assert applied.generation == 1
    assert [(each.port, each.reason) for each in applied.problems] == [(secure, "the listener has no certificate")]
    assert (await get(address, port))[0] == "503"
    await in_state(servo, IN)
    async with stopwatch.within(1):
        while (await get(address, port))[0] != "200":
            await asyncio.sleep(0.01)
    assert servo.statistics().in_rotation == 1


async def test_older_generations_are_answered_with_the_one_in_force(
    servo: Servo, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    new = wanted(port, backends[0], generation=5)
    await servo.apply(new)
    answer = await servo.apply(wanted(free_port(address), generation=4))
    assert (answer.generation, answer.content_hash) == (5, new.content_hash())
    assert await servo.apply(new) == answer
    same_generation = wanted(port, backends[0], backends[1], generation=5)
    assert (await servo.apply(same_generation)).content_hash == same_generation.content_hash()


async def test_other_load_balancers_documents_are_refused(servo: Servo) -> None:
    with pytest.raises(WrongLoadBalancer):
        await servo.apply(replace(wanted(80), key=document.LoadBalancerKey("000000000001", "other")))


async def test_a_bad_document_changes_nothing(
    servo: Servo, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port(address)
    good = wanted(port, backends[0])
    await servo.apply(good)
    await in_state(servo, IN)
    bad_target = replace(good, generation=2, health_check=document.HealthCheck("GOPHER:1"))
    with pytest.raises(errors.Permanent):
        await servo.apply(bad_target)
    genuine = render.render

    def render_badly(*arguments: object) -> str:
        return genuine(*arguments).replace("connect 5s", "connect soon")  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(render, "render", render_badly)
        with pytest.raises(check.InvalidConfiguration):
            await servo.apply(replace(good, generation=3, attributes=document.Attributes(idle_timeout_s=7)))
    assert (await get(address, port))[0] == "200"
    assert servo.statistics().generation == 1
    await asyncio.sleep(0.2)
    assert (await servo.apply(good)).generation == 1


async def test_health_steers_traffic_within_a_second(servo: Servo, address: str, backends: list[Backend]) -> None:
    port, one = free_port(address), backends[0]
    await servo.apply(wanted(port, one))
    await in_state(servo, IN)
    async with Load(address, port) as load:
        one.status = 404
        began = asyncio.get_running_loop().time()
        await in_state(servo, OUT)
        while (await get(address, port))[0] != "503":
            await asyncio.sleep(0.01)
        assert asyncio.get_running_loop().time() - began < 5
        one.status = 200
        await in_state(servo, IN)
        await asyncio.sleep(0.3)
        load.results.clear()
    assert set(load.results) == {"200"}


async def test_registering_and_deregistering_under_load_fails_nothing(
    servo: Servo, address: str, backends: list[Backend]
) -> None:
    """Instances of one listener share the port, so the second one lives on another loopback address."""
    port, one = free_port(address), backends[0]
    other = f"127.0.{random.randrange(1, 250)}.{random.randrange(2, 250)}"
    second = await asyncio.start_server(_echo, other, one.port)
    both = replace(
        wanted(port, one, generation=2),
        backends=(document.BackendInstance(one.name, "127.0.0.1"), document.BackendInstance("i-second", other)),
    )
    try:
        await servo.apply(wanted(port, one))
        await in_state(servo, IN)
        async with Load(address, port) as load:
            for generation in range(2, 8, 2):
                await servo.apply(replace(both, generation=generation))
                await in_state(servo, IN)
                await asyncio.sleep(0.2)
                await servo.apply(wanted(port, one, generation=generation + 1))
                await asyncio.sleep(0.2)
        assert load.failures == {}
        assert load.bodies["second"] > 10
    finally:
        second.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
            await writer.drain()
    writer.close()


@pytest.mark.parametrize("victim", ["master", "worker"])
async def test_a_killed_haproxy_is_back_by_itself(
    servo: Servo, address: str, backends: list[Backend], where: place.Place, victim: str
) -> None:
    port = free_port(address)
    await servo.apply(wanted(port, backends[0]))
    await in_state(servo, IN)
    old = servo.statistics().haproxy_pid
    assert old is not None
    worker = int((await _info(where))["Pid"])
    await kill(old if victim == "master" else worker)
    async with asyncio.timeout(10):
        while servo.statistics().haproxy_pid in (None, old) or await _status(address, port) != "200":
            await asyncio.sleep(0.02)


async def _status(address: str, port: int) -> str:
    try:
        return (await get(address, port))[0]
    except (OSError, asyncio.IncompleteReadError):
        return "none"


async def _info(where: place.Place) -> dict[str, str]:
    reader, writer = await asyncio.open_unix_connection(str(where.admin_socket))
    writer.write(b"show info\n")
    text = (await reader.read()).decode()
    writer.close()
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


async def test_a_new_servo_adopts_haproxy_document_and_health(
    make_servo: MakeServo, address: str, backends: list[Backend], where: place.Place
) -> None:
    port = free_port(address)
    async with make_servo() as first:
        await first.apply(wanted(port, backends[0], generation=3))
        report = await in_state(first, IN)
        before = await _info(where)
    async with Load(address, port) as load, make_servo() as second:
        assert (await _info(where))["Pid"] == before["Pid"]
        statistics = second.statistics()
        assert (statistics.generation, statistics.in_rotation) == (3, 1)
        assert (await second.health("", 0.0)).digest == report.digest
        await asyncio.sleep(0.2)
    assert load.failures == {}


async def test_a_servo_without_memory_leaves_a_serving_haproxy_alone(
    make_servo: MakeServo, address: str, backends: list[Backend], where: place.Place
) -> None:
    port = free_port(address)
    async with make_servo() as first:
        await first.apply(wanted(port, backends[0]))
        await in_state(first, IN)
    for path in where.directory.glob("*.json"):
        path.unlink()
    async with make_servo() as second:
        assert second.statistics().generation is None
        assert (await get(address, port))[0] == "200"
        await second.apply(wanted(port, backends[0], generation=9))
        assert second.statistics().generation == 9


async def test_unreadable_memory_is_reported_and_survived(
    make_servo: MakeServo, where: place.Place, logs: list[dict[str, object]]
) -> None:
    for name in ("document.json", "health.json", "metrics.json"):
        (where.directory / name).write_text("{")
    async with make_servo() as servo:
        assert servo.statistics().generation is None
        assert servo.statistics().haproxy_pid is not None
    assert [event["file"] for event in logs if event["event"] == "saved_state_unreadable"] == [
        "metrics.json",
        "document.json",
    ]


async def test_a_port_that_becomes_free_is_served_without_a_new_document(
    servo: Servo, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elbflow_agent.servo.servo._PROBLEM_LOOK_S", 0.3)
    with socket.socket() as squatter:
        squatter.bind((address, 0))
        squatter.listen()
        port = int(squatter.getsockname()[1])
        applied = await servo.apply(wanted(port, backends[0]))
        assert [each.port for each in applied.problems] == [port]
        said = await servo.health("", 0)
        assert said.problems == applied.problems
    async with asyncio.timeout(5):
        while (said := await servo.health(said.digest, 5)).problems:
            assert said.problems == applied.problems  # of health there may be news as well
        while await _status(address, port) == "none":
            await asyncio.sleep(0.05)


async def test_other_zones_instances_are_checked_and_not_reported(
    servo: Servo, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    base = wanted(port, backends[0])
    other = document.BackendInstance("i-other", "127.0.0.1", report_health=False)
    hostile = document.BackendInstance("i bad", "127.0.0.1")
    await servo.apply(replace(base, backends=(*base.backends, other, hostile)))
    report = await servo.health("", 0.0)
    async with asyncio.timeout(5):
        while report.instances[1].state is not IN or servo.statistics().in_rotation < 2:
            report = await servo.health(report.digest, 0.1)
    assert {each.instance_id: each.state for each in report.instances} == {"i bad": OUT, backends[0].name: IN}
    assert "is not a usable instance id" in next(
        each.description for each in report.instances if each.instance_id == "i bad"
    )


async def test_metrics_survive_a_restart_and_are_settled_once(
    make_servo: MakeServo, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    async with make_servo() as first:
        await first.apply(wanted(port, backends[0]))
        await in_state(first, IN)
        await asyncio.sleep(0.1)
        for _ in range(3):
            assert (await get(address, port))[0] == "200"
        lost = await first.metrics(0)
        assert dict(lost.counters)["RequestCount"] == 3
    async with make_servo() as second:
        await get(address, port)
        report = await second.metrics(0)
        assert dict(report.counters)["RequestCount"] == 4
        assert dict(report.counters)["HTTPCode_Backend_2XX"] == 4
        await get(address, port)
        settled = await second.metrics(report.sequence)
        assert dict(settled.counters)["RequestCount"] == 1
