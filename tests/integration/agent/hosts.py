"""Hosts of many VMs over a real SWF engine core, Redis and HAProxy."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import prometheus_client
import pytest
from tests.integration.agent.conftest import Backend, RedisServer

from elbflow import clock, flow, polling, swf
from elbflow.contract import document, names, vm_activities
from elbflow_agent import ipc, meters, running
from elbflow_agent.haproxy import place
from elbflow_agent.host import Host
from elbflow_agent.host.vm import VmShared
from elbflow_agent.worker import Workers
from elbflow_engine.testing import SwfDouble

ACCOUNT = "000000000001"


class MakeHost(Protocol):
    """A host in the same run directory each time; ``prefix`` is that of its network."""

    def __call__(self, *, prefix: int = 24) -> AbstractAsyncContextManager[Host]: ...


@dataclass(frozen=True)
class Push:
    vm: str
    document: document.LoadBalancerDocument


PUSH = flow.WorkflowSignature(
    "push", "1.0", Push, document.Applied, execution_timeout=timedelta(minutes=5), decision_timeout=timedelta(minutes=1)
)
WATCH = flow.WorkflowSignature(
    "watch",
    "1.0",
    str,
    document.HealthReport,
    execution_timeout=timedelta(minutes=5),
    decision_timeout=timedelta(minutes=1),
)


@flow.workflow(PUSH)
class PushDocument:
    async def run(self, request: Push) -> document.Applied:
        return await vm_activities.set_load_balancer.using(task_list=request.vm)(request.document)


@flow.workflow(WATCH)
class WatchHealth:
    async def run(self, vm: str) -> document.HealthReport:
        status = vm_activities.get_instance_status.using(task_list=vm)
        first = await status("")
        second = await status(first.digest)
        metrics = vm_activities.get_cloudwatch_metrics.using(task_list=vm)
        assert (await metrics(0.1, 0)).sequence > 0
        return second


@pytest.fixture
async def engine() -> AsyncIterator[SwfDouble]:
    async with SwfDouble(clock.SystemClock(), random.Random(1)) as double:
        await double.register_domain(names.DOMAIN, retention_days=1)
        yield double


@pytest.fixture
async def workflows(engine: SwfDouble) -> AsyncIterator[flow.Client]:
    async with (
        polling.Scheduler(engine, profile=polling.EndpointProfile.local(), identity="test") as scheduler,
        flow.DecisionWorker(
            engine,
            scheduler,
            domain=names.DOMAIN,
            task_list=names.TASK_LIST,
            workflows=[PushDocument, WatchHealth],
            slots=8,
            identity="test",
        ),
    ):
        yield flow.Client(engine, names.DOMAIN, names.TASK_LIST)


@pytest.fixture
async def make_host(short_dir: Path, broker: RedisServer, engine: SwfDouble, binary: str) -> AsyncIterator[MakeHost]:
    first = f"127.{random.randrange(100, 250)}.{random.randrange(250)}.0"
    run_dir, time, instruments = short_dir / "vms", clock.SystemClock(), meters.Meters()

    @asynccontextmanager
    async def make(*, prefix: int = 24) -> AsyncIterator[Host]:
        network = ipaddress.IPv4Network(f"{first}/{prefix}")
        connect = ipc.unix_socket(broker.socket)
        async with (
            ipc.Server(connect, time=time, instruments=instruments) as server,
            ipc.Client(connect, time=time, instruments=instruments) as client,
            polling.Scheduler(engine, profile=polling.EndpointProfile.local(), identity="host") as scheduler,
        ):
            workers = Workers(
                engine,
                scheduler,
                client,
                names.DOMAIN,
                "host",
                time,
                random.Random(),
                flow.Metrics(prometheus_client.CollectorRegistry()),
            )
            shared = VmShared(
                run_dir=run_dir,
                binary=binary,
                limits=place.Limits(500, 5),
                removal_grace_s=1.0,
                server=server,
                workers=workers,
                time=time,
                rng=random.Random(),
                instruments=instruments,
                starting=asyncio.Semaphore(4),
            )
            async with Host(network, shared, stop_soft_s=0.2) as host:
                yield host
                scheduler.stop()

    yield make
    await running.stop_data_plane(run_dir, binary, soft_s=0.05)


def wanted(
    name: str,
    port: int,
    backend: Backend,
    generation: int = 1,
    *,
    protocol: document.Protocol = document.Protocol.HTTP,
    draining_s: int | None = None,
) -> document.LoadBalancerDocument:
    attributes = document.Attributes(draining_enabled=draining_s is not None, draining_timeout_s=draining_s or 300)
    return document.LoadBalancerDocument(
        document.LoadBalancerKey(ACCOUNT, name),
        generation,
        "local-1a",
        listeners=(document.Listener(protocol, port, protocol, backend.port),),
        backends=(document.BackendInstance(backend.name, "127.0.0.1"),),
        attributes=attributes,
    )


async def push(workflows: flow.Client, vm: str, wanted: document.LoadBalancerDocument) -> document.Applied:
    workflow_id = f"push-{vm}-{wanted.generation}-{random.random()}"
    run_id = await workflows.start(PUSH, workflow_id, Push(vm, wanted))
    execution = swf.Execution(workflow_id, run_id)
    return await workflows.result(PUSH, execution, deadline_s=20, clock=clock.SystemClock())


async def launch(host: Host, vm: str, name: str) -> str:
    view = await host.put(vm, zone="local-1a", account=ACCOUNT, load_balancer=name)
    assert view.state == "running"
    return view.record.address
