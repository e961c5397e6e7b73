from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import prometheus_client
import pytest
import structlog

from elbflow import clock
from elbflow_engine import core, driver, journal, meters, polls, turns

ACCOUNT = "123456789012"
DOMAIN = "house"
LIST = {"name": "main"}
Outcome: TypeAlias = polls.Outcome


@dataclass
class Rig:
    """Driver and polls over a real core and a real journal, without HTTP."""

    book: journal.Journal
    engine: driver.Driver
    polls: polls.Polls
    registry: prometheus_client.CollectorRegistry
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    async def call(self, operation: str, **params: Any) -> Any:
        body = await self.engine.call(ACCOUNT, operation, params)
        return orjson.loads(body) if body else None

    async def start(self, workflow_id: str) -> str:
        version = {"name": "greet", "version": "1"}
        started = await self.call("StartWorkflowExecution", domain=DOMAIN, workflowId=workflow_id, workflowType=version)
        return str(started["runId"])

    async def kinds(self, workflow_id: str, run_id: str) -> list[str]:
        execution = {"workflowId": workflow_id, "runId": run_id}
        history = await self.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=execution)
        return [event["eventType"] for event in history["events"]]

    async def park(self, client: Client | None = None) -> asyncio.Task[Outcome]:
        """A decision poll that waits; returns when the core has it in its queue."""
        before = self.polls.parked
        client = client or Client()
        poll = self.polls.poll(
            ACCOUNT, "PollForDecisionTask", {"domain": DOMAIN, "taskList": LIST}, lambda: client.connected
        )
        task = asyncio.create_task(poll)
        self.tasks.append(task)
        while self.polls.parked == before and not task.done():
            await asyncio.sleep(0)
        return task

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def limit_pages(self, pages: int) -> None:
        """SQLite's own stand-in for a full disk; the limit never falls below the present size."""
        database = self.book._database

        def limit() -> None:
            assert database._writer is not None
            database._writer.execute(f"PRAGMA max_page_count={pages}").fetchone()

        await database.write(limit)

    def fail_next_commit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        database = self.book._database
        real = database.commit

        def fail(group: Any) -> None:
            monkeypatch.setattr(database, "commit", real)
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(database, "commit", fail)


class Client:
    connected = True


async def prepare(rig: Rig) -> None:
    await rig.call("RegisterDomain", name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    await rig.call(
        "RegisterWorkflowType",
        domain=DOMAIN,
        name="greet",
        version="1",
        defaultTaskList=LIST,
        defaultTaskStartToCloseTimeout="30",
        defaultExecutionStartToCloseTimeout="300",
        defaultChildPolicy="TERMINATE",
    )


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """What was logged, unrendered: rendering a traceback reads source files, which the loop guard forbids."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def shares() -> turns.Shares:
    """How service is divided; tests that need it tighter have a fixture of their own."""
    return turns.Shares()


@pytest.fixture
async def rig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Any], shares: turns.Shares
) -> AsyncIterator[Rig]:
    monkeypatch.setattr(driver, "FIRST_RETRY_S", 0.05)
    registry = prometheus_client.CollectorRegistry()
    meter = meters.Meters(registry)
    async with journal.Journal.open(tmp_path / "engine.sqlite3", meter) as book:
        engine = driver.Driver(book, driver.Configuration(core.Limits(), shares=shares), clock.SystemClock(), meter)
        parked = polls.Polls(engine, polls.HoldTime(30.0), meter, random.Random(1))
        await engine.start()
        made = Rig(book, engine, parked, registry)
        await prepare(made)
        yield made
        await parked.drain()
        await asyncio.gather(*made.tasks, return_exceptions=True)
        parked.close()
        await engine.close()
