"""Children, messages, markers, queues, queries and long histories on the real engine core, in virtual time.

Decisions are taken from memory here; every history is replayed from its start as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow, polling, swf
from elbflow.clock import ManualClock
from elbflow_engine.testing import SwfDouble

DOMAIN = "test"
HOURS = timedelta(hours=20)
SECONDS = timedelta(seconds=30)

PARENT = flow.WorkflowSignature("Parent", "1", str, str, HOURS, SECONDS)
CHILD = flow.WorkflowSignature("Child", "1", str, str, HOURS, SECONDS)
NEWER = flow.WorkflowSignature("Child", "2", str, str, HOURS, SECONDS)
COUNTER = flow.WorkflowSignature("Counter", "1", int, int, HOURS, SECONDS)
WORD = flow.SignalSignature("word", str)
ADD = flow.SignalSignature("add", int)

Body = Callable[[str], Coroutine[Any, Any, str]]
bodies: dict[str, Body] = {}


@flow.abstract_activity(name="echo", version="1", start_to_close=timedelta(seconds=30))
async def echo(text: str) -> str:
    """The text again."""


@flow.workflow(PARENT)
class Parent:
    """What the test says."""

    async def run(self, name: str) -> str:
        return await bodies["parent"](name)


@flow.workflow(CHILD)
class Child:
    """Fails, ends, continues as new, or waits for words; shows the last one."""

    def __init__(self) -> None:
        self.words: list[str] = []

    async def run(self, order: str) -> str:
        if order == "fail":
            raise flow.WorkflowFailed("Sour", "no milk")
        queue = flow.signals(WORD)
        async for word in queue:
            self.words.append(word)
            if word == "again":
                raise flow.continue_as_new("second")
            if word == "end":
                break
        return "+".join([order, *self.words])

    @flow.query
    def said(self) -> list[str]:
        return self.words


@flow.workflow(NEWER)
class NewerChild:
    """The second version of the child."""

    async def run(self, order: str) -> str:
        return f"newer {order} {flow.info().priority} {','.join(flow.info().tags)}"


@flow.workflow(COUNTER)
class Counter:
    """Adds up; begins anew after fifty events."""

    def __init__(self) -> None:
        self.total = 0

    async def run(self, total: int) -> int:
        self.total += total
        flow.continue_when_long(lambda: self.total, events=50)
        await flow.wait_condition(lambda: self.total >= 60)
        return self.total

    @flow.signal(ADD)
    def add(self, value: int) -> None:
        self.total += value


@dataclass
class World:
    clock: ManualClock
    service: SwfDouble
    client: flow.Client

    async def start(self, body: Body | None = None) -> swf.Execution:
        bodies["parent"] = body or bodies["parent"]
        return swf.Execution("parent", await self.client.start(PARENT, "parent", "p"))

    async def result(self, body: Body) -> str:
        execution = await self.start(body)
        await self.clock.advance(20)
        try:
            return await self.client.result(PARENT, execution, deadline_s=0, clock=self.clock)
        finally:
            await self.replay_all()

    async def events(self, workflow_id: str) -> list[swf.HistoryEvent]:
        runs = [*await self.service.list_closed_workflow_executions(DOMAIN, workflow_id=workflow_id)]
        runs += await self.service.list_open_workflow_executions(DOMAIN, workflow_id=workflow_id)
        last = max(runs, key=lambda info: info.start_timestamp)
        return list(await self.service.get_workflow_execution_history(DOMAIN, last.execution))

    async def kinds(self, workflow_id: str) -> list[str]:
        return [event.type for event in await self.events(workflow_id)]

    async def replay_all(self) -> None:
        classes = {PARENT.type: Parent, CHILD.type: Child, NEWER.type: NewerChild, COUNTER.type: Counter}
        listed = [*await self.service.list_closed_workflow_executions(DOMAIN)]
        listed += await self.service.list_open_workflow_executions(DOMAIN)
        assert listed
        for info in listed:
            events = await self.service.get_workflow_execution_history(DOMAIN, info.execution)
            flow.replay(classes[info.workflow_type], events, execution=info.execution)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock, rng = ManualClock(), random.Random(3)
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(SwfDouble(clock, rng))
        await service.register_domain(DOMAIN, retention_days=1)
        profile = polling.EndpointProfile.local()
        scheduler = polling.Scheduler(service, profile=profile, identity="test", clock=clock, rng=rng)
        registry = flow.ActivityRegistry()

        async def repeat(text: str) -> str:
            return text

        registry.bind(echo, repeat)
        await scheduler.__aenter__()
        common: dict[str, Any] = {"domain": DOMAIN, "task_list": "list", "identity": "test", "clock": clock, "rng": rng}
        workflows = [Parent, Child, NewerChild, Counter]
        await stack.enter_async_context(flow.DecisionWorker(service, scheduler, workflows=workflows, **common))
        await stack.enter_async_context(flow.ActivityWorker(service, scheduler, registry=registry, **common))
        yield World(clock, service, flow.Client(service, DOMAIN, "list"))
        closing = asyncio.create_task(scheduler.__aexit__(None, None, None))
        while not closing.done():
            await clock.advance(10)
        await closing


async def test_a_child_is_started_signalled_and_gives_its_last_runs_result(world: World) -> None:
    async def body(_name: str) -> str:
        child = await flow.start_child(CHILD, "first", workflow_id="child", tags=["t"], child_policy="ABANDON")
        assert child.execution.workflow_id == "child"
        for word in ("again", "x", "end"):
            await child.signal(WORD, word)
            await flow.sleep(1)
        with pytest.raises(flow.ExternalRefused, match="UNKNOWN"):
            await child.signal(WORD, "too late")
        return await child.result() + await child.result()

    assert await world.result(body) == "second+x+end" * 2


async def test_versions_of_a_child_live_side_by_side_and_get_their_settings(world: World) -> None:
    async def body(_name: str) -> str:
        return await flow.run_child(NEWER, "b", workflow_id="child", tags=["t", "u"], priority=7)

    assert await world.result(body) == "newer b 7 t,u"


async def test_a_childs_failure_is_its_parents_to_handle(world: World) -> None:
    async def body(_name: str) -> str:
        try:
            return await flow.run_child(CHILD, "fail", workflow_id="child")
        except flow.ChildFailed as error:
            return f"{error.workflow_id} {error.reason}"

    assert await world.result(body) == "child WorkflowFailed"


async def test_an_id_that_is_taken_is_a_refusal(world: World) -> None:
    async def body(_name: str) -> str:
        first = await flow.start_child(CHILD, "a", workflow_id="child")
        with pytest.raises(flow.ChildNotStarted) as caught:
            await flow.start_child(CHILD, "b", workflow_id="child")
        await first.signal(WORD, "end")
        return f"{caught.value.cause} {caught.value.already_running} {await first.result()}"

    assert await world.result(body) == "WORKFLOW_ALREADY_RUNNING True a+end"


async def test_an_unregistered_child_is_a_refusal(world: World) -> None:
    unknown = flow.WorkflowSignature("Nobody", "1", str, str, HOURS, SECONDS)

    async def body(_name: str) -> str:
        with pytest.raises(flow.ChildNotStarted) as caught:
            await flow.run_child(unknown, "a", workflow_id="child")
        return f"{caught.value.cause} {caught.value.may_pass}"

    assert await world.result(body) == "WORKFLOW_TYPE_DOES_NOT_EXIST False"


async def test_cancelling_the_parent_asks_its_child_to_cancel_before_it_closes(world: World) -> None:
    async def body(_name: str) -> str:
        return await flow.run_child(CHILD, "a", workflow_id="child")

    execution = await world.start(body)
    await world.clock.advance(5)
    await world.client.request_cancel("parent")
    await world.clock.advance(5)
    with pytest.raises(flow.WorkflowClosed, match="CANCELED"):
        await world.client.result(PARENT, execution, deadline_s=0, clock=world.clock)
    assert (await world.kinds("child"))[-1] == "WorkflowExecutionCanceled"
    await world.replay_all()


async def test_a_child_that_ends_otherwise_says_how(world: World) -> None:
    async def body(_name: str) -> str:
        ends = []
        for number, limit in enumerate((HOURS, HOURS, timedelta(seconds=2))):
            child = await flow.start_child(CHILD, "a", workflow_id=f"child-{number}", execution_timeout=limit)
            if number == 0:
                await child.request_cancel()
            try:
                await child.result()
            except flow.ChildError as error:
                ends.append(type(error).__name__)
        return ",".join(ends)

    execution = await world.start(body)
    await world.clock.advance(5)
    await world.service.terminate_workflow_execution(DOMAIN, "child-1")
    await world.clock.advance(10)
    result = await world.client.result(PARENT, execution, deadline_s=0, clock=world.clock)
    assert result == "ChildCanceled,ChildTerminated,ChildTimedOut"
    await world.replay_all()


async def test_a_child_that_closes_in_a_foreign_way_fails_with_what_it_said(world: World) -> None:
    foreign = flow.WorkflowSignature("Child", "1", str, int, HOURS, SECONDS)

    async def body(_name: str) -> str:
        child = await flow.start_child(foreign, "a", workflow_id="child")
        await child.signal(WORD, "end")
        with pytest.raises(flow.ChildFailed) as caught:
            await child.result()
        return f"{caught.value.reason} {caught.value.details}"

    assert await world.result(body) == 'PayloadMismatch "a+end"'


async def test_other_executions_are_signalled_cancelled_and_may_be_gone(world: World) -> None:
    async def body(_name: str) -> str:
        other = flow.external("other")
        await other.signal(WORD, "hello")
        await other.request_cancel()
        await flow.sleep(1)
        said = []
        for handle in (other, flow.external("other", "no-such-run")):
            try:
                await handle.request_cancel()
            except flow.ExternalRefused as error:
                said.append(error.cause)
        return ",".join(said)

    await world.client.start(CHILD, "other", "o", priority=3)
    assert await world.result(body) == ",".join(["UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION"] * 2)
    assert (await world.kinds("other"))[-1] == "WorkflowExecutionCanceled"
    assert await world.client.query(CHILD, "other", list[str]) == ["hello"]
    assert (await world.events("other"))[0].attributes["taskPriority"] == "3"


async def test_markers_and_side_effects_are_in_the_history_once(world: World) -> None:
    drawn: list[int] = []

    def draw() -> int:
        drawn.append(random.randrange(10**9))
        return drawn[-1]

    async def body(_name: str) -> str:
        flow.record_marker("begun", "now")
        first = flow.side_effect(draw, int)
        await echo("x")
        second = flow.side_effect(draw, int)
        assert await echo(str(first)) == str(first)
        return f"{first} {second}"

    result = await world.result(body)
    assert result == f"{drawn[0]} {drawn[1]}"
    assert len(drawn) == 2
    markers = [
        event.attributes["markerName"] for event in await world.events("parent") if "markerName" in event.attributes
    ]
    assert markers == ["begun", "elbflow.side-effect", "elbflow.side-effect"]


async def test_priorities_order_what_waits(world: World) -> None:
    async def body(_name: str) -> str:
        await asyncio.gather(*(echo.using(priority=number)(str(number)) for number in (1, 3, 2)))
        return "done"

    assert await world.result(body) == "done"
    given = [
        event.attributes["taskPriority"] for event in await world.events("parent") if "activityId" in event.attributes
    ]
    assert given == ["1", "3", "2"]


async def test_a_long_history_continues_as_new_and_loses_no_signal(world: World) -> None:
    await world.client.start(COUNTER, "counter", 0, tags=("t",))
    for _ in range(60):
        await world.client.signal("counter", ADD, 1)
        await world.clock.advance(0.05)
    await world.clock.advance(5)
    closed = await world.service.list_closed_workflow_executions(DOMAIN, workflow_id="counter")
    assert [info.close_status for info in closed].count("CONTINUED_AS_NEW") >= 3
    assert all(info.tags == ("t",) for info in closed)
    (last,) = [info.execution for info in closed if info.close_status == "COMPLETED"]
    assert await world.client.result(COUNTER, last, deadline_s=0, clock=world.clock) == 60
    await world.replay_all()


async def test_a_query_is_of_the_open_execution_and_says_when_there_is_none(world: World) -> None:
    with pytest.raises(swf.UnknownResource):
        await world.client.query(CHILD, "child", list[str])
    await world.client.start(CHILD, "child", "a")
    with pytest.raises(flow.NothingPublished):
        await world.client.query(CHILD, "child", list[str])
    await world.client.signal("child", WORD, "one")
    await world.client.signal("child", WORD, "two")
    await world.clock.advance(1)
    assert await world.client.query(CHILD, "child", list[str]) == ["one", "two"]
