"""The agent as processes: kill -9 of either half under load, adoption, and what stop-data-plane ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from tests.integration.agent.conftest import Backend, Load, RedisServer, free_port, get

from elbflow import clock
from elbflow.contract import document
from elbflow_agent import ipc, meters, running
from elbflow_agent.certificates import private
from elbflow_agent.haproxy import master, place

VM = "i-0000000a"
NOT_LOADED = (
    "boto3",
    "cryptography.hazmat",
    "defusedxml",
    "elbflow.flow.decision_worker",
    "elbflow.service.sigv4",
    "elbflow.store",
    "elbflow_agent.certificates.client",
    "elbflow_agent.host",
    "jinja2",
    "sqlalchemy",
    "uvloop",
)
"""What the agent of one VM with one HTTP listener has no use for: modules are most of its 58 MB."""
KEY = document.LoadBalancerKey("000000000001", "web")


@dataclass
class Agents:
    """Agent processes of one test."""

    run_dir: Path
    broker: RedisServer
    address: str
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    async def servo(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "elbflow_agent", "run", "--role", "servo"),
            *("--instance-id", VM, "--address", self.address, "--run-dir", str(self.run_dir)),
            *("--redis-socket", str(self.broker.socket), "--log-level", "WARNING"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | self.environment,
        )
        self.running.append(process)
        return process

    async def stop(self, process: asyncio.subprocess.Process, number: signal.Signals) -> int:
        process.send_signal(number)
        self.running.remove(process)
        return await process.wait()

    async def stop_data_plane(self) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "elbflow_agent", "stop-data-plane", "--run-dir", str(self.run_dir)),
            *("--soft-s", "0.1"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 0
        return said.decode()


@pytest.fixture
async def agents(short_dir: Path, broker: RedisServer, address: str, binary: str) -> AsyncIterator[Agents]:
    made = Agents(short_dir / "vms", broker, address)
    yield made
    for process in made.running:
        process.kill()
        await process.wait()
    there = place.Place(made.run_dir / VM)
    await master.Master(there, binary=binary, time=clock.SystemClock()).stop(soft_s=0.05)


@pytest.fixture
async def client(broker: RedisServer) -> AsyncIterator[ipc.Client]:
    async with ipc.Client(
        ipc.unix_socket(broker.socket), time=clock.SystemClock(), instruments=meters.Meters()
    ) as made:
        yield made


def wanted(port: int, backend: Backend, generation: int = 1) -> document.LoadBalancerDocument:
    return document.LoadBalancerDocument(
        KEY,
        generation,
        "local-1a",
        listeners=(document.Listener(document.Protocol.HTTP, port, document.Protocol.HTTP, backend.port),),
        backends=(document.BackendInstance(backend.name, "127.0.0.1"),),
    )


async def apply(client: ipc.Client, wanted: document.LoadBalancerDocument) -> document.Applied:
    """As the worker would, but patient: the servo may still be starting."""
    async with asyncio.timeout(45):
        while True:
            with contextlib.suppress(ipc.NoServo):
                return await client.call(VM, ipc.APPLY, wanted, within_s=10)


async def test_traffic_goes_on_while_the_servo_is_killed_and_the_next_one_adopts(
    agents: Agents, client: ipc.Client, address: str, backends: list[Backend]
) -> None:
    port = free_port(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as systemd:
        systemd.bind(str(agents.run_dir.with_name("notify")))
        agents.environment["NOTIFY_SOCKET"] = systemd.getsockname()
        servo = await agents.servo()
        await apply(client, wanted(port, backends[0]))
        async with asyncio.timeout(10):
            assert await asyncio.get_running_loop().sock_recv(systemd, 100) == b"READY=1"
    assert (await get(address, port))[0] == "200"
    pid_file = agents.run_dir / VM / "haproxy.pid"
    before = pid_file.read_text()
    async with Load(address, port) as load:
        assert await agents.stop(servo, signal.SIGKILL) == -signal.SIGKILL
        await asyncio.sleep(0.3)
        second = await agents.servo()
        applied = await apply(client, wanted(port, backends[0], generation=2))
        assert applied.generation == 2
        assert await agents.stop(second, signal.SIGTERM) == 0
        await asyncio.sleep(0.3)
    assert load.failures == {}
    assert pid_file.read_text() == before
    # What is in memory stayed there until the machine was started anew.
    kept = await asyncio.to_thread(private.directory, agents.run_dir)
    left = kept / VM / "listeners" / "443.pem"
    left.parent.mkdir(mode=0o700, parents=True)
    left.write_bytes(b"a key")
    assert "1 HAProxy stopped" in await agents.stop_data_plane()
    assert not kept.exists()
    with pytest.raises(ConnectionRefusedError):
        await get(address, port)
    assert "0 HAProxy stopped" in await agents.stop_data_plane()


async def test_haproxy_inherits_no_secrets(
    agents: Agents,
    client: ipc.Client,
    address: str,
    backends: list[Backend],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"secret-{random.random()}")
    await agents.servo()
    await apply(client, wanted(free_port(address), backends[0]))
    pid = (agents.run_dir / VM / "haproxy.pid").read_text().strip()
    assert b"AWS_" not in Path(f"/proc/{pid}/environ").read_bytes()
    private_names = ("document.json", "haproxy.cfg", "admin.sock", "master.sock")
    modes = {name: oct((agents.run_dir / VM / name).stat().st_mode & 0o777) for name in private_names}
    assert set(modes.values()) == {"0o600"}, modes
    assert oct((agents.run_dir / VM).stat().st_mode & 0o777) == "0o700"
    assert os.getsid(int(pid)) == int(pid)


async def test_the_host_is_alone_and_drains_on_sigterm(
    short_dir: Path, broker: RedisServer, binary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SWF is not there yet: the control API works all the same."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    token, run_dir = short_dir / "token", short_dir / "vms"
    token.touch(0o600)
    token.write_text("sesame")
    command = (
        *(sys.executable, "-m", "elbflow_agent", "host", "--run-dir", str(run_dir), "--token-file", str(token)),
        *("--redis-socket", str(broker.socket), "--swf-endpoint", f"http://127.0.0.1:{free_port('127.0.0.1')}"),
        *("--network", f"127.{random.randrange(100, 250)}.0.0/16"),
    )
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    url = ""
    async with asyncio.timeout(45):
        while not url:
            event = json.loads(await process.stderr.readline())
            url = event["url"] if event["event"] == "admin_serving" else ""
    body = {"zone": "a", "account": "000000000001", "load_balancer": "web"}
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer sesame"}) as session:
        async with session.put(f"{url}/vms/i-1", json=body) as answer:
            assert (await answer.json())["state"] == "running"
        second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        _, said = await second.communicate()
        assert (second.returncode, b"another agent works in" in said) == (2, True)
        async with session.get(f"{url}/metrics") as answer:
            assert 'elbflow_agent_vms{state="running"} 1.0' in await answer.text()
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0
    assert await running.stop_data_plane(run_dir, binary, soft_s=0.05) == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["run", "--instance-id", "i-1", "--address", "nowhere"], "agent_address"),
        (["run", "--instance-id", "i 1", "--address", "127.0.0.1"], "agent_instance_id"),
        (["run", "--instance-id", "i-1", "--address", "127.0.0.1", "--haproxy", "/nonexistent"], "install haproxy"),
        (["host", "--token-file", "/nonexistent"], "No such file"),
    ],
)
async def test_wrong_settings_are_named(options: list[str], complaint: str, short_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "elbflow_agent", *options),
        *("--run-dir", str(short_dir), "--redis-socket", str(short_dir / "redis.sock")),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert complaint in said.decode()


async def test_an_agent_that_serves_plain_http_has_loaded_nothing_more(
    agents: Agents, client: ipc.Client, address: str, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules));"
        "from elbflow_agent.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-OO", "-c", program, "run", "--instance-id", VM, "--address", address),
        *("--run-dir", str(agents.run_dir), "--redis-socket", str(agents.broker.socket)),
        *("--swf-endpoint", f"http://127.0.0.1:{free_port('127.0.0.1')}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    agents.running.append(process)
    port = free_port(address)
    applied = await apply(client, wanted(port, backends[0]))
    assert (applied.problems, (await get(address, port))[0]) == ((), "200")
    process.terminate()
    agents.running.remove(process)
    loaded = (await process.communicate())[0].decode().split()
    assert "elbflow_agent.servo.servo" in loaded
    assert [name for name in loaded if name.startswith(NOT_LOADED)] == []
