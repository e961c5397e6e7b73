"""The scheduler on the real client: what it counts as parked is what the server sees parked."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.integration.swf.responder import Connect, Responder, drop, ok

from elbflow import polling, swf

TASK = {
    "taskToken": "token",
    "activityId": "1",
    "startedEventId": 5,
    "workflowExecution": {"workflowId": "w", "runId": "r"},
    "activityType": {"name": "a", "version": "1"},
}


def task_list(number: int) -> swf.TaskList:
    return swf.TaskList(swf.TaskKind.ACTIVITY, "domain", f"list-{number}")


async def ignore(_: swf.ActivityTask) -> None:
    return


def scheduler(client: swf.Client, budget: int | None = None) -> polling.Scheduler:
    return polling.Scheduler(client, profile=polling.EndpointProfile.local(), identity="test", budget=budget)


@pytest.mark.parametrize("lanes", [10, 11, 100, 101])
async def test_every_lane_is_parked_at_the_server(connect: Connect, responder: Responder, lanes: int) -> None:
    async with connect(poll_connections=lanes) as client:
        async with scheduler(client) as made:
            for number in range(lanes):
                made.add_lane(task_list(number), ignore, slots=2)
            await responder.until_parked(lanes)
            assert made.statistics().budget_used == lanes
        await responder.until_parked(0)
    assert responder.peak == lanes


async def test_a_budget_beyond_the_connections_is_refused(connect: Connect) -> None:
    async with connect(poll_connections=10) as client:
        with pytest.raises(ValueError, match="poll connections"):
            scheduler(client, budget=11)


async def test_handlers_respond_at_once_while_the_budget_is_parked(connect: Connect, responder: Responder) -> None:
    """I6, with the handler as the one who responds."""
    answered: asyncio.Queue[float] = asyncio.Queue()

    async with connect(poll_connections=10) as client:

        async def handle(task: swf.ActivityTask) -> None:
            begun = time.perf_counter()
            await client.respond_activity_task_completed(task.token)
            answered.put_nowait(time.perf_counter() - begun)

        async with scheduler(client) as made:
            for number in range(9):
                made.add_lane(task_list(number), ignore, slots=1)
            await responder.until_parked(9)
            responder.on("PollForActivityTask", ok(TASK), lambda *_: responder.park())
            made.add_lane(task_list(9), handle, slots=1)
            async with asyncio.timeout(5):
                took_s = await answered.get()
            await responder.until_parked(10)
    assert took_s < 2.0
    assert responder.calls["RespondActivityTaskCompleted"] == 1


async def test_closing_a_lane_frees_its_place_at_the_server(connect: Connect, responder: Responder) -> None:
    async with connect(poll_connections=10) as client, scheduler(client) as made:
        lanes = [made.add_lane(task_list(number), ignore, slots=1) for number in range(3)]
        await responder.until_parked(3)
        await lanes[0].close()
        await responder.until_parked(2)
        assert [lane.statistics().parked for lane in lanes] == [0, 1, 1]


async def test_a_connection_closed_while_idle_costs_no_delay(connect: Connect, responder: Responder) -> None:
    responder.on("PollForActivityTask", ok(TASK), drop, lambda *_: responder.park())
    async with connect(poll_connections=10) as client, scheduler(client) as made:
        lane = made.add_lane(task_list(1), ignore, slots=1)
        await responder.until_parked(1)
        assert lane.statistics().polls == 3
        assert made.statistics().endpoint_open


async def test_a_server_that_answers_early_is_not_hammered(connect: Connect, responder: Responder) -> None:
    responder.release.set()
    async with connect(poll_connections=10) as client, scheduler(client) as made:
        lane = made.add_lane(task_list(1), ignore, slots=8)
        await asyncio.sleep(2.0)
        assert lane.statistics().last_outcome is polling.Outcome.EARLY_EMPTY
    assert responder.calls["PollForActivityTask"] <= 30
