"""HAProxy is what it should be after every change, comes back when it dies, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any

import pytest
from tests import stopwatch
from tests.integration.agent.conftest import Backend, exchange, free_port, get, kill
from tests.integration.agent.test_apply import READY, count, wanted

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.haproxy import apply, compare, master, model, old_workers, orders, place, preview, running, runtime

MAINT = model.Admin.MAINT
MakeApplier = Callable[..., apply.Applier]
BACK_S = 1.0
TIMES = 3
"""Beside other tests one may take longer; that most are in time shows that none waits for a timer."""


def differences(instruments: meters.Meters) -> dict[str, float]:
    samples = (sample for family in instruments.differences.collect() for sample in family.samples)
    return {each.labels["kind"]: each.value for each in samples if each.name.endswith("_total") and each.value}


def ended_because(instruments: meters.Meters) -> dict[str, float]:
    samples = (sample for family in instruments.old_workers_ended.collect() for sample in family.samples)
    return {each.labels["reason"]: each.value for each in samples if each.name.endswith("_total")}


@pytest.mark.parametrize("victim", ["master", "worker"])
async def test_a_killed_haproxy_is_back_within_a_second_with_its_servers(
    applier: apply.Applier, address: str, backends: list[Backend], where: place.Place, victim: str, binary: str
) -> None:
    port, (one, two, _) = free_port(address), backends
    first = wanted(address, port, one, two)
    out = replace(first.listeners[0].servers[1], admin=MAINT)
    base = replace(first, listeners=(replace(first.listeners[0], servers=(first.listeners[0].servers[0], out)),))
    await applier.converge(first, drain_s=0)
    await applier.converge(base, drain_s=0)
    api, took_s = runtime.Runtime(where.admin_socket), list[float]()
    for _ in range(TIMES):
        before = await api.observe()
        found = await master.Master(where, binary=binary, time=clock.SystemClock()).processes()
        with stopwatch.running() as watch:
            await kill(found.master if victim == "master" else before.pid)
            await applier.converge(base, drain_s=0)
            assert (await get(address, port))[2] == one.name
            took_s.append(watch.seconds())
        after = await api.observe()
        assert (after.servers, after.ports, after.tag) == (before.servers, before.ports, before.tag)
        assert after.pid != before.pid
    assert statistics.median(took_s) < BACK_S, took_s


async def test_a_reload_does_not_prolong_the_drain_of_a_departed_server(
    applier: apply.Applier, address: str, backends: list[Backend]
) -> None:
    port, (one, two, _) = free_port(address), backends
    both = wanted(address, port, one, two, mode=model.Mode.TCP)
    await applier.converge(both, drain_s=0)
    sessions = [await asyncio.open_connection(address, port) for _ in range(2)]
    bodies = {(await exchange(*session))[2]: session for session in sessions}
    assert bodies.keys() == {one.name, two.name}
    left = replace(wanted(address, port, one, mode=model.Mode.TCP), idle_timeout_s=61)
    result = await applier.converge(left, drain_s=0.4)
    assert result.restructured
    assert result.look_again_s is not None
    assert (await exchange(*bodies[two.name]))[0] == "200"
    await asyncio.sleep(result.look_again_s)
    look_again_s = (await applier.converge(left, drain_s=0.4)).look_again_s
    assert look_again_s is not None
    assert look_again_s > 50
    async with stopwatch.within(1):
        assert await bodies[two.name][0].read() == b""
    assert (await exchange(*bodies[one.name]))[0] == "200"
    for _, writer in sessions:
        writer.close()


async def ended(applier: apply.Applier, last: model.Model, *, left: int, **promise: float) -> None:
    """Return when so many old workers are left; the applier is asked when it wants to be."""
    async with asyncio.timeout(5):
        while len((await applier._master.processes()).old_workers) > left:
            result = await applier.converge(last, drain_s=0, **promise)
            await applier.sample()
            await asyncio.sleep(min(result.look_again_s or 0.01, 0.2))


async def test_an_old_worker_ends_within_the_drain_limit(
    address: str, backends: list[Backend], make_applier: MakeApplier, instruments: meters.Meters
) -> None:
    """Also one that another agent left, and with a session that goes on and on."""
    base = wanted(address, free_port(address), backends[0], mode=model.Mode.TCP)
    base = replace(base, idle_timeout_s=1)
    changed = replace(base, listeners=(replace(base.listeners[0], server_connections=9),))
    first, second = (make_applier(place.Limits(1000), each) for each in (meters.Meters(), instruments))
    await first.converge(base, drain_s=0, old_worker_s=1)
    reader, writer = await asyncio.open_connection(address, base.listeners[0].port)
    assert (await exchange(reader, writer))[0] == "200"
    began = time.monotonic()
    result = await first.converge(changed, drain_s=0, old_worker_s=1)
    assert result.look_again_s is not None
    assert 0 < result.look_again_s <= 1
    first.leave()
    ending = asyncio.create_task(ended(second, changed, left=0, old_worker_s=1))
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while time.monotonic() - began < 5:
            await exchange(reader, writer)
            await asyncio.sleep(0.1)
    assert 0.9 < time.monotonic() - began < 3
    await ending
    await second.sample()
    assert ended_because(instruments) == {"time": 1.0, "number": 0.0}
    assert instruments.old_workers._value.get() == 0
    writer.close()


async def test_of_too_many_old_workers_the_oldest_end(
    address: str,
    backends: list[Backend],
    make_applier: MakeApplier,
    instruments: meters.Meters,
    monkeypatch: pytest.MonkeyPatch,
    logs: list[MutableMapping[str, Any]],
) -> None:
    """With whom they serve, and with clients that say nothing. The others serve on."""
    monkeypatch.setattr(old_workers, "_FAREWELL_S", 0.3)
    applier = make_applier(place.Limits(1000, old_workers=2))
    ports = sorted(free_port(address) for _ in model.Mode)
    base = model.Model(
        address,
        listeners=tuple(
            wanted(address, port, backends[0], mode=mode).listeners[0]
            for port, mode in zip(ports, model.Mode, strict=True)
        ),
    )
    clients = []
    for number in range(4):
        last = replace(base, idle_timeout_s=60 + number)
        await applier.converge(last, drain_s=0)
        clients.append([await asyncio.open_connection(address, port) for port in ports])
        assert [(await exchange(*client))[0] for client in clients[-1]] == ["200", "200"]
    await ended(applier, last, left=2)
    async with stopwatch.within(1):
        assert [await reader.read() for reader, _ in clients[0]] == [b"", b""]
    assert [(await exchange(*client))[0] for pair in clients[1:] for client in pair] == ["200"] * 6
    assert [event["reason"] for event in logs if event["event"] == "old_worker_ended"] == ["number"]
    assert ended_because(instruments) == {"time": 0.0, "number": 1.0}
    for _, writer in itertools.chain(*clients):
        writer.close()
    await asyncio.sleep(0.05)
    await applier.sample()


async def test_reloads_keep_their_distance_and_none_is_lost(
    applier: apply.Applier,
    address: str,
    backends: list[Backend],
    monkeypatch: pytest.MonkeyPatch,
    logs: list[MutableMapping[str, Any]],
    instruments: meters.Meters,
) -> None:
    asked: list[float] = []
    genuine = runtime.ask

    async def noted(socket: Any, command: str, *, timeout_s: float) -> str:
        if command == "reload":
            asked.append(time.monotonic())
        return await genuine(socket, command, timeout_s=timeout_s)

    monkeypatch.setattr(runtime, "ask", noted)
    base = wanted(address, free_port(address), backends[0])
    models = [replace(base, idle_timeout_s=10 + number) for number in range(6)]
    results = await asyncio.gather(*(applier.converge(each, drain_s=0) for each in models))
    assert all(result.restructured for result in results)
    assert len(asked) == 5
    assert min(later - earlier for earlier, later in itertools.pairwise(asked)) >= master.RELOAD_SPACING_S
    assert not [event for event in logs if event["event"] == "haproxy_reload_lost"]
    assert differences(instruments) == {}


async def test_what_was_changed_behind_our_back_is_put_right(
    applier: apply.Applier, address: str, backends: list[Backend], where: place.Place, instruments: meters.Meters
) -> None:
    port, (one, two, _) = free_port(address), backends
    base = wanted(address, port, one, two)
    await applier.converge(base, drain_s=0)
    api = runtime.Runtime(where.admin_socket)
    before, backend = await api.observe(), model.backend_name(port)
    await api.carry_out(
        orders.set_state((backend, one.name), MAINT),
        orders.delete_server((backend, one.name)),
        orders.set_address((backend, two.name), "127.0.0.9", 9),
        orders.add_server(backend, model.Server("i-stranger", "127.0.0.1", 9), ""),
    )
    assert not (await applier.converge(base, drain_s=0)).restructured
    assert (await api.observe()).servers == before.servers
    assert differences(instruments) == {}


@pytest.mark.parametrize("meddled", [False, True], ids=["started anew", "meddled with"])
async def test_a_change_that_begins_from_what_was_proved_does_not_trust_it(
    applier: apply.Applier,
    address: str,
    backends: list[Backend],
    where: place.Place,
    binary: str,
    instruments: meters.Meters,
    logs: list[MutableMapping[str, Any]],
    meddled: bool,
) -> None:
    port, (one, two, three) = free_port(address), backends
    await applier.converge(wanted(address, port, one, two), drain_s=0)
    api, backend = runtime.Runtime(where.admin_socket), model.backend_name(port)
    if meddled:
        await api.carry_out(
            orders.set_state((backend, one.name), MAINT),
            orders.delete_server((backend, one.name)),
            orders.add_server(backend, model.Server("i-stranger", "127.0.0.1", 9), ""),
        )
    else:
        process = master.Master(where, binary=binary, time=clock.SystemClock())
        await process.stop(soft_s=0.0)
        await process.start()
        await api.carry_out(orders.set_state((backend, two.name), MAINT))
    result = await applier.converge(wanted(address, port, one, two, three), drain_s=0)
    there = await api.observe()
    assert {name: server.admin for (_, name), server in there.servers.items()} == dict.fromkeys(
        (one.name, two.name, three.name), READY
    )
    assert result.master == await applier.master_pid()
    assert [event["event"] for event in logs if event["event"].startswith("haproxy_")][-1] == "haproxy_looked_at_again"
    assert differences(instruments) == {}


async def test_a_haproxy_that_says_yes_and_does_nothing_is_found_out(
    applier: apply.Applier,
    address: str,
    backends: list[Backend],
    monkeypatch: pytest.MonkeyPatch,
    instruments: meters.Meters,
) -> None:
    port, (one, two, _) = free_port(address), backends
    await applier.converge(wanted(address, port, one), drain_s=0)

    async def agree(self: runtime.Runtime, *given: orders.Order) -> running.Running:
        """Obeyed, as it seems."""
        return await self.observe()

    with monkeypatch.context() as patch:
        patch.setattr(runtime.Runtime, "carry_out_and_observe", agree)
        with pytest.raises(compare.Disagreement, match=f"{two.name} is missing"):
            await applier.converge(wanted(address, port, one, two), drain_s=0)
    assert differences(instruments) == {"server": 1.0}
    await applier.converge(wanted(address, port, one, two), drain_s=0)
    assert differences(instruments) == {"server": 1.0}


async def test_a_preview_tells_what_the_change_then_does(
    applier: apply.Applier, address: str, backends: list[Backend], where: place.Place, instruments: meters.Meters
) -> None:
    port, other, (one, two, three) = free_port(address), free_port(address), backends
    base = wanted(address, port, one, two)
    assert (await applier.preview(base, drain_s=0)).why == ("HAProxy does not run",)
    await applier.converge(base, drain_s=0)
    assert await applier.preview(base, drain_s=0) == preview.Preview(())
    members = wanted(address, port, two, three)
    told = await applier.preview(members, drain_s=7)
    assert told.why == ()
    assert {step.means for step in told.steps} == {preview.Means.RUNTIME}
    assert [step.what for step in told.steps] == [
        f"{three.name} joins at 127.0.0.1:{three.port}",
        f"{three.name} gets traffic",
        f"{one.name} leaves: no new requests, removed within 7 s",
    ]
    text, seen = where.configuration.read_text(), await runtime.Runtime(where.admin_socket).observe()
    extra = model.Listener(other, model.Mode.TCP, servers=base.listeners[0].servers)
    listeners = tuple(sorted((*base.listeners, extra), key=lambda each: each.port))
    told = await applier.preview(replace(base, idle_timeout_s=61, listeners=listeners), drain_s=0)
    assert told.why == ("idle timeout 60 s becomes 61 s", f"listener {other} (tcp) is added with 2 servers")
    assert where.configuration.read_text() == text
    assert await runtime.Runtime(where.admin_socket).observe() == seen
    assert count(instruments, "reload") == 0
    squatted = await asyncio.start_server(lambda *_: None, address, 0)
    taken = squatted.sockets[0].getsockname()[1]
    told = await applier.preview(
        replace(base, listeners=tuple(sorted((*base.listeners, replace(extra, port=taken)), key=lambda one: one.port))),
        drain_s=0,
    )
    squatted.close()
    assert (told.steps, [each.port for each in told.problems]) == ((), [taken])


async def test_hundreds_of_members_are_changed_with_few_questions(
    applier: apply.Applier, address: str, where: place.Place, instruments: meters.Meters
) -> None:
    port = free_port(address)
    servers = tuple(model.Server(f"i-{number:08x}", "127.0.0.1", 9, READY) for number in range(300))
    await applier.converge(wanted(address, port), drain_s=0)
    await applier.converge(wanted(address, port, servers=servers), drain_s=0)
    assert len((await runtime.Runtime(where.admin_socket).observe()).servers) == 300
    ill = tuple(replace(server, admin=MAINT) for server in servers)
    await applier.converge(wanted(address, port, servers=ill), drain_s=0)
    await applier.converge(wanted(address, port), drain_s=0)
    assert (await runtime.Runtime(where.admin_socket).observe()).servers == {}
    assert count(instruments, "reload") == 0
    assert differences(instruments) == {}


async def test_a_haproxy_that_is_slow_to_answer_is_not_replaced(
    applier: apply.Applier,
    address: str,
    backends: list[Backend],
    where: place.Place,
    binary: str,
    monkeypatch: pytest.MonkeyPatch,
    instruments: meters.Meters,
) -> None:
    port = free_port(address)
    base = wanted(address, port, backends[0])
    await applier.converge(base, drain_s=0)
    found = await master.Master(where, binary=binary, time=clock.SystemClock()).processes()
    genuine, silent_until = runtime.ask_all, time.monotonic() + 0.5

    async def slow(socket: Any, *commands: str, timeout_s: float) -> list[str]:
        if socket == where.master_socket and time.monotonic() < silent_until:
            raise runtime.Unreachable("overloaded")
        return await genuine(socket, *commands, timeout_s=timeout_s)

    monkeypatch.setattr(runtime, "ask_all", slow)
    assert not (await applier.converge(base, drain_s=0)).restructured
    silent_until = time.monotonic() + 60
    monkeypatch.setattr(master, "PATIENCE_S", 0.2)
    with pytest.raises(master.Unresponsive):
        await applier.converge(base, drain_s=0)
    assert (await get(address, port))[0] == "200"
    silent_until = 0.0
    await applier.converge(base, drain_s=0)
    assert await applier.master_pid() == found.master
    assert count(instruments, "start") == 1
