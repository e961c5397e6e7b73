"""Workers that are replaced one after the other, under load: no poll abandoned, no task lost (5.13, B15, Q21)."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from elbflow import flow, polling, swf
from elbflow_engine import embedded

DOMAIN = "rolling"
HOLD_S = 2.0


@flow.abstract_activity(name="double", version="1", start_to_close=timedelta(seconds=60))
async def double(number: int) -> int:
    """Twice the number. It has no retry policy: a lost task would fail its workflow."""


DOUBLING = flow.WorkflowSignature("doubling", "1", int, int, timedelta(minutes=5), timedelta(seconds=30))


@flow.workflow(DOUBLING)
class Doubling:
    """Doubles a number three times."""

    async def run(self, number: int) -> int:
        for _ in range(3):
            number = await double(number)
        return number


class Worker:
    """A decider and activity worker with a client and a registry of its own, like a process."""

    def __init__(self, number: int, profile: polling.EndpointProfile) -> None:
        self.registry = CollectorRegistry()
        self._number = number
        self._profile = profile

    @asynccontextmanager
    async def running(self, engine: str) -> AsyncIterator[None]:
        """Until the block ends; then it drains as services do: the lanes stay open while polls are parked."""
        activities = flow.ActivityRegistry()
        activities.bind(double, _double)
        async with (
            swf.Client.open(swf.ClientSettings(endpoint_url=engine), registry=self.registry) as client,
            polling.Scheduler(
                client,
                profile=self._profile,
                identity=f"worker-{self._number}",
                budget=12,
                metrics=polling.Metrics(self.registry),
                rng=random.Random(self._number),
            ) as scheduler,
            flow.DecisionWorker(
                client,
                scheduler,
                domain=DOMAIN,
                task_list="list",
                workflows=[Doubling],
                identity="d",
                retention_days=1,
            ),
            flow.ActivityWorker(
                client,
                scheduler,
                domain=DOMAIN,
                task_list="list",
                registry=activities,
                identity="a",
                slots=8,
                metrics=flow.Metrics(self.registry),
            ),
        ):
            yield
            scheduler.stop()
            await scheduler.drained(self._profile.drain_timeout_s)

    def count(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


async def _double(number: int) -> int:
    await asyncio.sleep(0.02)
    return 2 * number


def profiles() -> list[polling.EndpointProfile]:
    local = polling.EndpointProfile.local()
    shy = polling.EndpointProfile("shy", HOLD_S, HOLD_S + 1, default_budget=20, issue_rate=200.0, safe_abort=False)
    return [local, shy]


@pytest.mark.parametrize("profile", profiles(), ids=lambda profile: str(profile.name))
async def test_rolling_restart_of_the_workers(profile: polling.EndpointProfile) -> None:
    """Where polls may be aborted, and where they must be waited for."""
    workers = [Worker(number, profile) for number in range(3)]
    async with (
        embedded.engine(hold_s=profile.hold_s) as engine,
        swf.Client.open(swf.ClientSettings(endpoint_url=engine)) as client,
        asyncio.TaskGroup() as group,
    ):
        leave = asyncio.Event()
        group.create_task(_serve(workers[0], engine, leave))
        await _registered(client)
        started: list[str] = []
        load = group.create_task(_load(client, started))
        for worker in workers[1:]:
            following = asyncio.Event()
            group.create_task(_serve(worker, engine, following))
            await _works(worker)
            leave.set()
            leave = following
            await asyncio.sleep(0.5)
        load.cancel()
        closed = await _closed(client, len(started) + 1)
        leave.set()
        histories = [await client.get_workflow_execution_history(DOMAIN, row.execution) for row in closed]
    assert {row.close_status for row in closed} == {"COMPLETED"}
    # Decision tasks that waited for a decider that is gone go to the others: that is planned, and no loss.
    happened = {
        event.type
        for history in histories
        for event in history
        if event.attributes.get("timeoutType") != "SCHEDULE_TO_START"
    }
    assert not [kind for kind in happened if "TimedOut" in kind]
    for worker in workers:
        assert worker.count("swf_polls_abandoned_total") == 0
        assert worker.count("swf_poll_ambiguous_total") == 0


async def _serve(worker: Worker, engine: str, leave: asyncio.Event) -> None:
    async with worker.running(engine):
        await leave.wait()


async def _registered(client: swf.Client) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await client.count_pending_tasks(swf.TaskList(swf.TaskKind.ACTIVITY, DOMAIN, "list"))
                await client.start_workflow_execution(DOMAIN, "first", DOUBLING.type, input="0")
            except swf.UnknownResource:
                await asyncio.sleep(0.02)
            else:
                return


async def _works(worker: Worker) -> None:
    async with asyncio.timeout(20):
        while worker.count("flow_activity_seconds_count", outcome="completed") == 0:
            await asyncio.sleep(0.02)


async def _load(client: swf.Client, started: list[str]) -> None:
    for number in itertools.count(1):
        started.append(await client.start_workflow_execution(DOMAIN, f"w-{number}", DOUBLING.type, input=f"{number}"))
        await asyncio.sleep(0.1)


async def _closed(client: swf.Client, count: int) -> list[swf.ExecutionInfo]:
    async with asyncio.timeout(20):
        while len(rows := await client.list_closed_workflow_executions(DOMAIN)) < count:
            await asyncio.sleep(0.05)
    return list(rows)
