"""A VM under an original control plane: a real SWF engine core, worker, Redis, servo and HAProxy, with traffic."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from tests import original_messages
from tests.integration.agent.conftest import Backend, Load, RedisServer, free_port, get

from elbflow import clock, flow, polling, swf
from elbflow.contract import document
from elbflow_agent import assembly, ipc, meters
from elbflow_agent.haproxy import place
from elbflow_agent.servo import Servo, ServoOptions
from elbflow_agent.worker import Workers
from elbflow_engine.testing import SwfDouble

VM, ACCOUNT, DOMAIN = "i-0000000a", "000000000001", "LoadbalancingDomain"
HTTP, TCP = document.Protocol.HTTP, document.Protocol.TCP
STICKY = document.Policy("sticky", "LBCookieStickinessPolicyType")
UPDATE = swf.TypeId("LoadBalancingWorkflow.update", "1.0")


@dataclass
class ControlPlane:
    """Asks as the original's workflows do: the VM's list, 120 s in all, 10 s of them for the activity itself."""

    engine: SwfDouble
    _ids: itertools.count[int] = field(default_factory=itertools.count)
    _task: swf.DecisionTask | None = None

    async def start(self) -> None:
        await self.engine.register_workflow_type(DOMAIN, UPDATE)
        await self.engine.start_workflow_execution(
            DOMAIN,
            "update-loadbalancer",
            UPDATE,
            task_list="original",
            execution_timeout=timedelta(hours=2),
            decision_timeout=timedelta(minutes=1),
            child_policy="TERMINATE",
        )
        self._task = await self._next()

    async def ask(self, activity: str, *texts: str) -> tuple[str, Any]:
        """The event that ends the activity, and its attributes."""
        assert self._task is not None
        wanted: swf.Attributes = {
            "activityType": {"name": f"LoadBalancingVmActivities.{activity}", "version": "1.0"},
            "activityId": str(next(self._ids)),
            "taskList": {"name": VM},
            "input": original_messages.call(*texts),
            "scheduleToCloseTimeout": "120",
            "startToCloseTimeout": "10",
        }
        await self.engine.respond_decision_task_completed(
            self._task.token, [swf.Decision("ScheduleActivityTask", wanted)]
        )
        self._task = await self._next()
        ended = next(each for each in reversed(self._task.events) if each.type.startswith("ActivityTask"))
        return ended.type, ended.attributes

    async def told(self, activity: str) -> dict[str, str]:
        """What an activity without arguments answers."""
        kind, said = await self.ask(activity)
        assert kind == "ActivityTaskCompleted"
        answer: dict[str, str] = json.loads(json.loads(said["result"]))
        return answer

    async def cycle(self, wanted: document.LoadBalancerDocument) -> None:
        """All policies, then the specification."""
        messages = [("setPolicy", original_messages.policy(each)) for each in wanted.policies]
        for activity, text in (*messages, ("setLoadBalancer", original_messages.load_balancer(wanted))):
            kind, said = await self.ask(activity, text)
            assert (kind, said.get("result")) == ("ActivityTaskCompleted", "null")

    async def _next(self) -> swf.DecisionTask:
        task = None
        while task is None:
            task = await self.engine.poll_for_decision_task(
                swf.TaskList(swf.TaskKind.DECISION, DOMAIN, "original"), identity="original"
            )
        return task


@pytest.fixture
async def servo(where: place.Place, binary: str, address: str) -> AsyncIterator[Servo]:
    options = ServoOptions(address, where.directory, binary, limits=place.Limits(500, 5), first_success=True)
    async with Servo(options, time=clock.SystemClock(), rng=random.Random(1), instruments=meters.Meters()) as made:
        yield made


@pytest.fixture
async def original(servo: Servo, broker: RedisServer, short_dir: Path) -> AsyncIterator[ControlPlane]:
    time, instruments, connect = clock.SystemClock(), meters.Meters(), ipc.unix_socket(broker.socket)
    async with (
        SwfDouble(time, random.Random(1)) as engine,
        ipc.Server(connect, time=time, instruments=instruments) as server,
        ipc.Client(connect, time=time, instruments=instruments) as client,
        polling.Scheduler(engine, profile=polling.EndpointProfile.local(), identity="vm") as scheduler,
    ):
        await engine.register_domain(DOMAIN, retention_days=1)
        await server.add(VM, assembly.handlers(servo, ACCOUNT))
        metrics = flow.Metrics(prometheus_client.CollectorRegistry())
        workers = Workers(engine, scheduler, client, DOMAIN, "vm", time, random.Random(1), metrics)
        async with workers.serving(VM):
            made = ControlPlane(engine)
            await made.start()
            yield made
        scheduler.stop()


async def test_an_original_control_plane_drives_the_vm(
    original: ControlPlane, servo: Servo, address: str, backends: list[Backend]
) -> None:
    web, plain = free_port(address), free_port(address)
    first, second, _ = backends
    wanted = document.LoadBalancerDocument(
        document.LoadBalancerKey(ACCOUNT, "web"),
        0,
        "one",
        listeners=(
            document.Listener(HTTP, web, HTTP, first.port, policy_names=("sticky",)),
            document.Listener(TCP, plain, TCP, first.port),
        ),
        backends=(
            document.BackendInstance(first.name, "127.0.0.1"),
            document.BackendInstance(second.name, "127.0.0.1", report_health=False),
        ),
        health_check=document.HealthCheck(f"HTTP:{first.port}/", 5, 2, 2, 2),
        policies=(STICKY,),
    )
    kind, _ = await original.ask("setLoadBalancer", original_messages.load_balancer(wanted))
    assert kind == "ActivityTaskCompleted"
    assert servo.in_force == replace(wanted, policies=())
    assert [each.port for each in servo.statistics().problems] == [web]
    while await original.told("getInstanceStatus") != {first.name: "InService"}:
        await clock.SystemClock().sleep(0.02)
    assert (await get(address, plain))[0] == "200"
    with pytest.raises(ConnectionRefusedError):
        await get(address, web)
    await original.ask("setPolicy", original_messages.policy(STICKY))
    status, headers, _ = await get(address, web)
    assert (status, headers["set-cookie"][:7]) == ("200", "AWSELB=")

    async with Load(address, web) as load:
        await original.cycle(wanted)
        for text in ("<", original_messages.load_balancer(wanted).replace(f">{plain}<", ">x<")):
            kind, said = await original.ask("setLoadBalancer", text)
            assert kind == "ActivityTaskFailed"
            assert json.loads(said["details"]) == [
                "com.eucalyptus.loadbalancing.workflow.LoadBalancingActivityException",
                {"message": said["reason"]},
            ]
        assert servo.in_force == wanted
        own = replace(wanted, generation=5, zone="own")
        await servo.apply(own)
        await original.cycle(wanted)
        assert servo.in_force == replace(wanted, generation=5)
        await servo.apply(own)
        assert servo.in_force == own
    assert load.failures == {}
    counted = await original.told("getCloudWatchMetrics")
    served = sum(load.results.values()) + 2
    assert (counted["RequestCount"], counted["HTTPCode_Backend_2XX"]) == (str(served), str(served - 1))
    assert (await original.told("getCloudWatchMetrics"))["RequestCount"] == "0"
