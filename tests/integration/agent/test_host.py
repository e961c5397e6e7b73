"""The host over a real SWF engine core, Redis and HAProxy: many VMs, restarts, the control API."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import aiohttp
import pydantic
import pytest
from aiohttp import web
from tests.integration.agent.conftest import Backend, Load, free_port, get
from tests.integration.agent.hosts import (
    ACCOUNT,
    WATCH,
    MakeHost,
    engine,
    launch,
    make_host,
    push,
    wanted,
    workflows,
)

from elbflow import clock, flow, swf
from elbflow.contract import document
from elbflow_agent.host import VmConflict, api
from elbflow_agent.servo import Servo

__all__ = ["engine", "make_host", "workflows"]  # fixtures


async def test_ten_vms_serve_their_own_documents_and_survive_a_restart(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend]
) -> None:
    vms = {f"i-{number:08x}": f"lb{number}" for number in range(10)}
    port = free_port("127.0.0.1")
    async with make_host() as host:
        addresses = dict(
            zip(vms, await asyncio.gather(*(launch(host, vm, name) for vm, name in vms.items())), strict=True)
        )
        assert len(set(addresses.values())) == 10
        applied = await asyncio.gather(
            *(push(workflows, vm, wanted(name, port, backends[0])) for vm, name in vms.items())
        )
        assert {each.problems for each in applied} == {()}
        answers = await asyncio.gather(*(get(address, port) for address in addresses.values()))
        assert {status for status, _, _ in answers} == {"200"}
        pids = {view.record.instance_id: view.servo.haproxy_pid for view in host.vms() if view.servo}
    victim = "i-00000003"
    async with Load(addresses[victim], port) as load, make_host() as host:
        for vm, name in vms.items():
            assert await launch(host, vm, name) == addresses[vm]
        again = {view.record.instance_id: view.servo.haproxy_pid for view in host.vms() if view.servo}
        assert again == pids
        applied_again = await push(workflows, victim, wanted(vms[victim], port, backends[0], generation=2))
        assert applied_again.generation == 2
    assert load.failures == {}


async def test_deleting_ends_everything_and_may_be_repeated(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], short_dir: Path
) -> None:
    port = free_port("127.0.0.1")
    async with make_host() as host:
        address = await launch(host, "i-1", "web")
        await push(workflows, "i-1", wanted("web", port, backends[0]))
        await asyncio.gather(host.delete("i-1"), host.delete("i-1"))
        assert host.vms() == []
        with pytest.raises(ConnectionRefusedError):
            await get(address, port)
        assert list((short_dir / "vms").iterdir()) == []
        await host.delete("i-1")
        assert await launch(host, "i-1", "web") == address
    async with make_host() as host:
        await host.delete("i-1")
    async with make_host() as host:
        assert host.vms() == []


async def test_deleting_a_vm_that_failed_ends_its_haproxy(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had one before: nobody would ever have ended that, and the keys in its memory."""
    port = free_port("127.0.0.1")

    async def broken(_: Servo) -> Servo:
        raise RuntimeError("a defect")

    async with make_host() as host:
        address = await launch(host, "i-1", "web")
        await push(workflows, "i-1", wanted("web", port, backends[0]))
    with monkeypatch.context() as patched:
        patched.setattr(Servo, "__aenter__", broken)
        async with make_host() as host:
            view = await host.put("i-1", zone="local-1a", account=ACCOUNT, load_balancer="web")
            assert view.state == "failed"
            assert (await get(address, port))[0] in ("200", "503")
            await host.delete("i-1")
            with pytest.raises(ConnectionRefusedError):
                await get(address, port)


async def test_conflicting_launches_are_refused(make_host: MakeHost) -> None:
    async with make_host() as host:
        await launch(host, "i-1", "web")
        with pytest.raises(VmConflict):
            await host.put("i-1", zone="local-1a", account=ACCOUNT, load_balancer="other")
        await launch(host, "i-1", "web")


async def test_a_stopping_host_answers_the_activities_that_wait(
    make_host: MakeHost, workflows: flow.Client, backends: list[Backend]
) -> None:
    async with make_host() as host:
        await launch(host, "i-1", "web")
        await push(workflows, "i-1", wanted("web", free_port("127.0.0.1"), backends[0]))
        run_id = await workflows.start(WATCH, "watch", "i-1")
        await asyncio.sleep(0.5)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    execution = swf.Execution("watch", run_id)
    with pytest.raises(flow.StillRunning):
        await workflows.result(WATCH, execution, deadline_s=0.3, clock=clock.SystemClock())
    async with make_host():
        report = await workflows.result(WATCH, execution, deadline_s=20, clock=clock.SystemClock())
    assert [each.instance_id for each in report.instances] == [backends[0].name]


async def test_the_control_api(make_host: MakeHost) -> None:
    app = web.Application()
    body = {"zone": "local-1a", "account": ACCOUNT, "load_balancer": "web"}
    async with make_host() as host, contextlib.AsyncExitStack() as stack:
        api.ControlApi(host, "sesame").add_to(app)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = site.name
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def call(method: str, path: str, json: object = None, token: str = "sesame") -> tuple[int, object]:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.request(method, url + path, json=json, headers=headers) as answer:
                return answer.status, await answer.json()

        for path in ("/vms", "/vms/i-1"):
            assert (await call("GET", path, token="wrong"))[0] == 401
        assert (await call("PUT", "/vms/i-1", body, token=""))[0] == 401
        assert (await call("DELETE", "/vms/i-1", token="sesam"))[0] == 401
        assert await call("GET", "/vms") == (200, [])
        assert (await call("GET", "/vms/i-1"))[0] == 404
        status, made = await call("PUT", "/vms/i-1", body)
        assert isinstance(made, dict)
        assert (status, made["instance_id"], made["zone"], made["state"]) == (200, "i-1", "local-1a", "running")
        assert await call("PUT", "/vms/i-1", body) == (200, made)
        assert await call("GET", "/vms") == (200, [made])
        status, shown = await call("GET", "/vms/i-1")
        assert isinstance(shown, dict)
        assert shown["servo"]["haproxy_pid"] > 0
        planned = pydantic.TypeAdapter(document.LoadBalancerDocument).dump_python(
            wanted("web", free_port("127.0.0.1"), Backend("i-back", 9)), mode="json"
        )
        status, told = await call("POST", "/vms/i-1/plan", planned)
        assert isinstance(told, dict)
        assert (status, {step["means"] for step in told["steps"]}) == (200, {"reload"})
        assert any("(http) is added with 1 server" in reason for reason in told["why"])
        assert (await call("POST", "/vms/i-1/plan", planned))[1] == told
        other = {**planned, "key": {"account": ACCOUNT, "name": "other"}}
        assert [(await call("POST", "/vms/i-1/plan", bad))[0] for bad in (other, {}, None)] == [400, 400, 400]
        assert (await call("POST", "/vms/i-2/plan", planned))[0] == 404
        assert (await call("PUT", "/vms/i-1", {**body, "load_balancer": "other"}))[0] == 409
        unacceptable: list[object] = [{}, {**body, "account": "me"}, {**body, "extra": 1}, [], None]
        for bad in unacceptable:
            assert (await call("PUT", "/vms/i-2", bad))[0] == 400
        assert (await call("PUT", "/vms/..%2Fx", body))[0] in (400, 404)
        gone = {"instance_id": "i-1", "state": "terminated"}
        assert await call("DELETE", "/vms/i-1") == (200, gone)
        assert await call("DELETE", "/vms/i-1") == (200, gone)
