"""A disk that takes no more bytes, and takes them again later (spec/swf-long-poll-scale 6.5).

The limit on the size of files of a running process makes SQLite's own writes fail, as a full disk does.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.integration.engine import rig

BIG = "x" * 20_000
STARTED = ["WorkflowExecutionStarted", "DecisionTaskScheduled"]


class Disk:
    """The disk as one engine sees it."""

    def __init__(self, engine: rig.EngineProcess, data_dir: Path) -> None:
        self._pid = engine.process.pid
        self._log = data_dir / "engine.sqlite3-wal"

    def fill(self, free_bytes: int = 0) -> None:
        """Nothing grows by more than ``free_bytes`` from now on."""
        self._limit(self._log.stat().st_size + free_bytes)

    def make_room(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture
async def engine(launch: rig.Launch) -> rig.EngineProcess:
    return await launch("--hold", "30")


@pytest.fixture
async def client(engine: rig.EngineProcess, session: aiohttp.ClientSession) -> rig.Wire:
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    return wire


@pytest.fixture
async def disk(engine: rig.EngineProcess, client: rig.Wire, tmp_path: Path) -> AsyncIterator[Disk]:
    made = Disk(engine, tmp_path / "engine")
    yield made
    if engine.process.returncode is None:
        made.make_room()


async def start_until_refused(wire: rig.Wire, acknowledged: dict[str, str]) -> rig.Answer:
    """Start executions until one is refused; the refusal. Those that were acknowledged are written down.

    One alone, which has room, and then some at once: a slow engine commits those together or not at all.
    """

    async def start(name: str) -> rig.Answer:
        body = {"domain": rig.DOMAIN, "workflowId": name, "workflowType": rig.TYPE, "input": BIG}
        answer = await wire.send("StartWorkflowExecution", body | {"taskList": {"name": "nobody"}})
        if answer.status == 200:
            acknowledged[name] = answer.json["runId"]
        return answer

    for turn in range(50):
        answers = await asyncio.gather(*(start(f"{turn}-{number}") for number in range(8 if turn else 1)))
        refused = [answer for answer in answers if answer.status != 200]
        if refused:
            return refused[0]
    raise AssertionError("the disk never filled up")


async def eventually(wire: rig.Wire, operation: str, body: dict[str, Any], within_s: float = 8.0) -> rig.Answer:
    """The first answer that is no 503."""
    ends = time.monotonic() + within_s
    while (answer := await wire.send(operation, body)).status == 503 and time.monotonic() < ends:
        await asyncio.sleep(0.05)
    return answer


async def kinds(wire: rig.Wire, name: str, run_id: str) -> list[str]:
    body = {"domain": rig.DOMAIN, "execution": {"workflowId": name, "runId": run_id}}
    answer = await eventually(wire, "GetWorkflowExecutionHistory", body)
    assert answer.status == 200, answer.body
    return [event["eventType"] for event in answer.json["events"]]


async def test_changes_are_refused_reads_go_on_and_everything_returns_with_the_space(
    engine: rig.EngineProcess, client: rig.Wire, disk: Disk, session: aiohttp.ClientSession, launch: rig.Launch
) -> None:
    parked = asyncio.create_task(client.poll_decision())
    await client.eventually_parked(1, metrics=engine.admin)
    acknowledged: dict[str, str] = {}
    disk.fill(200_000)
    refusal = await start_until_refused(client, acknowledged)
    assert (refusal.status, refusal.code) == (503, "ServiceUnavailable")
    assert acknowledged
    for name, run_id in acknowledged.items():
        assert await kinds(client, name, run_id) == STARTED
    async with session.get(f"{engine.admin}/readyz") as response:
        assert response.status == 503
    assert (await client.send("PollForDecisionTask", {"domain": rig.DOMAIN, "taskList": rig.LIST})).status == 503
    assert not parked.done()
    disk.make_room()
    body = {"domain": rig.DOMAIN, "workflowId": "after", "workflowType": rig.TYPE}
    started = await eventually(client, "StartWorkflowExecution", body)
    assert started.status == 200, started.body
    assert (await parked)["workflowExecution"]["workflowId"] == "after"
    assert engine.process.returncode is None
    await engine.kill()
    again = rig.Wire(session, (await launch()).url)
    for name, run_id in acknowledged.items():
        assert await kinds(again, name, run_id) == STARTED
    assert await kinds(again, "after", started.json["runId"]) == [*STARTED, "DecisionTaskStarted"]


async def test_a_task_in_hand_over_is_neither_lost_nor_doubled(
    engine: rig.EngineProcess, client: rig.Wire, disk: Disk
) -> None:
    run_id = await client.start("w")
    disk.fill()
    polls = [asyncio.create_task(client.poll_decision()) for _ in range(3)]
    await asyncio.sleep(0.4)
    for poll in polls:
        if poll.done():
            assert "503" in str(poll.exception()) or "ServiceUnavailable" in str(poll.exception())
    waiting = [poll for poll in polls if not poll.done()]
    assert waiting
    assert await kinds(client, "w", run_id) == STARTED
    disk.make_room()
    done, left = await asyncio.wait(waiting, timeout=8, return_when=asyncio.FIRST_COMPLETED)
    task = done.pop().result()
    assert (task["workflowExecution"]["runId"], task["startedEventId"]) == (run_id, 3)
    await client.decide(task["taskToken"], {"decisionType": "CompleteWorkflowExecution"})
    assert not any(poll.done() for poll in left)
    assert (await kinds(client, "w", run_id)).count("DecisionTaskStarted") == 1
    for poll in left:
        poll.cancel()


async def test_a_kill_while_the_disk_is_full_loses_nothing_acknowledged(
    engine: rig.EngineProcess, client: rig.Wire, disk: Disk, session: aiohttp.ClientSession, launch: rig.Launch
) -> None:
    acknowledged: dict[str, str] = {}
    disk.fill(400_000)
    await start_until_refused(client, acknowledged)
    await engine.kill()
    again = rig.Wire(session, (await launch()).url)
    assert acknowledged
    for name, run_id in acknowledged.items():
        assert await kinds(again, name, run_id) == STARTED
    await again.start("after")
