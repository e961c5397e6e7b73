"""Parked polls, lost connections, hand-over (spec/swf-semantics 4, spec/swf-long-poll-scale 6.3, 6.4)."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator

import aiohttp
import prometheus_client
import pytest
from tests import stopwatch
from tests.integration.engine import rig

from elbflow_engine import core, embedded


class Engine:
    """An embedded engine whose metrics the test can read."""

    def __init__(self, wire: rig.Wire, registry: prometheus_client.CollectorRegistry) -> None:
        self.wire = wire
        self._registry = registry

    def value(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(name, labels) or 0.0

    def ended(self, result: str) -> float:
        return self.value("swfd_polls_total", result=result)

    async def parked(self, count: int, kind: str = "decision") -> None:
        async with asyncio.timeout(30):
            while self.value("swfd_parked_polls", domain=rig.DOMAIN, kind=kind) != count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def engine(session: aiohttp.ClientSession) -> AsyncIterator[Engine]:
    registry = prometheus_client.CollectorRegistry()
    limits = core.Limits(parked_polls_per_list=5)
    async with embedded.engine(hold_s=20, limits=limits, registry=registry) as url:
        wire = rig.Wire(session, url)
        await wire.prepare()
        yield Engine(wire, registry)


async def raw_poll(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A decision poll on a connection of its own."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"domain": rig.DOMAIN, "taskList": rig.LIST}).encode()
    writer.write(
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: SimpleWorkflowService.PollForDecisionTask\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )
    return reader, writer


@pytest.mark.parametrize("hold_s", [0.3, 1.0])
async def test_an_empty_answer_comes_at_the_end_of_the_hold_and_not_earlier(
    session: aiohttp.ClientSession, hold_s: float
) -> None:
    registry = prometheus_client.CollectorRegistry()
    async with embedded.engine(hold_s=hold_s, registry=registry) as url:
        wire = rig.Wire(session, url)
        await wire.prepare()
        began = time.monotonic()
        with stopwatch.running() as watch:
            answers = await asyncio.gather(
                wire.send("PollForDecisionTask", {"domain": rig.DOMAIN, "taskList": rig.LIST}),
                wire.send("PollForActivityTask", {"domain": rig.DOMAIN, "taskList": rig.LIST}),
            )
            assert watch.seconds() < hold_s * 1.02 + 0.3
        took = time.monotonic() - began
    assert [answer.body for answer in answers] == [
        b'{"previousStartedEventId":0,"startedEventId":0}',
        b'{"startedEventId":0}',
    ]
    assert hold_s * 0.98 <= took
    assert registry.get_sample_value("swfd_polls_total", {"result": "empty_full"}) == 2
    served_s = registry.get_sample_value("swfd_request_seconds_sum", {"op": "PollForDecisionTask"})
    assert served_s is not None
    assert served_s < hold_s / 2


async def test_many_parked_polls_get_one_task_each_oldest_first(engine: Engine) -> None:
    polls = []
    for number in range(5):
        polls.append(asyncio.create_task(engine.wire.poll_decision(identity=str(number))))
        await engine.parked(number + 1)
    for number in range(5):
        await engine.wire.start(f"w{number}")
    tasks = await asyncio.gather(*polls)
    assert [task["workflowExecution"]["workflowId"] for task in tasks] == [f"w{number}" for number in range(5)]
    assert len({task["taskToken"] for task in tasks}) == 5
    assert engine.ended("task") == 5
    assert engine.value("swfd_handoff_seconds_count") == 5


async def test_one_task_wakes_one_poll_and_the_other_stays_parked(engine: Engine) -> None:
    polls = [asyncio.create_task(engine.wire.poll_decision()) for _ in range(2)]
    await engine.parked(2)
    await engine.wire.start("w")
    done, pending = await asyncio.wait(polls, timeout=0.5, return_when=asyncio.ALL_COMPLETED)
    assert (len(done), len(pending)) == (1, 1)
    await engine.parked(1)
    await engine.wire.start("v")
    assert (await pending.pop())["workflowExecution"]["workflowId"] == "v"


async def test_more_polls_than_the_limit_of_a_list_are_refused(engine: Engine) -> None:
    polls = [asyncio.create_task(engine.wire.poll_decision()) for _ in range(5)]
    await engine.parked(5)
    answer = await engine.wire.send("PollForDecisionTask", {"domain": rig.DOMAIN, "taskList": rig.LIST})
    assert answer.code == "LimitExceededFault"
    assert engine.ended("limit") == 1
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    await engine.parked(0)


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_client_killed_while_parked_leaves_the_task_to_the_next(engine: Engine, how: str) -> None:
    _, writer = await raw_poll(engine.wire.url)
    await engine.parked(1)
    second = asyncio.create_task(engine.wire.poll_decision())
    await engine.parked(2)
    if how == "RST":
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    await engine.parked(1)
    assert engine.ended("disconnect") == 1
    with stopwatch.running() as watch:
        run_id = await engine.wire.start("w")
        task = await second
        assert watch.seconds() < 0.2
    assert task["startedEventId"] == 3
    assert [event["eventType"] for event in await engine.wire.history("w", run_id)].count("DecisionTaskStarted") == 1


async def test_a_client_killed_in_the_moment_of_the_hand_over_loses_no_task(engine: Engine) -> None:
    """Connection loss and hand-over race. Unless the answer was already written, the living poll gets the task."""
    rescued = 0
    for number in range(40):
        _, writer = await raw_poll(engine.wire.url)
        await engine.parked(1)
        written, lost = engine.ended("task"), engine.ended("disconnect")
        starting = asyncio.create_task(engine.wire.start(f"w{number}"))
        for _ in range(number % 20):
            await asyncio.sleep(0)
        writer.transport.abort()
        run_id = await starting
        async with asyncio.timeout(2):
            while (engine.ended("task"), engine.ended("disconnect")) == (written, lost):
                await asyncio.sleep(0.001)
        if engine.ended("task") > written:
            continue
        async with asyncio.timeout(2):
            task = await engine.wire.poll_decision()
        assert task["workflowExecution"] == {"workflowId": f"w{number}", "runId": run_id}
        kinds = [event["eventType"] for event in await engine.wire.history(f"w{number}", run_id)]
        assert kinds == ["WorkflowExecutionStarted", "DecisionTaskScheduled", "DecisionTaskStarted"]
        rescued += 1
    assert rescued > 0


async def test_a_hundred_clients_vanish_at_once(engine: Engine) -> None:
    lists = [{"name": f"list{number}"} for number in range(25)]
    polls = [
        asyncio.create_task(engine.wire.ok("PollForActivityTask", domain=rig.DOMAIN, taskList=task_list))
        for task_list in lists
        for _ in range(4)
    ]
    await engine.parked(100, "activity")
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    with stopwatch.running() as watch:
        while engine.value("swfd_parked_polls", domain=rig.DOMAIN, kind="activity"):
            assert watch.seconds() < 0.5
            await asyncio.sleep(0.01)
    assert engine.ended("disconnect") == 100
