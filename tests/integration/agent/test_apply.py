"""The applier against a real HAProxy: membership without a reload, reloads without a lost request, isolation."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest
from tests.integration.agent.conftest import Backend, Load, exchange, free_port, get, kill

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, check, master, model, place, render, running, runtime

READY, MAINT = model.Admin.READY, model.Admin.MAINT


def wanted(address: str, port: int, *members: Backend, **options: object) -> model.Model:
    servers = tuple(
        model.Server(each.name, "127.0.0.1", each.port, READY) for each in sorted(members, key=lambda one: one.name)
    )
    listener = model.Listener(port, model.Mode.HTTP, servers=servers)
    return model.Model(address, listeners=(replace(listener, **options),))  # type: ignore[arg-type]


def count(instruments: meters.Meters, name: str, **labels: str) -> float:
    metric = {"reload": instruments.reloads, "start": instruments.starts}[name]
    return sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and labels.items() <= sample.labels.items()
    )


async def test_zero_listeners_keep_haproxy_running(applier: apply.Applier, address: str) -> None:
    result = await applier.converge(model.Model(address), drain_s=0)
    assert result.restructured
    assert await applier.master_pid() is not None
    again = await applier.converge(model.Model(address), drain_s=0)
    assert not again.restructured


async def test_serves_and_forwards_the_client(applier: apply.Applier, address: str, backends: list[Backend]) -> None:
    port = free_port(address)
    await applier.converge(wanted(address, port, backends[0]), drain_s=0)
    status, _, body = await get(address, port, extra="X-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Proto: https\r\n")
    assert (status, body) == ("200", backends[0].name)
    seen = backends[0].seen[-1].lower()
    assert "x-forwarded-for: 10.1.1.1, 127.0.0.1\r\n" in seen
    assert "x-forwarded-proto: http\r\n" in seen
    assert f"x-forwarded-port: {port}\r\n" in seen
    await get(address, port)
    assert "x-forwarded-for: 127.0.0.1\r\n" in backends[0].seen[-1].lower()
    await get(address, port, extra="X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n")
    forwarded = [line for line in backends[0].seen[-1].lower().split("\r\n") if line.startswith("x-forwarded-for")]
    assert forwarded == ["x-forwarded-for: 1.1.1.1, 2.2.2.2, 127.0.0.1"]
    for others in (
        "X-Forwarded-Proto: a\r\nx-forwarded-proto: b\r\n",
        "X-Forwarded-Port:\r\n",
        "Content-Length: 0\r\n",
    ):
        await get(address, port, extra=f"X-Forwarded-Host: h\r\n{others}")
        forwarded = [line for line in backends[0].seen[-1].lower().split("\r\n") if line.startswith("x-forwarded-")]
        assert sorted(forwarded) == [
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: h",
            f"x-forwarded-port: {port}",
            "x-forwarded-proto: http",
        ]


async def test_no_healthy_server_is_an_empty_503(applier: apply.Applier, address: str) -> None:
    port = free_port(address)
    nobody = model.Server("i-0000000a", "127.0.0.1", 9, MAINT)
    await applier.converge(wanted(address, port, servers=(nobody,)), drain_s=0)
    status, headers, body = await get(address, port)
    assert (status, headers["content-length"], body) == ("503", "0", "")


async def test_membership_changes_under_load_fail_nothing_and_never_reload(
    applier: apply.Applier, address: str, backends: list[Backend], instruments: meters.Meters
) -> None:
    port = free_port(address)
    one, two, three = backends
    for backend in backends:
        backend.delay_s = 0.01
    await applier.converge(wanted(address, port, one), drain_s=5)
    async with Load(address, port) as load:
        for members in ((one, two), (two,), (two, three), (one, two, three), (three,), (one, three)):
            result = await applier.converge(wanted(address, port, *members), drain_s=5)
            for _ in range(40):
                if result.look_again_s is None:
                    break
                await asyncio.sleep(0.05)
                result = await applier.converge(wanted(address, port, *members), drain_s=5)
            assert result.look_again_s is None
            await asyncio.sleep(0.1)
    assert load.failures == {}
    assert load.results["200"] > 100
    assert set(load.bodies) == {one.name, two.name, three.name}
    assert count(instruments, "reload") == 0


async def test_reloads_under_load_fail_nothing_and_none_is_lost(
    applier: apply.Applier, address: str, backends: list[Backend], instruments: meters.Meters
) -> None:
    port, other = free_port(address), free_port(address)
    base = wanted(address, port, backends[0], backends[1])
    await applier.converge(base, drain_s=0)
    async with Load(address, port) as load:
        for number in range(8):
            extra = model.Listener(other, model.Mode.TCP)
            listeners = (
                base.listeners if number % 2 else tuple(sorted((*base.listeners, extra), key=lambda each: each.port))
            )
            result = await applier.converge(replace(base, listeners=listeners), drain_s=0)
            assert result.restructured
            assert result.problems == ()
    assert load.failures == {}
    assert load.results["200"] > 200
    assert count(instruments, "reload", reason="listeners") == 8


async def test_concurrent_convergences_end_in_the_last_model(
    applier: apply.Applier, address: str, backends: list[Backend], where: place.Place
) -> None:
    port = free_port(address)
    models = [replace(wanted(address, port, backends[0]), idle_timeout_s=10 + number) for number in range(5)]
    results = await asyncio.gather(*(applier.converge(each, drain_s=0) for each in models))
    tag, _ = await runtime.Runtime(where.admin_socket).info()
    assert tag == results[-1].tag
    assert "timeout client 14s" in where.configuration.read_text()


async def test_a_dead_server_is_replaced_within_the_request(
    applier: apply.Applier, address: str, backends: list[Backend]
) -> None:
    """A server that refuses connections costs nobody an answer, before and while it leaves."""
    port = free_port(address)
    await backends[1].stop()
    await applier.converge(wanted(address, port, *backends), drain_s=0)
    async with Load(address, port) as load:
        await asyncio.sleep(0.3)
        left = wanted(address, port, backends[0], backends[2])
        await applier.converge(left, drain_s=0)
        await asyncio.sleep(0.1)
    assert load.failures == {}
    assert load.results["200"] > 50


async def test_a_request_reaches_one_server_even_if_that_one_dies_of_it(
    applier: apply.Applier, address: str, backends: list[Backend]
) -> None:
    """A second server never sees what a first one may have done already."""
    port = free_port(address)
    for backend in backends:
        backend.delay_s = 30
    await applier.converge(wanted(address, port, *backends), drain_s=0)
    answer = asyncio.create_task(get(address, port))
    async with asyncio.timeout(10):
        while not any(backend.requests for backend in backends):
            await asyncio.sleep(0.01)
        await next(backend for backend in backends if backend.requests).stop()
        assert (await answer)[0] == "502"
    assert sum(backend.requests for backend in backends) == 1


async def test_draining_lets_a_request_finish_and_then_removes(
    applier: apply.Applier, address: str, backends: list[Backend], where: place.Place
) -> None:
    port = free_port(address)
    one, two, _ = backends
    one.delay_s = 0.5
    await applier.converge(wanted(address, port, one), drain_s=5)
    slow = asyncio.create_task(get(address, port))
    await asyncio.sleep(0.15)
    result = await applier.converge(wanted(address, port, two), drain_s=5)
    assert result.look_again_s is not None
    assert (await get(address, port))[2] == two.name
    assert (await slow)[2] == one.name
    result = await applier.converge(wanted(address, port, two), drain_s=5)
    assert result.look_again_s is None
    servers = (await runtime.Runtime(where.admin_socket).observe()).servers
    assert [name for _, name in servers] == [two.name]


async def test_a_sticky_server_is_gone_soon_after_its_last_request(
    applier: apply.Applier, address: str, backends: list[Backend]
) -> None:
    port, one = free_port(address), backends[0]
    one.delay_s = 0.4
    sticky = model.Stickiness("ab" * 16)
    await applier.converge(wanted(address, port, one, stickiness=sticky), drain_s=5)
    slow = asyncio.create_task(get(address, port))
    await asyncio.sleep(0.1)
    gone = wanted(address, port, stickiness=sticky)
    assert (await applier.converge(gone, drain_s=5)).look_again_s is not None
    assert (await get(address, port))[0] == "503"
    assert (await slow)[0] == "200"
    looks = 1
    while (await applier.converge(gone, drain_s=5)).look_again_s is not None:
        looks += 1
    assert looks <= 3


async def test_what_takes_long_to_look_at_is_looked_at_seldom_while_servers_drain(
    applier: apply.Applier, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand servers take a second: five looks a second would be all that the agent does."""
    one, two, _ = backends
    one.delay_s = 1.0
    port = free_port(address)
    await applier.converge(wanted(address, port, one), drain_s=0)
    request = asyncio.create_task(get(address, port))
    while not one.requests:
        await asyncio.sleep(0.01)
    await applier.converge(wanted(address, port, two), drain_s=60)
    observe = runtime.Runtime.observe

    async def observed(worker: runtime.Runtime) -> running.Running:
        await asyncio.sleep(0.4)
        return await observe(worker)

    monkeypatch.setattr(runtime.Runtime, "observe", observed)
    look_again_s = (await applier.converge(wanted(address, port, two), drain_s=60)).look_again_s
    assert look_again_s is not None
    assert look_again_s > 0.35
    await request


async def test_the_drain_deadline_ends_a_tcp_session(
    applier: apply.Applier, address: str, backends: list[Backend], where: place.Place
) -> None:
    port = free_port(address)
    await applier.converge(wanted(address, port, backends[0], mode=model.Mode.TCP), drain_s=0)
    reader, writer = await asyncio.open_connection(address, port)
    assert (await exchange(reader, writer))[0] == "200"
    gone = wanted(address, port, mode=model.Mode.TCP)
    assert (await applier.converge(gone, drain_s=0.4)).look_again_s is not None
    assert (await exchange(reader, writer))[0] == "200"
    await asyncio.sleep(0.45)
    for _ in range(20):
        if (await applier.converge(gone, drain_s=0.4)).look_again_s is None:
            break
        await asyncio.sleep(0.05)
    assert await reader.read() == b""
    writer.close()
    assert (await runtime.Runtime(where.admin_socket).observe()).servers == {}


async def test_sticky_cookies_follow_servers_that_join_at_run_time(
    applier: apply.Applier, address: str, backends: list[Backend], instruments: meters.Meters
) -> None:
    port = free_port(address)
    one, two, _ = backends
    sticky = model.Stickiness("ab" * 16, 3600)
    await applier.converge(wanted(address, port, one, stickiness=sticky), drain_s=5)
    await applier.converge(wanted(address, port, one, two, stickiness=sticky), drain_s=5)
    cookies = {}
    for _ in range(4):
        _, headers, body = await get(address, port)
        assert headers["cache-control"] == 'no-cache="set-cookie"'
        assert "httponly" in headers["set-cookie"].lower()
        cookies[body] = headers["set-cookie"].split(";")[0]
    assert set(cookies) == {one.name, two.name}
    for name, cookie in cookies.items():
        _, headers, body = await get(address, port, extra=f"Cookie: {cookie}\r\n")
        assert body == name
        assert "set-cookie" not in headers
        assert "cache-control" not in headers
    await applier.converge(wanted(address, port, two, stickiness=sticky), drain_s=5)
    _, headers, body = await get(address, port, extra=f"Cookie: {cookies[one.name]}\r\n")
    assert body == two.name
    assert headers["set-cookie"].split("|")[0] == cookies[two.name].split("|")[0]
    assert count(instruments, "reload") == 0


async def test_a_port_in_use_is_one_listeners_problem(
    applier: apply.Applier, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    with socket.socket() as squatter:
        squatter.bind((address, 0))
        squatter.listen()
        taken = int(squatter.getsockname()[1])
        base = wanted(address, port, backends[0])
        listeners = tuple(sorted((*base.listeners, model.Listener(taken, model.Mode.TCP)), key=lambda one: one.port))
        result = await applier.converge(replace(base, listeners=listeners), drain_s=0)
        assert [(each.port, each.reason) for each in result.problems] == [(taken, "port is in use by another process")]
        assert (await get(address, port))[0] == "200"
    result = await applier.converge(replace(base, listeners=listeners), drain_s=0)
    assert result.problems == ()


async def test_a_configuration_that_does_not_load_touches_nothing(
    applier: apply.Applier,
    address: str,
    backends: list[Backend],
    where: place.Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, other = free_port(address), free_port(address)
    base = wanted(address, port, backends[0])
    await applier.converge(base, drain_s=0)
    before = await runtime.Runtime(where.admin_socket).info()
    text = where.configuration.read_text()
    broken = render.render

    def render_badly(*arguments: object) -> str:
        return broken(*arguments).replace("    timeout connect 5s", "    timeout connect soon")  # type: ignore[arg-type]

    monkeypatch.setattr(render, "render", render_badly)
    more = tuple(sorted((*base.listeners, model.Listener(other, model.Mode.TCP)), key=lambda one: one.port))
    with pytest.raises(check.InvalidConfiguration):
        await applier.converge(replace(base, listeners=more), drain_s=0)
    assert await runtime.Runtime(where.admin_socket).info() == before
    assert where.configuration.read_text() == text
    assert (await get(address, port))[0] == "200"


async def test_one_refused_listener_does_not_stop_the_others(
    applier: apply.Applier, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, other = free_port(address), free_port(address)
    base = wanted(address, port, backends[0])
    genuine = render.render

    def render_badly(*arguments: object) -> str:
        return genuine(*arguments).replace(f"bind {address}:{other}", "bind nonsense")  # type: ignore[arg-type]

    monkeypatch.setattr(render, "render", render_badly)
    more = tuple(sorted((*base.listeners, model.Listener(other, model.Mode.TCP)), key=lambda one: one.port))
    result = await applier.converge(replace(base, listeners=more), drain_s=0)
    (problem,) = result.problems
    assert problem.port == other
    assert "candidate.cfg:" in problem.reason
    assert "/" not in problem.reason
    assert (await get(address, port))[0] == "200"


async def test_a_lost_reload_is_repeated(
    applier: apply.Applier,
    address: str,
    backends: list[Backend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port(address)
    base = wanted(address, port, backends[0])
    await applier.converge(base, drain_s=0)
    genuine, asked = runtime.ask, []

    async def lossy(socket: object, command: str, *, timeout_s: float) -> str:
        if command == "reload":
            asked.append(command)
            if len(asked) == 1:
                return ""
        return await genuine(socket, command, timeout_s=timeout_s)  # type: ignore[arg-type]

    monkeypatch.setattr(runtime, "ask", lossy)
    result = await applier.converge(replace(base, idle_timeout_s=33), drain_s=0)
    assert result.restructured
    assert len(asked) == 2


@pytest.mark.parametrize("victim", ["master", "worker"])
async def test_a_killed_haproxy_comes_back(
    applier: apply.Applier, address: str, backends: list[Backend], where: place.Place, victim: str, binary: str
) -> None:
    port = free_port(address)
    base = wanted(address, port, backends[0])
    await applier.converge(base, drain_s=0)
    found = await master.Master(where, binary=binary, time=clock.SystemClock()).processes()
    assert found.worker is not None
    await kill(found.master if victim == "master" else found.worker)
    await asyncio.sleep(0.05)
    result = await applier.converge(base, drain_s=0)
    assert result.problems == ()
    assert (await get(address, port))[0] == "200"
    assert await applier.master_pid() != found.master


async def test_counters_survive_reloads(applier: apply.Applier, address: str, backends: list[Backend]) -> None:
    port = free_port(address)
    base = wanted(address, port, backends[0])
    await applier.converge(base, drain_s=0)
    for path in ("/", "/", "/broken"):
        await get(address, port, path)
    await applier.converge(replace(base, idle_timeout_s=44), drain_s=0)
    await get(address, port)
    await applier.converge(wanted(address, port), drain_s=0)
    assert (await get(address, port))[0] == "503"
    while await applier.sample():
        await asyncio.sleep(0.1)
    totals = applier.counters.totals
    assert totals["RequestCount"] == 4
    assert totals["HTTPCode_Backend_2XX"] == 3
    assert totals["HTTPCode_Backend_5XX"] == 1
    assert totals["HTTPCode_ELB_5XX"] == 1
    assert totals.get("HTTPCode_ELB_4XX", 0) == 0


async def test_the_master_is_not_asked_for_old_workers_that_are_known_to_be_gone(
    applier: apply.Applier, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = wanted(address, free_port(address), backends[0])
    await applier.converge(base, drain_s=0)
    asked: list[object] = []
    processes = master.Master.processes

    async def counted(self: master.Master) -> running.Processes:
        asked.append(self)
        return await processes(self)

    monkeypatch.setattr(master.Master, "processes", counted)
    for _ in range(3):
        assert not await applier.sample()
    assert asked == []
    await applier.converge(replace(base, idle_timeout_s=44), drain_s=0)
    asked.clear()
    while await applier.sample():
        await asyncio.sleep(0.1)
    assert len(asked) >= 1
    asked.clear()
    await applier.converge(replace(wanted(address, base.listeners[0].port, *backends), idle_timeout_s=44), drain_s=0)
    assert asked == []
