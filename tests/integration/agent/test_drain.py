"""What becomes of the traffic of a VM that is deleted: its zone was disabled, or its load balancer scaled in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.agent.conftest import Backend, Load, exchange, free_port, get
from tests.integration.agent.hosts import ACCOUNT, MakeHost, engine, launch, make_host, push, wanted, workflows

from elbflow import clock, flow
from elbflow.contract import document
from elbflow_agent.host import Host, records

__all__ = ["engine", "make_host", "workflows"]  # fixtures
LONG_S = 60


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


async def refused(address: str, port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        await get(address, port)


def states(host: Host) -> dict[str, str]:
    return {view.record.instance_id: view.state.value for view in host.vms()}


async def serving(host: Host, workflows: flow.Client, port: int, backend: Backend) -> str:
    """Address of VM ``i-1``, which has long to drain."""
    address = await launch(host, "i-1", "web")
    await push(workflows, "i-1", wanted("web", port, backend, draining_s=LONG_S))
    return address


async def begun(address: str, port: int, backend: Backend) -> asyncio.Task[tuple[str, dict[str, str], str]]:
    """A request that has reached the back end."""
    before = backend.requests
    task = asyncio.create_task(get(address, port))
    await until(lambda: backend.requests > before)
    return task


async def test_a_request_in_flight_outlives_its_vm(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], short_dir: Path
) -> None:
    """It takes longer than VMs without draining have; the VM ends with it, long before the draining timeout."""
    port, slow = free_port("127.0.0.1"), backends[0]
    async with make_host() as host:
        address = await serving(host, workflows, port, slow)
        slow.delay_s = 2.5
        asked = await begun(address, port, slow)
        await host.delete("i-1")
        assert states(host) == {"i-1": "draining"}
        await refused(address, port)
        await host.delete("i-1")
        assert not asked.done()
        status, headers, body = await asked
        assert (status, headers["connection"], body) == ("200", "close", slow.name)
        await until(lambda: not host.vms())
        assert os.listdir(short_dir / "vms") == []


async def test_a_kept_connection_is_closed_behind_its_next_answer(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend]
) -> None:
    """A client that sends a request while the VM goes must not find its connection closed."""
    port = free_port("127.0.0.1")
    async with make_host() as host:
        address = await serving(host, workflows, port, backends[0])
        reader, writer = await asyncio.open_connection(address, port)
        assert (await exchange(reader, writer))[0] == "200"
        await host.delete("i-1")
        assert states(host) == {"i-1": "draining"}
        status, headers, _ = await exchange(reader, writer)
        assert (status, headers["connection"]) == ("200", "close")
        assert await reader.read() == b""
        writer.close()
        await until(lambda: not host.vms())


async def test_no_request_of_a_busy_vm_is_cut(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend]
) -> None:
    """Eight clients with kept connections, request after request: new connections are refused, and that is all."""
    port, backend = free_port("127.0.0.1"), backends[0]
    backend.delay_s = 0.01
    async with make_host() as host:
        address = await serving(host, workflows, port, backend)
        async with Load(address, port) as load:
            await host.delete("i-1")
            await until(lambda: not host.vms())
        assert load.results["200"] > 0
        assert load.failures.keys() == {"ConnectionRefusedError"}


@pytest.mark.parametrize("draining_s", [None, 1])
async def test_what_does_not_end_is_ended(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], draining_s: int | None
) -> None:
    """A TCP stream: with the draining timeout, or with what VMs have without one."""
    port = free_port("127.0.0.1")
    async with make_host() as host:
        address = await launch(host, "i-1", "web")
        stream = wanted("web", port, backends[0], protocol=document.Protocol.TCP, draining_s=draining_s)
        await push(workflows, "i-1", stream)
        reader, writer = await asyncio.open_connection(address, port)
        await exchange(reader, writer)
        await host.delete("i-1")
        assert await reader.read() == b""
        writer.close()
        await until(lambda: not host.vms())


async def test_a_vm_without_connections_is_gone_at_once(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend]
) -> None:
    port = free_port("127.0.0.1")
    async with make_host() as host:
        address = await serving(host, workflows, port, backends[0])
        assert (await get(address, port))[0] == "200"
        await host.delete("i-1")
        assert host.vms() == []


@pytest.mark.parametrize("instance_id", ["i-1", "i-2"])
async def test_another_vm_serves_at_the_address_of_one_that_finishes(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], instance_id: str, short_dir: Path
) -> None:
    """Also under the same instance id, whose files and task list are the new one's then."""
    port, slow, quick = free_port("127.0.0.1"), backends[0], backends[1]
    async with make_host(prefix=30) as host:
        address = await serving(host, workflows, port, slow)
        slow.delay_s = 4.0
        asked = await begun(address, port, slow)
        await host.delete("i-1")
        assert await launch(host, instance_id, "web") == address
        applied = await push(workflows, instance_id, wanted("web", port, quick, generation=2))
        assert applied.problems == ()
        assert (await get(address, port))[2] == quick.name
        assert not asked.done()
        assert (await asked)[2] == slow.name
        await until(lambda: len(os.listdir(short_dir / "vms")) == 1)
        assert states(host) == {instance_id: "running"}
        assert (await get(address, port))[2] == quick.name
    async with make_host(prefix=30) as host:
        assert await launch(host, instance_id, "web") == address
        assert (await get(address, port))[2] == quick.name
        await host.delete(instance_id)
        assert host.vms() == []


async def test_a_host_that_restarts_goes_on_to_see_vms_off(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], short_dir: Path
) -> None:
    port, slow = free_port("127.0.0.1"), backends[0]
    async with make_host() as host:
        address = await serving(host, workflows, port, slow)
        slow.delay_s = 3.0
        asked = await begun(address, port, slow)
        await host.delete("i-1")
    async with make_host() as host:
        assert states(host) == {"i-1": "draining"}
        await refused(address, port)
        assert not asked.done()
        assert (await asked)[0] == "200"
        await until(lambda: not host.vms())
        assert os.listdir(short_dir / "vms") == []


async def test_a_host_that_was_away_for_long_ends_what_is_overdue(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], short_dir: Path
) -> None:
    port = free_port("127.0.0.1")
    async with make_host() as host:
        address = await launch(host, "i-1", "web")
        stream = wanted("web", port, backends[0], protocol=document.Protocol.TCP, draining_s=LONG_S)
        await push(workflows, "i-1", stream)
        reader, writer = await asyncio.open_connection(address, port)
        await exchange(reader, writer)
        await host.delete("i-1")
    (record,) = await asyncio.to_thread(records.load_all, short_dir / "vms")
    assert record.ends_at is not None
    assert record.ends_at > clock.SystemClock().now()
    overdue = records.VmRecord("i-1", address, "local-1a", ACCOUNT, "web", ends_at=1.0)
    await asyncio.to_thread(records.save, short_dir / "vms", overdue)
    async with make_host() as host:
        assert await reader.read() == b""
        writer.close()
        await until(lambda: not host.vms())


async def test_a_deletion_that_was_not_carried_out_is(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], short_dir: Path
) -> None:
    """The host was killed between writing down that the VM ends and telling HAProxy."""
    port = free_port("127.0.0.1")
    async with make_host() as host:
        address = await launch(host, "i-1", "web")
        await push(workflows, "i-1", wanted("web", port, backends[0]))
    assert (await get(address, port))[0] == "200"
    ending = records.VmRecord("i-1", address, "local-1a", ACCOUNT, "web", ends_at=clock.SystemClock().now() + LONG_S)
    await asyncio.to_thread(records.save, short_dir / "vms", ending)
    async with make_host() as host:
        await until(lambda: not host.vms())
        await refused(address, port)
