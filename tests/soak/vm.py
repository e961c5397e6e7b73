"""One load-balancer VM as it runs in production: Redis, servo, worker and SWF, each a process that may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.soak import certificates
from tests.soak.engines import Engine

from elbflow import clock, flow, polling, swf
from elbflow.contract import document, names, vm_activities
from elbflow_agent.haproxy import master, place, running, runtime

VM = "i-0000000a"
TASK_LIST = "soak"
EXPECTED_ERRORS = frozenset({"loop_blocked"})
"""Errors in the agent's log that speak of the machine's load alone."""


@dataclass(frozen=True)
class Push:
    """A document for the VM."""

    document: document.LoadBalancerDocument


PUSH = flow.WorkflowSignature(
    "push", "1.0", Push, document.Applied, execution_timeout=timedelta(minutes=5), decision_timeout=timedelta(minutes=1)
)
PATIENT = vm_activities.set_load_balancer.using(
    task_list=VM,
    schedule_to_start=timedelta(seconds=30),
    start_to_close=timedelta(seconds=2),
    schedule_to_close=None,
    retry=flow.RetryPolicy(20, timedelta(seconds=0), maximum=timedelta(seconds=1)),
)
"""A worker that was killed is missed after two seconds."""


@flow.workflow(PUSH)
class PushDocument:
    async def run(self, request: Push) -> document.Applied:
        return await PATIENT(request.document)


@dataclass
class Vm:
    """Start everything with :func:`launched`."""

    directory: Path
    address: str
    environment: dict[str, str]
    engine_url: str = ""
    workflows: flow.Client | None = None
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)

    @property
    def where(self) -> place.Place:
        return place.Place(self.directory / "vms" / VM)

    @property
    def certificates(self) -> Path:
        """Where the servo finds server certificates."""
        return self.directory / "certificates"

    @property
    def redis_socket(self) -> Path:
        return self.directory / "redis.sock"

    async def start(self, role: str) -> None:
        """``redis``, ``servo`` or ``worker``."""
        with await asyncio.to_thread(open, self._log(role), "ab") as log:
            self.processes[role] = await asyncio.create_subprocess_exec(
                *self._command(role), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )

    async def kill(self, role: str) -> None:
        """SIGKILL."""
        process = self.processes.pop(role)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        self.kills[role] = self.kills.get(role, 0) + 1

    async def push(self, wanted: document.LoadBalancerDocument, within_s: float = 60.0) -> document.Applied:
        """Have the VM serve ``wanted``, through SWF."""
        assert self.workflows is not None
        workflow_id = f"push-{wanted.generation}-{random.getrandbits(32):x}"
        run_id = await self.workflows.start(PUSH, workflow_id, Push(wanted))
        execution = swf.Execution(workflow_id, run_id)
        return await self.workflows.result(PUSH, execution, deadline_s=within_s, clock=clock.SystemClock())

    async def first_push(self, wanted: document.LoadBalancerDocument) -> None:
        """Push it as soon as the worker has introduced itself to SWF."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(flow.WorkflowFailed):
                    await self.push(wanted)
                    return
                await asyncio.sleep(0.1)

    async def observed(self) -> running.Running:
        """What HAProxy serves, by its own words."""
        return await runtime.Runtime(self.where.admin_socket).observe()

    async def haproxy(self) -> running.Processes:
        return await self._master().processes()

    def complaints(self) -> list[str]:
        """Errors that the agent logged, oldest first. Blocking."""
        found = []
        for role in ("servo", "worker"):
            for line in self._log(role).read_text().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    found.append(f"{role}: {line}")
                    continue
                if entry.get("level") in ("error", "critical") and entry["event"] not in EXPECTED_ERRORS:
                    found.append(f"{role}: {line}")
        return found

    async def stop(self) -> None:
        """End everything, HAProxy too."""
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self._master().stop(soft_s=0.05)

    def _master(self) -> master.Master:
        return master.Master(self.where, binary="haproxy", time=clock.SystemClock())

    def _log(self, role: str) -> Path:
        return self.directory / f"{role}.log"

    def _command(self, role: str) -> tuple[str, ...]:
        if role == "redis":
            return (
                *("redis-server", "--port", "0", "--unixsocket", str(self.redis_socket), "--unixsocketperm", "600"),
                *("--save", "", "--appendonly", "no", "--dir", str(self.directory)),
            )
        program = ["elbflow_agent"] if role == "worker" else ["tests.soak.certificates", str(self.certificates)]
        return (
            *(sys.executable, "-m", *program, "run", "--role", role, "--instance-id", VM),
            *("--address", self.address, "--run-dir", str(self.directory / "vms")),
            *("--redis-socket", str(self.redis_socket), "--log-level", "WARNING", "--log-format", "json"),
            *(("--swf-endpoint", self.engine_url) if role == "worker" else ()),
            *("--admin-port", "0"),
        )


@contextlib.asynccontextmanager
async def launched(directory: Path, address: str, *, hard_stop_s: int) -> AsyncIterator[Vm]:
    """A VM with an SWF of its own."""
    keys = Path(tempfile.mkdtemp(prefix="soak", dir="/dev/shm"))
    engine = await Engine.start(directory / "engine")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ELBFLOW_")},
        "AWS_ACCESS_KEY_ID": "soak",
        "AWS_SECRET_ACCESS_KEY": "soak",
        "ELBFLOW_AGENT_HARD_STOP_S": str(hard_stop_s),
        certificates.KEYS: str(keys),
    }
    vm = Vm(directory, address, environment)
    vm.certificates.mkdir()
    try:
        for role in ("redis", "servo"):
            await vm.start(role)
        await engine.serving()
        vm.engine_url = engine.url
        await vm.start("worker")
        async with _workflows(engine.url) as vm.workflows:
            yield vm
    finally:
        await vm.stop()
        await engine.kill()
        shutil.rmtree(keys)


@contextlib.asynccontextmanager
async def _workflows(url: str) -> AsyncIterator[flow.Client]:
    settings = swf.ClientSettings(region="us-east-1", endpoint_urls=(url,), poll_connections=4, data_connections=4)
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "soak")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "soak")
    async with (
        swf.Client.open(settings) as service,
        polling.Scheduler(service, profile=polling.EndpointProfile.local(), identity="soak") as scheduler,
    ):
        with contextlib.suppress(swf.AlreadyExists):
            await service.register_domain(names.DOMAIN, retention_days=1)
        async with flow.DecisionWorker(
            service,
            scheduler,
            domain=names.DOMAIN,
            task_list=TASK_LIST,
            workflows=[PushDocument],
            slots=2,
            identity="soak",
        ):
            yield flow.Client(service, names.DOMAIN, TASK_LIST)
            scheduler.stop()
