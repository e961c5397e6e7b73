"""The worker's activities in both forms, as a worker of SWF carries them out."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests import original_messages

from elbflow import clock, errors, flow, swf
from elbflow.contract import document, vm_activities
from elbflow_agent import ipc
from elbflow_agent.original import activities
from elbflow_agent.worker import VmActivities

PREFIX = "LoadBalancingVmActivities."
APPLIED = document.Applied(1, "h")


@dataclass
class Servo:
    """Answers at once, unless it is told to wait; fails with ``failure``."""

    failure: Exception | None = None
    counters: tuple[tuple[str, float], ...] = ()
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.ready.set()

    async def call(self, _instance: str, method: ipc.Method[Any, Any], argument: Any, *, within_s: float) -> Any:
        self.calls.append((method.name, argument))
        await self.ready.wait()
        if self.failure is not None:
            raise self.failure
        match argument:
            case ipc.HealthQuery():
                return document.HealthReport("d", (document.InstanceHealth("i-9", document.InstanceState.IN_SERVICE),))
            case ipc.MetricsQuery(acknowledge):
                return document.MetricsReport(acknowledge + 1, 30.0, self.counters)
            case str():
                return None
        return APPLIED


@dataclass
class Swf:
    """Takes answers, unless it has forgotten the task."""

    gone: bool = False
    answers: list[tuple[str, ...]] = field(default_factory=list)
    registered: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def respond_activity_task_completed(self, _token: str, result: str) -> None:
        if self.gone:
            raise swf.UnknownResource
        self.answers.append(("completed", result))

    async def respond_activity_task_failed(self, _token: str, reason: str, details: str) -> None:
        self.answers.append(("failed", reason, details))

    async def register_activity_type(self, _domain: str, kind: swf.TypeId, **defaults: Any) -> None:
        self.registered[f"{kind.name} {kind.version}"] = defaults
        if len(self.registered) > 1:
            raise swf.AlreadyExists

    async def describe_activity_type(self, _domain: str, _kind: swf.TypeId) -> swf.TypeDetail:
        return swf.TypeDetail(deprecated=False, task_list=None)


class Lanes:
    is_stopping = False

    def add_lane(self, *_: Any, **__: Any) -> Lanes:
        return self

    async def close(self) -> None:
        return None


@dataclass
class Bench:
    servo: Servo
    swf: Swf
    worker: flow.ActivityWorker

    async def ask(self, name: str, input_: str) -> tuple[str, ...]:
        task = swf.ActivityTask("t", "1", swf.TypeId(PREFIX + name, "1.0"), swf.Execution("w", "r"), 5, input_)
        await self.worker.handle(task)
        return self.swf.answers.pop() if self.swf.answers else ()


@pytest.fixture
def bench() -> Bench:
    servo, service = Servo(), Swf()
    vm = VmActivities("i-1", servo, clock.ManualClock())  # type: ignore[arg-type]
    worker = flow.ActivityWorker(
        service,  # type: ignore[arg-type]
        Lanes(),  # type: ignore[arg-type]
        domain="d",
        task_list="i-1",
        registry=vm.registry(),
        identity="test",
        lane_class="vm",
        rng=random.Random(1),
    )
    return Bench(servo, service, worker)


async def test_what_is_set_reaches_the_servo_as_it_came(bench: Bench) -> None:
    assert await bench.ask("setPolicy", original_messages.call("<p/>")) == ("completed", "null")
    assert await bench.ask("setLoadBalancer", original_messages.call("<lb/>")) == ("completed", "null")
    assert bench.servo.calls == [("set-original-policy", "<p/>"), ("set-original-load-balancer", "<lb/>")]


async def test_what_is_asked_is_answered_at_once(bench: Bench) -> None:
    outcome, result = await bench.ask("getInstanceStatus", original_messages.call())
    assert (outcome, json.loads(json.loads(result))) == ("completed", {"i-9": "InService"})
    assert bench.servo.calls == [(ipc.HEALTH.name, ipc.HealthQuery("", 0.0))]
    bench.servo.counters = (("RequestCount", 4.0),)
    outcome, result = await bench.ask("getCloudWatchMetrics", original_messages.call())
    assert (outcome, json.loads(json.loads(result))["RequestCount"]) == ("completed", "4")


async def test_counts_are_settled_once_swf_has_them(bench: Bench) -> None:
    for gone in (False, True, False, False):
        bench.swf.gone = gone
        await bench.ask("getCloudWatchMetrics", original_messages.call())
    assert [query.acknowledge for _, query in bench.servo.calls] == [0, 1, 1, 2]


async def test_our_own_form_is_answered_in_our_own(bench: Bench, full: document.LoadBalancerDocument) -> None:
    answer = await bench.ask("setLoadBalancer", vm_activities.set_load_balancer.encode_arguments(full))
    assert answer == ("completed", vm_activities.set_load_balancer.encode_result(APPLIED))
    assert bench.servo.calls == [(ipc.APPLY.name, full)]


@pytest.mark.parametrize("failure", [ipc.ServoRefused("no name"), ipc.NoServo("no name"), errors.Defect("no name")])
async def test_a_failure_is_told_in_the_form_of_the_call(bench: Bench, failure: Exception) -> None:
    bench.servo.failure = failure
    outcome, reason, details = await bench.ask("setLoadBalancer", original_messages.call("<lb/>"))
    assert (outcome, reason) == ("failed", "no name")
    assert json.loads(details)[1] == {"message": "no name"}
    outcome, reason, details = await bench.ask("getInstanceStatus", '["d"]')
    assert (outcome, reason, json.loads(details)["message"]) == ("failed", type(failure).__name__, "no name")


async def test_arguments_that_cannot_be_read_fail_the_activity(bench: Bench) -> None:
    outcome, reason, _ = await bench.ask("setLoadBalancer", original_messages.call())
    assert (outcome, reason) == ("failed", "the input does not hold exactly 1 texts")
    assert bench.servo.calls == []


async def test_a_document_that_takes_long_counts_as_queued(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, logs: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(activities, "_PATIENCE_S", 0.01)
    bench.servo.ready.clear()
    assert await bench.ask("setLoadBalancer", original_messages.call("<lb/>")) == ("completed", "null")
    bench.servo.failure = ipc.ServoFailed("it does not start")
    bench.servo.ready.set()
    await clock.settle()
    assert [each["event"] for each in logs] == ["original_message_queued", "original_message_not_applied"]
    assert logs[1]["reason"] == "it does not start"


async def test_a_worker_that_leaves_waits_for_what_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities, "_PATIENCE_S", 0.01)
    servo = Servo()
    servo.ready.clear()
    async with VmActivities("i-1", servo, clock.ManualClock()) as vm:  # type: ignore[arg-type]
        binding = vm.registry().find(swf.TypeId(f"{PREFIX}setPolicy", "1.0"))
        assert binding is not None
        await binding.implementation(*binding.activity.decode_arguments(original_messages.call("<p/>")))
        asyncio.get_running_loop().call_later(0.05, servo.ready.set)
    assert servo.ready.is_set()


async def test_an_activity_that_is_cancelled_calls_the_request_off(bench: Bench) -> None:
    bench.servo.ready.clear()
    before = asyncio.all_tasks()
    asking = asyncio.create_task(bench.ask("setPolicy", original_messages.call("<p/>")))
    while not bench.servo.calls:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await clock.settle()
    assert asyncio.all_tasks() == before
    assert bench.swf.answers[0][:2] == ("failed", "WORKER_STOPPED")


async def test_types_are_registered_as_the_original_does_and_may_be_there(bench: Bench) -> None:
    async with bench.worker:
        pass
    four = {
        f"{PREFIX}{name} 1.0" for name in ("setPolicy", "setLoadBalancer", "getInstanceStatus", "getCloudWatchMetrics")
    }
    assert set(bench.swf.registered) == {*four, f"{PREFIX}setLoadBalancerPart 1.0"}
    minute, two = timedelta(seconds=60), timedelta(seconds=120)
    for kind in four:
        assert bench.swf.registered[kind] == {
            "task_list": None,
            "schedule_to_start": minute,
            "start_to_close": minute,
            "schedule_to_close": two,
            "heartbeat": None,
        }
