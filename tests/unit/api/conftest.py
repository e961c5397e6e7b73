"""A store, SWF in process on virtual time, and the API's workflow desk on both."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import prometheus_client
import pytest

from elbflow import clock as clocks
from elbflow import flow, store, swf, tasks
from elbflow.contract import document, names, workflows
from elbflow_api import metrics, orders, waiting
from elbflow_engine import testing

T = TypeVar("T")
ExecutionInfo: TypeAlias = swf.ExecutionInfo
Outcome: TypeAlias = workflows.Outcome

KEY = document.LoadBalancerKey("123456789012", "web")
ENABLE = workflows.ENABLE_ZONE
ZONES = workflows.ZonesInput(KEY, ("local-1b",))
SUCCESS = Outcome(workflows.OutcomeState.SUCCESS)


@dataclass
class Desk:
    """What a test works with."""

    db: store.Store
    swf: testing.SwfDouble
    faults: testing.FaultSchedule
    clock: clocks.ManualClock
    workflows: waiting.Workflows
    stopping: asyncio.Event
    registry: prometheus_client.CollectorRegistry

    async def order(self, workflow_id: str = "enable-1") -> store.OutboxRow:
        async with self.db.transaction() as tx:
            return await orders.start(tx, ENABLE, workflow_id, KEY, ZONES, now=self.clock.now())

    async def order_signal(self, generation: int = 2) -> store.OutboxRow:
        async with self.db.transaction() as tx:
            return await orders.update_immediately(tx, KEY, generation, now=self.clock.now())

    async def rows(self) -> int:
        async with self.db.reading() as tx:
            return await tx.outbox.size()

    async def opened(self, workflow_id: str | None = None) -> list[ExecutionInfo]:
        return list(await self.swf.list_open_workflow_executions(names.DOMAIN, workflow_id=workflow_id))

    async def closed(self, workflow_id: str | None = None) -> list[ExecutionInfo]:
        return list(await self.swf.list_closed_workflow_executions(names.DOMAIN, workflow_id=workflow_id))

    async def conclude(self, outcome: Outcome = SUCCESS) -> None:
        """Be the decider once: complete whatever execution asks next."""
        await self.decide("CompleteWorkflowExecution", result=flow.encode(outcome, Outcome))

    async def decide(self, decision: str, **attributes: str) -> None:
        task_list = swf.TaskList(swf.TaskKind.DECISION, names.DOMAIN, names.TASK_LIST)
        task = await self.swf.poll_for_decision_task(task_list, identity="test")
        assert task is not None
        await self.swf.respond_decision_task_completed(task.token, [swf.Decision(decision, attributes)])

    async def drive(self, work: Coroutine[Any, Any, T], *, step_s: float = 0.05) -> T:
        """Let virtual time pass until ``work`` is done."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await self.clock.advance(step_s)
            await asyncio.sleep(0.0005)
        return task.result()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}"
    await store.migrate(url)
    clock, rng = clocks.ManualClock(), random.Random(1)
    faults = testing.FaultSchedule(rng, active=False)
    registry, stopping = prometheus_client.CollectorRegistry(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            testing.SwfDouble(clock, rng, faults, retries=swf.RetryPlan(attempts=1))
        )
        await flow.register_types(
            service,
            names.DOMAIN,
            retention_days=1,
            workflows=[ENABLE, workflows.UPDATE_LOAD_BALANCER],
            activities=[],
            task_list=names.TASK_LIST,
        )
        db = await stack.enter_async_context(store.Store(url))
        background = await stack.enter_async_context(tasks.supervised(drain_s=1.0))
        desk = waiting.Workflows(
            service=service,
            domain=names.DOMAIN,
            task_list=names.TASK_LIST,
            db=db,
            clock=clock,
            background=background,
            meters=metrics.Meters(registry),
            stopping=stopping,
        )
        yield Desk(db, service, faults, clock, desk, stopping, registry)
