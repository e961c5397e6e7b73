"""Both workers, the scheduler and the client on the real engine core, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from elbflow import errors, flow, polling, swf
from elbflow.clock import ManualClock
from elbflow_engine.testing import FaultSchedule, SwfDouble

DOMAIN = "test"


@flow.abstract_activity(
    name="prepare",
    version="1",
    schedule_to_start=timedelta(seconds=60),
    start_to_close=timedelta(seconds=20),
    retry=flow.RetryPolicy(4, timedelta(seconds=1)),
)
async def prepare(name: str) -> str:
    """Make something."""


@flow.abstract_activity(name="watch", version="1", start_to_close=timedelta(hours=1), heartbeat=timedelta(seconds=30))
async def watch(name: str) -> str:
    """Wait for news of something."""


@flow.abstract_activity(name="remove", version="1", start_to_close=timedelta(seconds=20))
async def remove(name: str) -> None:
    """Take it away."""


BUILD = flow.WorkflowSignature("Build", "1", list[str], list[str], timedelta(hours=2), timedelta(seconds=30))
LOOP = flow.WorkflowSignature("Loop", "1", int, int, timedelta(hours=2), timedelta(seconds=30))
ADD = flow.SignalSignature("add", int)


@flow.workflow(BUILD)
class Build:
    """Makes everything side by side, watches the last, removes all when that fails."""

    async def run(self, names: list[str]) -> list[str]:
        async with flow.compensate() as undo:
            made = []
            async with asyncio.TaskGroup() as group:
                for name in names:
                    undo.push(remove, name)
                    made.append(group.create_task(prepare(name)))
            flow.set_state("made")
            seen = await watch(names[-1])
            return [task.result() for task in made] + [seen]


@flow.workflow(LOOP)
class Loop:
    """Adds up signals over several runs; ends at 100."""

    def __init__(self) -> None:
        self.added: list[int] = []

    async def run(self, total: int) -> int:
        await flow.wait_condition(lambda: bool(self.added), timedelta(minutes=5))
        total += sum(self.added)
        if total >= 100:
            return total
        raise flow.continue_as_new(total)

    @flow.signal(ADD)
    def add(self, value: int) -> None:
        self.added.append(value)


@dataclass
class World:
    clock: ManualClock
    service: SwfDouble
    client: flow.Client
    scheduler: polling.Scheduler
    faults: FaultSchedule
    done: list[tuple[str, str]] = field(default_factory=list)
    behaviour: dict[str, Any] = field(default_factory=dict)

    async def prepare(self, name: str) -> str:
        self.done.append(("prepare", name))
        if self.behaviour.get(name) == "flaky":
            del self.behaviour[name]
            raise OSError("try again")
        return name.upper()

    async def watch(self, name: str) -> str:
        if self.behaviour.get(name) == "breaks":
            raise errors.Permanent("broken")
        try:
            await self.clock.sleep(self.behaviour.get("patience", 100.0))
        except asyncio.CancelledError:
            self.done.append(("cancelled", name))
            raise
        return "seen"

    async def remove(self, name: str) -> None:
        self.done.append(("remove", name))

    async def finish(self, execution: swf.Execution, advance_s: float = 600.0) -> swf.ExecutionDetail:
        for _ in range(int(advance_s / 5)):
            await self.clock.advance(5.0)
            detail = await self.service.describe_workflow_execution(DOMAIN, execution)
            if detail.close_status is not None:
                return detail
        raise AssertionError(await self.service.get_workflow_execution_history(DOMAIN, execution))

    async def replay(self, workflow: type, execution: swf.Execution) -> list[str]:
        events = await self.service.get_workflow_execution_history(DOMAIN, execution)
        flow.replay(workflow, events, execution=execution)
        return [event.type for event in events]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock, rng = ManualClock(), random.Random(3)
    faults = FaultSchedule(random.Random(4), active=False)
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(SwfDouble(clock, rng, faults))
        await service.register_domain(DOMAIN, retention_days=1)
        profile = polling.EndpointProfile.local()
        scheduler = polling.Scheduler(service, profile=profile, identity="test", clock=clock, rng=rng)
        made = World(clock, service, flow.Client(service, DOMAIN, "list"), scheduler, faults)
        registry = flow.ActivityRegistry()
        registry.bind(prepare, made.prepare)
        registry.bind(watch, made.watch)
        registry.bind(remove, made.remove)
        scheduler_open = asyncio.create_task(scheduler.__aenter__())
        await scheduler_open
        common: dict[str, Any] = {"domain": DOMAIN, "task_list": "list", "identity": "test", "clock": clock}
        await stack.enter_async_context(flow.DecisionWorker(service, scheduler, workflows=[Build, Loop], **common))
        await stack.enter_async_context(flow.ActivityWorker(service, scheduler, registry=registry, rng=rng, **common))
        yield made
        faults.active = False
        closing = asyncio.create_task(scheduler.__aexit__(None, None, None))
        while not closing.done():
            await clock.advance(10)
        await closing


async def test_a_workflow_runs_to_its_result(world: World) -> None:
    world.behaviour["b"] = "flaky"
    execution = swf.Execution("w", await world.client.start(BUILD, "w", ["a", "b"], tags=("t",)))
    detail = await world.finish(execution)
    assert detail.close_status == "COMPLETED"
    assert detail.latest_execution_context == '"made"'
    assert await world.client.result(BUILD, execution, deadline_s=1, clock=world.clock) == ["A", "B", "seen"]
    assert world.done.count(("prepare", "b")) == 2
    assert "remove" not in {what for what, _ in world.done}
    assert "ActivityTaskTimedOut" not in await world.replay(Build, execution)


async def test_a_failure_is_compensated_before_it_shows(world: World) -> None:
    world.behaviour["b"] = "breaks"
    execution = swf.Execution("w", await world.client.start(BUILD, "w", ["a", "b"]))
    assert (await world.finish(execution)).close_status == "FAILED"
    with pytest.raises(flow.WorkflowFailed) as caught:
        await world.client.result(BUILD, execution, deadline_s=1, clock=world.clock)
    assert caught.value.reason == "ActivityFailed"
    assert "broken" in (caught.value.details or "")
    assert [name for what, name in world.done if what == "remove"] == ["b", "a"]
    await world.replay(Build, execution)


async def test_cancelling_stops_the_activity_and_undoes_the_rest(world: World) -> None:
    world.behaviour["patience"] = 3_000.0
    execution = swf.Execution("w", await world.client.start(BUILD, "w", ["a"]))
    await world.clock.advance(50)
    await world.client.request_cancel("w")
    assert (await world.finish(execution)).close_status == "CANCELED"
    await world.clock.advance(30)
    assert ("remove", "a") in world.done
    assert ("cancelled", "a") in world.done
    await world.replay(Build, execution)


async def test_signals_survive_continuing_as_new(world: World) -> None:
    await world.client.start(LOOP, "w", 0)
    for _ in range(20):
        await world.client.signal("w", ADD, 2)
        await world.client.signal("w", ADD, 3)
        await world.clock.advance(0.01)
    await world.clock.advance(5)
    closed = await world.service.list_closed_workflow_executions(DOMAIN, workflow_id="w")
    last = [info.execution for info in closed if info.close_status == "COMPLETED"]
    assert len(last) == 1
    assert len(closed) > 1
    assert await world.client.result(LOOP, last[0], deadline_s=1, clock=world.clock) == 100
    for info in closed:
        await world.replay(Loop, info.execution)


async def test_a_bad_network_changes_nothing_but_the_time_it_takes(world: World) -> None:
    world.faults.refused = world.faults.throttled = 0.05
    world.faults.lost, world.faults.duplicated, world.faults.max_delay_s = 0.03, 0.05, 0.2
    world.faults.active = True
    starting = asyncio.create_task(world.client.start(BUILD, "w", ["a", "b", "c"]))
    while not starting.done():
        await world.clock.advance(1)
    execution = swf.Execution("w", await starting)
    await world.clock.advance(400)
    world.faults.active = False
    detail = await world.finish(execution, 2_000)
    assert detail.close_status in ("COMPLETED", "FAILED")
    await world.replay(Build, execution)


async def test_a_crash_of_the_engine_is_survived(world: World) -> None:
    execution = swf.Execution("w", await world.client.start(BUILD, "w", ["a", "b"]))
    await world.clock.advance(1)
    world.service.restart()
    assert (await world.finish(execution)).close_status == "COMPLETED"
    await world.replay(Build, execution)
