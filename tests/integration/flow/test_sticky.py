"""Sticky deciders against the real engine over HTTP: news only, hand-over when they drain, rescue when they die."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from elbflow import flow, polling, swf
from elbflow_engine import embedded

DOMAIN = "sticky"
ADDING = flow.WorkflowSignature("adding", "1", int, int, timedelta(minutes=5), timedelta(seconds=30))
ADD = flow.SignalSignature("add", int)


@flow.workflow(ADDING)
class Adding:
    """Adds up what it is told until it has enough; shows the sum."""

    def __init__(self) -> None:
        self.sum = 0
        self.news = False

    async def run(self, enough: int) -> int:
        while self.sum < enough:
            flow.set_state(self.sum)
            self.news = False
            await flow.wait_condition(lambda: self.news)
        return self.sum

    @flow.signal(ADD)
    def add(self, value: int) -> None:
        self.sum += value
        self.news = True


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")


class Decider:
    """A decider with a client, a scheduler and a registry of its own, like a process."""

    def __init__(self, number: int, sticky: flow.Sticky | None) -> None:
        self.registry = CollectorRegistry()
        self.number = number
        self.sticky = sticky

    @contextlib.asynccontextmanager
    async def running(self, engine: str) -> AsyncIterator[None]:
        async with (
            swf.Client.open(swf.ClientSettings(endpoint_url=engine), registry=self.registry) as client,
            polling.Scheduler(
                client,
                profile=polling.EndpointProfile.local(),
                identity=f"decider-{self.number}",
                rng=random.Random(self.number),
            ) as scheduler,
            flow.DecisionWorker(
                client,
                scheduler,
                domain=DOMAIN,
                task_list="list",
                workflows=[Adding],
                identity=f"decider-{self.number}",
                retention_days=1,
                sticky=self.sticky,
                metrics=flow.Metrics(self.registry),
            ),
        ):
            yield

    def looked_up(self, result: str) -> float:
        return self.registry.get_sample_value("flow_cache_lookups_total", {"result": result}) or 0.0

    def audits(self, result: str) -> float:
        return self.registry.get_sample_value("flow_cache_audits_total", {"result": result}) or 0.0


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[tuple[str, swf.Client]]:
    async with (
        embedded.engine(hold_s=5.0) as engine,
        swf.Client.open(swf.ClientSettings(endpoint_url=engine)) as client,
    ):
        yield engine, client


async def shown(client: swf.Client, execution: swf.Execution, value: int) -> None:
    """Until the workflow shows ``value``."""
    async with asyncio.timeout(10):
        while True:
            detail = await client.describe_workflow_execution(DOMAIN, execution)
            if detail.latest_execution_context == str(value):
                return
            await asyncio.sleep(0.02)


async def closed(client: swf.Client, execution: swf.Execution) -> list[swf.HistoryEvent]:
    async with asyncio.timeout(15):
        while (await client.describe_workflow_execution(DOMAIN, execution)).close_status is None:
            await asyncio.sleep(0.02)
    history = list(await client.get_workflow_execution_history(DOMAIN, execution))
    flow.replay(Adding, history, execution=execution)
    return history


def lists(history: list[swf.HistoryEvent]) -> list[str]:
    """Where decision tasks were scheduled, first letters only."""
    scheduled = [event.attributes["taskList"] for event in history if event.type == "DecisionTaskScheduled"]
    return [str(where["name"])[:4] for where in scheduled if isinstance(where, dict)]


async def test_a_decider_remembers_and_hands_over_when_it_drains() -> None:
    first = Decider(1, flow.Sticky(audit_share=1.0))
    second = Decider(2, flow.Sticky())
    async with world() as (engine, client):
        caller = flow.Client(client, DOMAIN, "list")
        async with first.running(engine):
            execution = swf.Execution("w", await caller.start(ADDING, "w", 100))
            await shown(client, execution, 0)
            for number in range(1, 21):
                await caller.signal("w", ADD, 1)
                await shown(client, execution, number)
            assert (first.looked_up("hit"), first.looked_up("miss")) == (20, 0)
            assert (first.audits("ok"), first.audits("different")) == (20, 0)
        async with second.running(engine):
            began = asyncio.get_running_loop().time()
            await caller.signal("w", ADD, 1)  # to the list of one that is gone
            await shown(client, execution, 21)
            assert asyncio.get_running_loop().time() - began < 7.0
            await caller.signal("w", ADD, 1)
            await shown(client, execution, 22)
            await caller.signal("w", ADD, 100)
            history = await closed(client, execution)
    assert (second.looked_up("hit"), second.looked_up("miss")) == (2, 1)
    assert lists(history) == ["list", *["stic"] * 21, "list", "stic", "stic"]


async def test_an_answer_given_while_draining_clears_the_override() -> None:
    draining, other = Decider(1, flow.Sticky()), Decider(2, None)
    async with world() as (engine, client):
        caller = flow.Client(client, DOMAIN, "list")
        async with contextlib.AsyncExitStack() as stack:
            service = await stack.enter_async_context(swf.Client.open(swf.ClientSettings(endpoint_url=engine)))
            async with draining.running(engine):
                execution = swf.Execution("w", await caller.start(ADDING, "w", 100))
                await shown(client, execution, 0)
                # What this process is sent while it drains, as its scheduler would bring it: still on its own list.
                detail = await client.get_workflow_execution_history(DOMAIN, execution)
                bound = next(event for event in detail if event.type == "DecisionTaskCompleted")
                where = bound.attributes["taskList"]
                assert isinstance(where, dict)
            own = swf.TaskList(swf.TaskKind.DECISION, DOMAIN, str(where["name"]))
            await caller.signal("w", ADD, 1)
            task = await service.poll_for_decision_task(own, identity="drain", start_at_previous=True)
            assert task is not None
            assert task.events[0].type == "DecisionTaskStarted"
            worker = _stopped_worker(service, own.name)
            await worker.handle(task, on_own_list=True)
        async with other.running(engine):
            began = asyncio.get_running_loop().time()
            await caller.signal("w", ADD, 100)
            history = await closed(client, execution)
            assert asyncio.get_running_loop().time() - began < 3.0
    assert lists(history) == ["list", "stic", "list"]
    assert not [event for event in history if event.type == "DecisionTaskTimedOut"]


def _stopped_worker(service: swf.Client, own_list: str) -> flow.DecisionWorker:
    """A worker that has stopped to poll and has a task left."""
    scheduler = polling.Scheduler(service, profile=polling.EndpointProfile.local(), identity="drain")
    worker = flow.DecisionWorker(
        service, scheduler, domain=DOMAIN, task_list="list", workflows=[Adding], identity="drain"
    )
    scheduler.stop()
    return worker


async def test_a_decider_that_dies_is_missed_for_about_five_seconds() -> None:
    other = Decider(2, flow.Sticky())
    async with world() as (engine, client):
        caller = flow.Client(client, DOMAIN, "list")
        async with Decider(1, None).running(engine):
            pass  # registers
        execution = swf.Execution("w", await caller.start(ADDING, "w", 1))
        general = swf.TaskList(swf.TaskKind.DECISION, DOMAIN, "list")
        task = await client.poll_for_decision_task(general, identity="dies")
        assert task is not None
        await client.respond_decision_task_completed(
            task.token, (), task_list="sticky-of-the-dead", schedule_to_start=timedelta(seconds=5)
        )
        async with other.running(engine):
            await caller.signal("w", ADD, 1)
            began = asyncio.get_running_loop().time()
            history = await closed(client, execution)
            assert 4.5 < asyncio.get_running_loop().time() - began < 6.5
    timed_out = [event for event in history if event.type == "DecisionTaskTimedOut"]
    assert [event.attributes["timeoutType"] for event in timed_out] == ["SCHEDULE_TO_START"]
    assert lists(history) == ["list", "stic", "list"]
