"""The three activities over a scripted servo, on virtual time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from elbflow import clock
from elbflow.contract import document, transport, vm_activities
from elbflow_agent import ipc
from elbflow_agent.worker import VmActivities


class ScriptedServo:
    """Stands in for the IPC client; its digest changes when a test says so."""

    def __init__(self, time: clock.ManualClock) -> None:
        self.time = time
        self.digest = "a"
        self.counters: tuple[tuple[str, float], ...] = ()
        self.failure: Exception | None = None
        self.restarted = False
        self.calls: list[tuple[str, Any, float]] = []

    async def call(self, instance_id: str, method: ipc.Method[Any, Any], argument: Any, *, within_s: float) -> Any:
        assert instance_id == "i-1"
        self.calls.append((method.name, argument, within_s))
        if self.failure is not None:
            raise self.failure
        match argument:
            case ipc.HealthQuery(_, wait_s) if self.restarted and wait_s:  # and waits the whole time anew
                await self.time.sleep(within_s)
                raise ipc.NoAnswer
            case ipc.HealthQuery(known, wait_s):
                deadline = self.time.monotonic() + wait_s
                while self.digest == known and self.time.monotonic() < deadline:
                    await self.time.sleep(1.0)
                return document.HealthReport(self.digest)
            case ipc.MetricsQuery(acknowledge):
                return document.MetricsReport(acknowledge + 1, 60.0, self.counters)
            case _:
                return document.Applied(argument.generation, argument.content_hash())


@pytest.fixture
def time() -> clock.ManualClock:
    return clock.ManualClock()


@pytest.fixture
def servo(time: clock.ManualClock) -> ScriptedServo:
    return ScriptedServo(time)


@pytest.fixture
async def activities(servo: ScriptedServo, time: clock.ManualClock) -> AsyncIterator[VmActivities]:
    async with VmActivities("i-1", servo, time) as made:  # type: ignore[arg-type]
        yield made


async def test_health_returns_as_soon_as_the_digest_differs(
    activities: VmActivities, servo: ScriptedServo, time: clock.ManualClock
) -> None:
    waiting = asyncio.create_task(activities.get_instance_status("a"))
    await time.advance(100)
    assert not waiting.done()
    servo.digest = "b"
    await time.advance(1)
    assert (await waiting).digest == "b"


async def test_health_waits_in_one_request_and_at_most_45_minutes(
    activities: VmActivities, servo: ScriptedServo, time: clock.ManualClock
) -> None:
    waiting = asyncio.create_task(activities.get_instance_status("a"))
    await time.advance(44 * 60)
    assert not waiting.done()
    await time.advance(61)
    assert (await waiting).digest == "a"
    assert [within_s for _, _, within_s in servo.calls] == [45 * 60 + 5]


async def test_a_dead_servo_fails_the_activity(activities: VmActivities, servo: ScriptedServo) -> None:
    servo.failure = ipc.NoServo()
    with pytest.raises(ipc.NoServo):
        await activities.get_instance_status("a")


async def test_a_wait_that_a_restarted_servo_began_anew_ends_with_what_there_is(
    activities: VmActivities, servo: ScriptedServo, time: clock.ManualClock
) -> None:
    servo.restarted = True
    waiting = asyncio.create_task(activities.get_instance_status("a"))
    await time.advance(45 * 60 + 5)
    assert (await waiting).digest == "a"
    assert [query.wait_s for _, query, _ in servo.calls] == [45 * 60, 0]


async def test_a_servo_that_does_not_answer_at_all_fails_the_activity(
    activities: VmActivities, servo: ScriptedServo
) -> None:
    servo.failure = ipc.NoAnswer()
    with pytest.raises(ipc.NoAnswer):
        await activities.get_instance_status("a")
    assert len(servo.calls) == 2


async def test_metrics_wait_for_the_period(
    activities: VmActivities, servo: ScriptedServo, time: clock.ManualClock
) -> None:
    servo.counters = (("RequestCount", 1.0),)
    waiting = asyncio.create_task(activities.get_cloudwatch_metrics(60.0, 7))
    await time.advance(59)
    assert servo.calls == []
    await time.advance(1)
    assert (await waiting).sequence == 8


async def test_a_vm_that_served_nobody_reports_after_four_periods(
    activities: VmActivities, servo: ScriptedServo, time: clock.ManualClock
) -> None:
    first = asyncio.create_task(activities.get_cloudwatch_metrics(60.0, 7))
    await time.advance(240)  # sooner than that, so that not all VMs report at the same time
    assert (await first).counters == ()
    servo.calls.clear()
    waiting = asyncio.create_task(activities.get_cloudwatch_metrics(60.0, 8))
    await time.advance(239)
    assert not waiting.done()
    await time.advance(1)
    assert (await waiting).counters == ()
    assert [argument for _, argument, _ in servo.calls] == [ipc.MetricsQuery(8)] * 4


async def test_a_vm_reports_after_the_first_period_in_which_it_served(
    activities: VmActivities, servo: ScriptedServo, time: clock.ManualClock
) -> None:
    first = asyncio.create_task(activities.get_cloudwatch_metrics(60.0, 7))
    await time.advance(240)
    await first
    waiting = asyncio.create_task(activities.get_cloudwatch_metrics(60.0, 8))
    await time.advance(90)
    servo.counters = (("RequestCount", 1.0),)
    await time.advance(29)
    assert not waiting.done()
    await time.advance(1)
    assert (await waiting).counters == servo.counters


async def test_leaving_ends_what_waits_with_what_there_is(servo: ScriptedServo, time: clock.ManualClock) -> None:
    async with VmActivities("i-1", servo, time) as activities:  # type: ignore[arg-type]
        health = asyncio.create_task(activities.get_instance_status("a"))
        metrics = asyncio.create_task(activities.get_cloudwatch_metrics(60.0, 0))
        await time.advance(5)
        activities.let_go()
    assert (await health).digest == "a"
    assert (await metrics).sequence == 1


async def test_cancelling_an_activity_leaves_no_task(activities: VmActivities, time: clock.ManualClock) -> None:
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(activities.get_instance_status("a"))
    await time.advance(3)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert asyncio.all_tasks() == before


async def test_a_document_in_parts_is_applied_with_the_last_one(
    activities: VmActivities, servo: ScriptedServo, make_document: Callable[..., document.LoadBalancerDocument]
) -> None:
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(1000)]
    wanted = replace(
        make_document(generation=4), backends=tuple(document.BackendInstance(name, "10.0.0.1") for name in names)
    )
    first, *others, last = transport.split(wanted)
    for part in (first, *others):
        assert await activities.set_load_balancer_part(part) is None
    assert servo.calls == []
    assert await activities.set_load_balancer_part(last) == document.Applied(4, wanted.content_hash())
    assert [argument for _, argument, _ in servo.calls] == [wanted]


async def test_a_worker_that_was_restarted_lacks_parts_and_says_so(
    activities: VmActivities, servo: ScriptedServo, make_document: Callable[..., document.LoadBalancerDocument]
) -> None:
    (only,) = transport.split(make_document())
    lost = replace(only, parcel=replace(only.parcel, parts=2), index=1)
    with pytest.raises(transport.Damaged):
        await activities.set_load_balancer_part(lost)
    assert servo.calls == []


async def test_all_activities_are_bound(
    activities: VmActivities, make_document: Callable[..., document.LoadBalancerDocument]
) -> None:
    bound = {each.name for each in activities.registry().activities()}
    assert bound == {*(each.name for each in vm_activities.ALL), "LoadBalancingVmActivities.setPolicy"}
    wanted = make_document(generation=4)
    assert await activities.set_load_balancer(wanted) == document.Applied(4, wanted.content_hash())
