"""The engine as a process: drain, kill, restart (spec/swf-long-poll-scale 6.10)."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests import stopwatch
from tests.integration.engine import rig

ENDS_S = 30.0


async def test_sigterm_answers_parked_polls_and_serves_short_calls_then_exits_zero(
    launch: rig.Launch, session: aiohttp.ClientSession
) -> None:
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    await wire.start("running")
    task = await wire.poll_decision()
    polls = [asyncio.create_task(wire.poll_decision()) for _ in range(50)]
    await wire.eventually_parked(50, metrics=engine.admin)
    with stopwatch.running() as watch:
        engine.send(signal.SIGTERM)
        assert await asyncio.gather(*polls) == [{"previousStartedEventId": 0, "startedEventId": 0}] * 50
        assert watch.seconds() < 1.0
        refused = await wire.send("PollForDecisionTask", {"domain": rig.DOMAIN, "taskList": rig.LIST})
        assert (refused.status, refused.code) == (503, "ServiceUnavailable")
        async with session.get(f"{engine.admin}/readyz") as response:
            assert response.status == 503
        await wire.decide(task["taskToken"], {"decisionType": "CompleteWorkflowExecution"})
        assert await engine.ended(ENDS_S) == 0
        assert watch.seconds() < 5


async def test_sigterm_when_idle_ends_soon(launch: rig.Launch) -> None:
    engine = await launch("--hold", "30")
    with stopwatch.running() as watch:
        engine.send(signal.SIGTERM)
        assert await engine.ended(ENDS_S) == 0
        assert watch.seconds() < 3


async def test_a_drain_ends_although_clients_keep_calling(launch: rig.Launch, session: aiohttp.ClientSession) -> None:
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    began, served = time.monotonic(), 0
    with stopwatch.running() as watch:
        engine.send(signal.SIGTERM)
        while engine.process.returncode is None:
            try:
                served += (await wire.send("ListDomains", {"registrationStatus": "REGISTERED"})).status == 200
            except aiohttp.ClientError:
                break
            await asyncio.sleep(0.01)
        assert await engine.ended(ENDS_S) == 0
        assert watch.seconds() < 5
    assert time.monotonic() - began > 2
    assert served > 20


async def test_a_second_signal_cuts_the_drain_short(launch: rig.Launch, session: aiohttp.ClientSession) -> None:
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    poll = asyncio.create_task(wire.poll_decision())
    await wire.eventually_parked(1, metrics=engine.admin)
    with stopwatch.running() as watch:
        engine.send(signal.SIGTERM)
        assert (await poll)["startedEventId"] == 0
        engine.send(signal.SIGTERM)
        assert await engine.ended(ENDS_S) == 0
        assert watch.seconds() < 0.5


async def test_metrics_and_health_are_served(launch: rig.Launch, session: aiohttp.ClientSession) -> None:
    engine = await launch("--data-dir", ":memory:")
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    await wire.start("w")
    await wire.send("DescribeDomain", {"name": "nowhere"})
    for page in ("livez", "readyz"):
        async with session.get(f"{engine.admin}/{page}") as response:
            assert response.status == 200
    text = await wire.metrics(engine.admin)
    assert "swfd_open_executions 1.0" in text
    assert 'swfd_requests_total{code="200",op="StartWorkflowExecution"} 1.0' in text
    assert 'swfd_requests_total{code="UnknownResourceFault",op="DescribeDomain"} 1.0' in text
    assert f'swfd_backlog{{domain="{rig.DOMAIN}",kind="decision",list="main"}} 1.0' in text
    assert f'swfd_backlog{{domain="{rig.DOMAIN}",kind="decision",list="(other)"}} 0.0' in text
    for name in ("swfd_commit_seconds_count", "swfd_commit_group_size_count", "swfd_unstart_total"):
        assert name in text


async def test_a_second_engine_on_the_same_directory_is_refused(launch: rig.Launch, tmp_path: Path) -> None:
    await launch()
    with pytest.raises(AssertionError) as caught:
        await launch()
    assert "another engine uses this data directory" in str(caught.value)


async def test_what_became_due_while_nobody_ran_fires_at_start(
    launch: rig.Launch, session: aiohttp.ClientSession
) -> None:
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    run_id = await wire.start("w", executionStartToCloseTimeout="1")
    token = (await wire.poll_decision())["taskToken"]
    await engine.kill()
    await asyncio.sleep(1.1)
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    events = await wire.history("w", run_id)
    assert [event["eventType"] for event in events][-1] == "WorkflowExecutionTimedOut"
    assert events[-1]["eventTimestamp"] == pytest.approx(events[0]["eventTimestamp"] + 1, abs=0.002)
    answer = await wire.send("RespondDecisionTaskCompleted", {"taskToken": token})
    assert answer.code == "UnknownResourceFault"


async def test_tokens_survive_a_restart(launch: rig.Launch, session: aiohttp.ClientSession) -> None:
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    run_id = await wire.start("w")
    token = (await wire.poll_decision())["taskToken"]
    await engine.kill()
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    await wire.decide(token, {"decisionType": "CompleteWorkflowExecution"})
    assert (await wire.history("w", run_id))[-1]["eventType"] == "WorkflowExecutionCompleted"


class Load:
    """Workers that drive workflows through the API and write down every acknowledgement."""

    def __init__(self, wire: rig.Wire) -> None:
        self._wire = wire
        self._numbers = itertools.count()
        self.started: dict[str, str] = {}
        self.signalled: list[tuple[str, str]] = []
        self.completed: set[str] = set()

    async def run(self, workers: int) -> None:
        """Until the engine is gone."""
        await asyncio.gather(*(self._client() for _ in range(workers)), *(self._decider() for _ in range(workers)))

    async def _client(self) -> None:
        while True:
            name = f"w{next(self._numbers)}"
            try:
                self.started[name] = await self._wire.start(name)
                for number in range(2):
                    signal_name = f"{name}-{number}"
                    signal_body = {"domain": rig.DOMAIN, "workflowId": name, "signalName": signal_name}
                    answer = await self._wire.send("SignalWorkflowExecution", signal_body)
                    if answer.status != 200:
                        assert answer.code == "UnknownResourceFault"  # a decider closed it first
                        break
                    self.signalled.append((name, signal_name))
            except aiohttp.ClientError:
                return

    async def _decider(self) -> None:
        while True:
            try:
                task = await self._wire.poll_decision()
                name = task["workflowExecution"]["workflowId"]
                if int(name[1:]) % 3:
                    await self._wire.decide(task["taskToken"])
                    continue
                answer = await self._wire.send(
                    "RespondDecisionTaskCompleted",
                    {"taskToken": task["taskToken"], "decisions": [{"decisionType": "CompleteWorkflowExecution"}]},
                )
                assert answer.status == 200
                self.completed.add(name)
            except aiohttp.ClientError:
                return


async def test_a_kill_under_load_loses_nothing_acknowledged(launch: rig.Launch, session: aiohttp.ClientSession) -> None:
    engine = await launch("--hold", "20")
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    load = Load(wire)
    working = asyncio.create_task(load.run(6))
    await asyncio.sleep(1.5)
    engine.send(signal.SIGKILL)
    await working
    await engine.ended(5)
    assert len(load.started) > 50
    wire = rig.Wire(session, (await launch()).url)
    histories: dict[str, list[Any]] = {}
    for name, run_id in load.started.items():
        events = histories[name] = await wire.history(name, run_id)
        assert [event["eventId"] for event in events] == list(range(1, len(events) + 1))
    for name, signal_name in load.signalled:
        kept = [
            event.get("workflowExecutionSignaledEventAttributes", {}).get("signalName") for event in histories[name]
        ]
        assert kept.count(signal_name) == 1
    for name in load.completed:
        kinds = [event["eventType"] for event in histories[name]]
        assert "DecisionTaskCompleted" in kinds
        assert {"WorkflowExecutionCompleted", "CompleteWorkflowExecutionFailed"} & set(kinds)
    await every_scheduled_task_is_deliverable(wire, histories)


async def every_scheduled_task_is_deliverable(wire: rig.Wire, histories: dict[str, list[Any]]) -> None:
    waiting = {name for name, events in histories.items() if pollable([event["eventType"] for event in events])}
    async with asyncio.timeout(20):
        while waiting:
            task = await wire.poll_decision()
            waiting.discard(task["workflowExecution"]["workflowId"])
    assert not waiting


def pollable(kinds: list[str]) -> bool:
    """A decision task is scheduled, and not behind one that a killed decider still holds."""
    return kinds[-1] == "DecisionTaskScheduled" and kinds.count("DecisionTaskStarted") == kinds.count(
        "DecisionTaskCompleted"
    )
