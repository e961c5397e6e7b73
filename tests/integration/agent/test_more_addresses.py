"""Listeners on IPv6 beside IPv4 (spec/vm-agent-data-plane 10, no. 92)."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.agent.conftest import Backend, exchange, free_port, get

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.accesslog import lines
from elbflow_agent.haproxy import apply, logs, model, place
from elbflow_agent.servo import Servo, ServoOptions

HTTP, TCP = model.Mode.HTTP, model.Mode.TCP
LOOPBACK = "::1"
ADDRESSES = Path("/proc/net/if_inet6")


def _others() -> list[str]:
    """IPv6 addresses of this machine that can be connected from, other than the loopback's."""
    if not ADDRESSES.exists():
        return []
    words = [line.split() for line in ADDRESSES.read_text().splitlines()]
    found = [ipaddress.IPv6Address(bytes.fromhex(each[0])) for each in words]
    return [str(one) for one in found if not one.is_loopback and not one.is_link_local]


@pytest.fixture
def client() -> str:
    """Where clients come from: HAProxy turns away who comes from an address that it listens on."""
    found = _others()
    if not found:
        pytest.skip("this machine has no second IPv6 address")
    return found[0]


def both(address: str, *listeners: model.Listener) -> model.Model:
    return model.Model(address, 60, listeners, more_addresses=(LOOPBACK,))


def listener(port: int, backend: Backend, mode: model.Mode = HTTP) -> model.Listener:
    return model.Listener(port, mode, servers=(model.Server("i-1", "127.0.0.1", backend.port, model.Admin.READY),))


async def asked(port: int, client: str) -> tuple[str, str]:
    """Status and body of a request over IPv6."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port, local_addr=(client, 0))
    status, _, body = await exchange(reader, writer)
    writer.close()
    await writer.wait_closed()
    return status, body


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has, on IPv6 alone."""
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind((LOOPBACK, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        other.listen()
        yield other.getsockname()[1]


async def test_both_are_served(
    applier: apply.Applier, address: str, backends: list[Backend], client: str, instruments: meters.Meters
) -> None:
    ports = sorted(free_port(address) for _ in range(2))
    first = both(address, listener(ports[0], backends[0]))
    await applier.converge(first, drain_s=0.2)
    assert await asked(ports[0], client) == ("200", backends[0].name)
    assert f"x-forwarded-for: {client}" in backends[0].seen[-1].lower()
    assert (await get(address, ports[0]))[0] == "200"

    reloaded = await applier.converge(
        both(address, *first.listeners, listener(ports[1], backends[1], TCP)), drain_s=0.2
    )
    assert reloaded.restructured
    assert await asked(ports[1], client) == ("200", backends[1].name)
    moved = both(address, listener(ports[0], backends[2]), listener(ports[1], backends[1], TCP))
    assert not (await applier.converge(moved, drain_s=0.2)).restructured
    assert await asked(ports[0], client) == ("200", backends[2].name)
    assert sum(instruments.differences.labels(kind)._value.get() for kind in meters.DIFFERENCES) == 0


async def test_a_port_that_is_in_use_on_ipv6(
    applier: apply.Applier, address: str, backends: list[Backend], taken: int
) -> None:
    free = free_port(address)
    wanted = sorted((listener(free, backends[0]), listener(taken, backends[1])), key=lambda each: each.port)
    result = await applier.converge(both(address, *wanted), drain_s=0.2)
    assert result.problems == (document.ListenerProblem(taken, "port is in use by another process (::1)"),)
    assert (await get(address, free))[0] == "200"
    told = await applier.preview(both(address, *wanted), drain_s=0.2)
    assert told.problems == result.problems


async def test_a_servo_binds_them_from_the_start(
    where: place.Place, binary: str, address: str, instruments: meters.Meters, backends: list[Backend], client: str
) -> None:
    port = free_port(address)
    key = document.LoadBalancerKey("000000000001", "web")
    http = document.Protocol.HTTP
    wanted = document.LoadBalancerDocument(
        key,
        1,
        "zone",
        (document.Listener(http, port, http, backends[0].port),),
        (document.BackendInstance("i-1", "127.0.0.1"),),
        document.HealthCheck(f"TCP:{backends[0].port}", 1, 1, 2, 2),
    )
    options = ServoOptions(address, where.directory, binary, key, place.Limits(1000, 5), more_addresses=(LOOPBACK,))
    async with Servo(options, time=clock.SystemClock(), rng=random.Random(1), instruments=instruments) as servo:
        applied = await servo.apply(wanted)
        assert applied.problems == ()
        while servo.statistics().in_rotation < 1:
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            while (await asked(port, client))[0] != "200":
                await asyncio.sleep(0.02)
        assert servo.statistics().reloads == 1


def test_an_access_log_line_of_an_ipv6_client() -> None:
    packed = socket.inet_pton(socket.AF_INET6, "2001:db8::7").hex().upper()
    line = f'["T",1,-1,-1,"--",0,0,1700000000.123,0,0,"{packed}","50000","7F000001","80","fe-80",10,20,"-","-"]'
    entry = logs.entry(line.encode())
    assert entry is not None
    assert " [2001:db8::7]:50000 127.0.0.1:80 " in lines.line_of(entry, "web")
