"""What clients and servers meet on the wire, beyond a request and its answer (spec/vm-agent-data-plane 3.4)."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests import stopwatch
from tests.integration.agent.applications import Application
from tests.integration.agent.conftest import exchange, free_port, get

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, model, place, queues, runtime, stats, table
from elbflow_agent.servo import Servo, ServoOptions

READY, MAINT = model.Admin.READY, model.Admin.MAINT
HTTP, TCP = model.Mode.HTTP, model.Mode.TCP


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    async with Application("i-1") as made:
        yield made


def listener(port: int, server_port: int, *, mode: model.Mode = HTTP, admin: model.Admin = READY) -> model.Listener:
    return model.Listener(port, mode, servers=(model.Server("i-1", "127.0.0.1", server_port, admin),))


async def told(address: str, port: int, request: str) -> str:
    """Everything that comes back on a connection of its own until it is closed or, after an answer, idle."""
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(request.encode("latin-1"))
    received, quiet = b"", 0
    with contextlib.suppress(ConnectionError):
        while quiet < (8 if received else 200):  # one long look would end when the machine stands still
            try:
                data = await asyncio.wait_for(reader.read(65536), 0.05)
            except TimeoutError:
                quiet += 1
                continue
            received, quiet = received + (data or b"<closed>"), 0
            if not data:
                break
    writer.close()
    return received.decode("latin-1")


ODD_LENGTH = "GET /odd HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
ODD_CHUNKS = "GET /odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
BOTH = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
TWO_LENGTHS = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 3\r\n\r\nabcd"
STRANGE_NAME = "GET / HTTP/1.1\r\nHost: x\r\nContent_Length: 3\r\n\r\n"
STRANGE_VALUE = "GET / HTTP/1.1\r\nHost: x\r\nX-Name: caf\xe9\r\n\r\n"
PLAIN = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_requests_that_servers_could_read_differently(
    applier: apply.Applier, address: str, application: Application
) -> None:
    port = free_port(address)
    outcomes = {}
    for mode in model.Desync:
        served = model.Model(address, listeners=(listener(port, application.port),), desync=mode)
        await applier.converge(served, drain_s=0)
        requests = (PLAIN, ODD_LENGTH, ODD_CHUNKS, BOTH, TWO_LENGTHS, STRANGE_NAME, STRANGE_VALUE)
        answers = await asyncio.gather(*(told(address, port, request) for request in requests))
        outcomes[mode.value] = [answer.split()[1] + ("c" if "<closed>" in answer else "") for answer in answers]
    assert outcomes == {
        "monitor": ["200", "200", "200", "200c", "400c", "200", "200"],
        "defensive": ["200", "200c", "200c", "200c", "400c", "200", "200"],
        "strictest": ["200", "400c", "400c", "200c", "400c", "400c", "400c"],
    }
    # What had both a length and chunks reaches the server with one of them.
    both = [head.lower() for head in application.heads if head.startswith("POST")]
    assert both
    assert not [head for head in both if "content-length" in head and "transfer-encoding" in head]


async def test_a_server_gets_no_more_on_a_connection_that_carried_something_odd(
    applier: apply.Applier, address: str, application: Application
) -> None:
    port = free_port(address)
    await applier.converge(model.Model(address, listeners=(listener(port, application.port),)), drain_s=0)
    await told(address, port, PLAIN)
    assert application.open_connections == 1  # kept for the next request
    await told(address, port, ODD_LENGTH)
    assert "connection: close" in application.heads[-1].lower()


async def test_nobody_is_there(applier: apply.Applier, address: str, application: Application) -> None:
    ports = [free_port(address) for _ in range(3)]
    listeners = (
        listener(ports[0], application.port, admin=MAINT),
        listener(ports[1], application.port, mode=TCP, admin=MAINT),
        model.Listener(ports[2], TCP),
    )
    served = model.Model(address, listeners=tuple(sorted(listeners, key=lambda each: each.port)))
    await applier.converge(served, drain_s=0)
    status, headers, body = await get(address, ports[0])
    assert (status, headers["content-length"], body) == ("503", "0", "")
    for port in ports[1:]:
        with stopwatch.running() as watch:
            assert await told(address, port, "hello") in ("<closed>", "")
            assert watch.seconds() < 0.3


async def test_what_servers_have_no_room_for_waits_or_is_spilled(
    applier: apply.Applier, address: str, application: Application, where: place.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "LONGEST", 2)
    application.delay_s = 0.1
    http, tcp = sorted((free_port(address), free_port(address)))
    listeners = (
        replace(listener(http, application.port), server_connections=1),
        replace(listener(tcp, application.port, mode=TCP), server_connections=1),
    )
    await applier.converge(model.Model(address, listeners=listeners), drain_s=0)
    answers = []
    for _ in range(5):  # one after another, so that it is known who finds what
        answers.append(asyncio.create_task(get(address, http)))
        await asyncio.sleep(0.01)
    statuses = [status for status, _, _ in await asyncio.gather(*answers)]
    assert sorted(statuses) == ["200"] * 3 + ["503"] * 2
    connections = []
    for _ in range(5):
        connections.append(await asyncio.open_connection(address, tcp))
        await asyncio.sleep(0.01)
    spilled = [reader for reader, _ in connections if reader.at_eof()]
    assert len(spilled) == 2
    pid, shown = await runtime.Runtime(where.admin_socket).statistics()
    counters = stats.Counters()
    counters.observe(pid, table.parse(shown))
    assert counters.totals["SpilloverCount"] == 4
    for _, writer in connections:
        writer.close()


async def test_an_upgraded_connection_through_tcp(applier: apply.Applier, address: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"PROXY TCP4 127.0.0.1" in head
        assert b"Upgrade: websocket" in head
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while frame := await reader.read(100):
            writer.write(frame[::-1])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = free_port(address)
        behind = replace(listener(port, server.sockets[0].getsockname()[1], mode=TCP), proxy_protocol=True)
        await applier.converge(model.Model(address, idle_timeout_s=1, listeners=(behind,)), drain_s=0)
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x03abc")
        assert await reader.readexactly(5) == b"cba\x03\x81"
        # Nobody says anything for the idle timeout: that is the end of it.
        async with stopwatch.within(3):
            assert await reader.read() == b""
        writer.close()


async def test_sessions_of_a_server_that_falls_ill_have_their_time(
    applier: apply.Applier, address: str, application: Application
) -> None:
    port = free_port(address)
    well = model.Model(address, listeners=(listener(port, application.port, mode=TCP),))
    ill = model.Model(address, listeners=(listener(port, application.port, mode=TCP, admin=MAINT),))
    await applier.converge(well, drain_s=0.3)
    reader, writer = await asyncio.open_connection(address, port)
    assert (await exchange(reader, writer))[0] == "200"
    result = await applier.converge(ill, drain_s=0.3)
    assert result.look_again_s is not None
    assert 0 < result.look_again_s <= 0.3
    assert (await exchange(reader, writer))[0] == "200"  # it goes on, while nobody else gets there
    assert await told(address, port, PLAIN) in ("<closed>", "")
    await asyncio.sleep(result.look_again_s)
    assert (await applier.converge(ill, drain_s=0.3)).look_again_s is None
    async with stopwatch.within(1):
        assert await reader.read() == b""
    writer.close()


async def test_a_server_that_recovers_in_time_keeps_its_sessions(
    applier: apply.Applier, address: str, application: Application, where: place.Place, binary: str
) -> None:
    port = free_port(address)
    models = [
        model.Model(address, listeners=(listener(port, application.port, mode=TCP, admin=admin),))
        for admin in (READY, MAINT)
    ]
    await applier.converge(models[0], drain_s=0.1)
    reader, writer = await asyncio.open_connection(address, port)
    assert (await exchange(reader, writer))[0] == "200"
    await applier.converge(models[1], drain_s=0.1)
    await applier.converge(models[0], drain_s=0.1)
    await asyncio.sleep(0.15)
    assert (await applier.converge(models[0], drain_s=0.1)).look_again_s is None
    assert (await exchange(reader, writer))[0] == "200"
    # A new agent does not know since when a server has been ill: it gives its sessions the whole time.
    await applier.converge(models[1], drain_s=0.1)
    heir = apply.Applier(
        where, binary=binary, limits=place.Limits(1000, 5), time=clock.SystemClock(), instruments=meters.Meters()
    )
    assert (await heir.converge(models[1], drain_s=0.1)).look_again_s is not None
    assert (await exchange(reader, writer))[0] == "200"
    await asyncio.sleep(0.11)
    await heir.converge(models[1], drain_s=0.1)
    async with stopwatch.within(1):
        assert await reader.read() == b""
    writer.close()


async def test_what_a_document_ends_is_ended_without_further_news(
    where: place.Place, address: str, application: Application, binary: str, instruments: meters.Meters
) -> None:
    """The last sessions of an instance that was deregistered, on time, while nothing else happens."""
    port = free_port(address)
    options = ServoOptions(address, where.directory, binary, removal_grace_s=0.3)
    wanted = document.LoadBalancerDocument(
        key=document.LoadBalancerKey("000000000001", "web"),
        generation=1,
        zone="local-1a",
        listeners=(document.Listener(document.Protocol.TCP, port, document.Protocol.TCP, application.port),),
        backends=(document.BackendInstance("i-1", "127.0.0.1"),),
    )
    async with Servo(options, time=clock.SystemClock(), rng=random.Random(1), instruments=instruments) as servo:
        await servo.apply(wanted)
        reader, writer = await asyncio.open_connection(address, port)
        assert (await exchange(reader, writer))[0] == "200"
        await asyncio.sleep(0.1)
        await servo.apply(replace(wanted, generation=2, backends=()))
        assert (await exchange(reader, writer))[0] == "200"
        async with stopwatch.within(2):
            assert await reader.read() == b""
            while (await runtime.Runtime(where.admin_socket).observe()).servers:
                await asyncio.sleep(0.02)
        writer.close()
