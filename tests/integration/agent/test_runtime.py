"""The runtime API client and the master against a real HAProxy: refusals are errors, failures leave the old state."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from tests.integration.agent.conftest import Backend, exchange, free_port, get
from tests.integration.agent.test_apply import wanted

from elbflow import clock, errors
from elbflow_agent.haproxy import apply, diff, master, model, orders, place, runtime


@pytest.fixture
async def port(applier: apply.Applier, address: str, backends: list[Backend]) -> int:
    """A listener with one server."""
    chosen = free_port(address)
    await applier.converge(wanted(address, chosen, backends[0]), drain_s=0)
    return chosen


@pytest.fixture
def api(where: place.Place) -> runtime.Runtime:
    return runtime.Runtime(where.admin_socket)


async def test_servers_are_added_steered_and_removed(
    api: runtime.Runtime, port: int, address: str, backends: list[Backend]
) -> None:
    key = (model.backend_name(port), "i-new")
    server = model.Server("i-new", "127.0.0.1", backends[1].port)
    await api.carry_out(orders.add_server(key[0], server, ""))
    assert (await api.observe()).servers[key].admin is model.Admin.MAINT
    await api.carry_out(
        orders.set_state(key, model.Admin.READY), orders.set_state((key[0], backends[0].name), model.Admin.MAINT)
    )
    assert (await get(address, port))[2] == backends[1].name
    await api.carry_out(orders.set_address(key, "127.0.0.1", backends[2].port))
    assert (await get(address, port))[2] == backends[2].name
    with pytest.raises(runtime.Refused):
        await api.carry_out(orders.delete_server(key))
    await api.carry_out(orders.set_state(key, model.Admin.MAINT))
    await api.carry_out(orders.delete_server(key))
    assert key not in (await api.observe()).servers


async def test_what_haproxy_refuses_is_an_error(api: runtime.Runtime, port: int) -> None:
    nobody = (model.backend_name(port), "i-nobody")
    with pytest.raises(runtime.Refused, match="No such server"):
        await api.carry_out(orders.set_state(nobody, model.Admin.READY))
    with pytest.raises(runtime.Refused):
        await api.carry_out(orders.set_address(nobody, "127.0.0.1", 1))
    with pytest.raises(runtime.Refused):
        await api.carry_out(orders.compute_cookies("be-nowhere"))


async def test_a_server_with_sessions_is_busy(
    api: runtime.Runtime, port: int, address: str, backends: list[Backend]
) -> None:
    backends[0].delay_s = 0.5
    key = (model.backend_name(port), backends[0].name)
    request = asyncio.create_task(get(address, port))
    await asyncio.sleep(0.2)
    await api.carry_out(orders.set_state(key, model.Admin.MAINT))
    with pytest.raises(runtime.Busy):
        await api.carry_out(orders.delete_server(key))
    assert (await request)[0] == "200"
    for change in diff.release(key):
        await api.carry_out(orders.of(change))
    await api.carry_out(orders.delete_server(key))


async def test_one_command_at_a_time(where: place.Place, port: int) -> None:
    for smuggled in ("show info;show stat", "show info\nshow stat"):
        with pytest.raises(errors.Defect):
            await runtime.ask(where.admin_socket, smuggled, timeout_s=1.0)
        with pytest.raises(errors.Defect):
            await runtime.ask_all(where.admin_socket, "show info", smuggled, timeout_s=1.0)


async def test_one_connection_brings_the_answers_of_one_worker(
    applier: apply.Applier, api: runtime.Runtime, where: place.Place, port: int
) -> None:
    info, servers, table = await runtime.ask_all(
        where.admin_socket, "show info", "show servers state", "show stat", timeout_s=5.0
    )
    assert info.startswith("Name: HAProxy")
    assert servers.startswith("1\n# be_id")
    assert table.startswith("# pxname")
    seen = await api.observe()
    assert seen.ports == {port}
    assert (seen.tag, seen.pid) == await api.info()
    assert (await api.statistics())[0] == seen.pid
    with pytest.raises(runtime.Unreachable, match="1 answers to 2"):
        await runtime.ask_all(
            where.admin_socket, f"enable server {next(iter(seen.servers))[0]}/i-none", "quit", timeout_s=5.0
        )


async def test_nobody_there(where: place.Place) -> None:
    with pytest.raises(runtime.Unreachable):
        await runtime.Runtime(where.admin_socket).info()


async def test_a_refused_reload_keeps_the_worker_and_its_file(
    applier: apply.Applier,
    api: runtime.Runtime,
    where: place.Place,
    port: int,
    address: str,
    backends: list[Backend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The port is taken between the look and the reload."""
    before, text = await api.info(), where.configuration.read_text()
    monkeypatch.setattr("elbflow_agent.haproxy.ports.obstacle", lambda *_: None)
    with socket.socket() as squatter:
        squatter.bind((address, 0))
        squatter.listen()
        other = model.Listener(squatter.getsockname()[1], model.Mode.TCP)
        base = wanted(address, port, backends[0])
        both = replace(base, listeners=tuple(sorted((*base.listeners, other), key=lambda one: one.port)))
        with pytest.raises(master.ReloadRefused):
            await applier.converge(both, drain_s=0)
        assert await api.info() == before
        assert where.configuration.read_text() == text
        assert (await get(address, port))[0] == "200"
    assert (await applier.converge(both, drain_s=0)).restructured


async def test_a_start_that_fails_says_why(
    applier: apply.Applier, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elbflow_agent.haproxy.ports.obstacle", lambda *_: None)
    with socket.socket() as squatter:
        squatter.bind((address, 0))
        squatter.listen()
        only = model.Model(address, 60, (model.Listener(squatter.getsockname()[1], model.Mode.TCP),))
        with pytest.raises(master.StartFailed, match="Address already in use"):
            await applier.converge(only, drain_s=0)
    assert (await applier.converge(only, drain_s=0)).restructured


async def test_stopping_lets_connections_finish(
    port: int, address: str, backends: list[Backend], where: place.Place, binary: str
) -> None:
    backends[0].delay_s = 0.4
    reader, writer = await asyncio.open_connection(address, port)
    request = asyncio.create_task(exchange(reader, writer))
    await asyncio.sleep(0.1)
    subject = master.Master(where, binary=binary, time=clock.SystemClock())
    await subject.stop(soft_s=5)
    assert (await request)[0] == "200"
    assert await subject.adopt() is None
    await subject.stop(soft_s=5)
    writer.close()


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02, 0.04])
async def test_a_cancelled_start_leaves_nobodys_haproxy(
    applier: apply.Applier, address: str, where: place.Place, binary: str, after_s: float
) -> None:
    starting = asyncio.create_task(applier.converge(model.Model(address), drain_s=0))
    while not where.configuration.exists() and not starting.done():
        await asyncio.sleep(0.001)
    await asyncio.sleep(after_s)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await applier.stop(soft_s=0.1)
    await asyncio.sleep(0.3)
    assert await master.Master(where, binary=binary, time=clock.SystemClock()).adopt() is None


@pytest.fixture
async def cut_off(where: place.Place) -> AsyncIterator[Callable[[str], None]]:
    """Has both sockets of HAProxy give an answer and close."""
    answer = ""

    def give(text: str) -> None:
        nonlocal answer
        answer = text

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(answer.encode())
        writer.close()
        await writer.wait_closed()

    async with contextlib.AsyncExitStack() as stack:
        for path in (where.admin_socket, where.master_socket):
            await stack.enter_async_context(await asyncio.start_unix_server(serve, path))
        yield give
    for path in (where.admin_socket, where.master_socket):
        path.unlink(missing_ok=True)


async def test_an_answer_that_is_cut_off_is_none(
    cut_off: Callable[[str], None], where: place.Place, api: runtime.Runtime, binary: str
) -> None:
    info, servers = "Pid: 7\ndescription: tag\n", "1\n# be_id be_name srv_id srv_name srv_addr\n"
    table = "# pxname,svname,\nfe-80,FRONTEND,\nfe-443,FRONTEND,\n"
    whole = f"{info}\n{servers}\n{table}\n"
    cut_off(whole)
    assert (await api.observe()).ports == {80, 443}
    for length in range(len(whole)):
        cut_off(whole[:length])
        with pytest.raises(runtime.Unreachable):
            await api.observe()
    subject = master.Master(where, binary=binary, time=clock.SystemClock())
    for length in range(len(table) + 1):
        cut_off(f"{table}\n"[:length])
        with pytest.raises(runtime.Unreachable, match=f"cut off after {length} characters"):
            await subject.old_worker_statistics(7)
    cut_off(f"{table}\n")
    assert await subject.old_worker_statistics(7) == table.removesuffix("\n")


async def test_a_command_without_an_answer_was_perhaps_not_carried_out(
    cut_off: Callable[[str], None], api: runtime.Runtime
) -> None:
    cut_off("")
    with pytest.raises(runtime.Unreachable, match="cut off"):
        await api.carry_out(orders.set_state(("be-80", "i-1"), model.Admin.READY))
    cut_off("\n")
    await api.carry_out(orders.set_state(("be-80", "i-1"), model.Admin.READY))
