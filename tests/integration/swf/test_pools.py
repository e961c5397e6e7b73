"""Polls and short calls never share connections, and N connections park N polls (I6, spec/perf-baselines 0)."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.integration.swf.responder import Connect, Responder

from elbflow import swf

ACTIVITIES = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")
DECISIONS = swf.TaskList(swf.TaskKind.DECISION, "domain", "list")


@pytest.mark.parametrize("polls", [10, 11, 100, 101])
async def test_as_many_polls_park_as_configured(connect: Connect, responder: Responder, polls: int) -> None:
    async with connect(poll_connections=polls) as client, asyncio.TaskGroup() as group:
        waiting = [group.create_task(client.poll_for_activity_task(ACTIVITIES, identity="test")) for _ in range(polls)]
        await responder.until_parked(polls)
        responder.release.set()
    assert [task.result() for task in waiting] == [None] * polls
    assert responder.peak == polls


async def test_respond_is_not_delayed_while_the_poll_budget_is_full(connect: Connect, responder: Responder) -> None:
    async with connect(poll_connections=10) as client:
        await client.respond_activity_task_completed("warm-up")
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(client.poll_for_decision_task(DECISIONS, identity="test"))
            await responder.until_parked(10)
            saturated = await _slowest_respond(client)
            assert responder.parked == 10
            responder.release.set()
    assert saturated < 2.0, "a shared pool would hold the respond until a poll ends"


async def test_cancelling_a_poll_closes_its_connection(connect: Connect, responder: Responder) -> None:
    async with connect(poll_connections=2) as client:
        poll = asyncio.create_task(client.poll_for_activity_task(ACTIVITIES, identity="test"))
        await responder.until_parked(1)
        poll.cancel()
        await responder.until_parked(0)
        assert poll.cancelled()
    assert responder.lost == 1


async def _slowest_respond(client: swf.Client) -> float:
    slowest = 0.0
    for _ in range(5):
        begun = time.perf_counter()
        await client.respond_activity_task_completed("token", "result")
        slowest = max(slowest, time.perf_counter() - begun)
    return slowest
