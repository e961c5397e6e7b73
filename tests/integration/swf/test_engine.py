"""Client and scheduler against the real engine over HTTP: workflows run to their end and nothing gets lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from elbflow import polling, swf
from elbflow_engine import embedded

DOMAIN = "loadbalancing"
WORKFLOW = swf.TypeId("Greet", "1.0")
ACTIVITY = swf.TypeId("Say", "1.0")
DECISIONS = swf.TaskList(swf.TaskKind.DECISION, DOMAIN, "decisions")


def activities(number: int) -> swf.TaskList:
    return swf.TaskList(swf.TaskKind.ACTIVITY, DOMAIN, f"instance-{number}")


@pytest.fixture
async def engine() -> AsyncIterator[str]:
    async with embedded.engine() as url:
        yield url


async def register(client: swf.Client) -> None:
    await client.register_domain(DOMAIN, retention_days=1)
    await client.register_workflow_type(
        DOMAIN,
        WORKFLOW,
        task_list="decisions",
        execution_timeout=timedelta(minutes=5),
        decision_timeout=timedelta(seconds=30),
        child_policy="TERMINATE",
    )
    await client.register_activity_type(DOMAIN, ACTIVITY, start_to_close=timedelta(seconds=30))


class Greeter:
    """Decides: one activity on the list that the input names, then done."""

    def __init__(self, client: swf.Client) -> None:
        self.client = client

    async def decide(self, task: swf.DecisionTask) -> None:
        done = [event for event in task.events if event.type == "ActivityTaskCompleted"]
        if done:
            result = done[0].attributes["result"]
            decision = swf.Decision("CompleteWorkflowExecution", {"result": result})
        else:
            name = task.events[0].attributes["input"]
            attributes: dict[str, swf.Json] = {
                "activityId": "1",
                "activityType": {"name": ACTIVITY.name, "version": ACTIVITY.version},
                "taskList": {"name": name},
                "input": name,
            }
            decision = swf.Decision("ScheduleActivityTask", attributes)
        await self.client.respond_decision_task_completed(task.token, [decision])

    async def say(self, task: swf.ActivityTask) -> None:
        await self.client.respond_activity_task_completed(task.token, f"hello from {task.input}")


async def finished(client: swf.Client, count: int) -> set[str]:
    """Close statuses of all executions, once ``count`` have closed."""
    async with asyncio.timeout(20):
        while len(rows := await client.list_closed_workflow_executions(DOMAIN)) < count:
            await asyncio.sleep(0.05)
    return {row.close_status or "" for row in rows}


async def test_workflows_over_many_task_lists(engine: str) -> None:
    lists, executions = 30, 60
    registry = CollectorRegistry()
    settings = swf.ClientSettings(endpoint_url=engine, poll_connections=lists + 4)
    async with swf.Client.open(settings, registry=registry) as client:
        await register(client)
        greeter = Greeter(client)
        metrics = polling.Metrics(registry)
        async with polling.Scheduler(
            client, profile=polling.EndpointProfile.local(), identity="test", metrics=metrics
        ) as scheduler:
            scheduler.add_lane(DECISIONS, greeter.decide, slots=8, lane_class="decider")
            for number in range(lists):
                scheduler.add_lane(activities(number), greeter.say, slots=1, lane_class="vm")
            async with asyncio.TaskGroup() as group:
                for number in range(executions):
                    group.create_task(
                        client.start_workflow_execution(
                            DOMAIN, f"w-{number}", WORKFLOW, input=f"instance-{number % lists}"
                        )
                    )
            assert await finished(client, executions) == {"COMPLETED"}
            assert scheduler.statistics().budget_used <= lists + 4
    decisions = {"lane_class": "decider", "kind": "decision", "outcome": "task"}
    assert registry.get_sample_value("swf_poll_results_total", decisions) == 2 * executions
    answers = {"operation": "RespondDecisionTaskCompleted", "outcome": "ok"}
    assert registry.get_sample_value("elbflow_swf_calls_total", answers) == 2 * executions
    wasted = {"lane_class": "vm", "kind": "activity"}
    assert not registry.get_sample_value("swf_poll_wasted_total", wasted)


async def test_lanes_closed_in_the_moment_of_a_hand_over_lose_no_task(engine: str) -> None:
    """Each task meets a lane that is just closing: it must reach that lane's handler or the next poll of its list."""
    lists, rounds = 8, 12
    rng = random.Random(5)
    async with swf.Client.open(swf.ClientSettings(endpoint_url=engine)) as client:
        await register(client)
        greeter = Greeter(client)
        async with polling.Scheduler(
            client, profile=polling.EndpointProfile.local(), identity="test", budget=40
        ) as scheduler:
            scheduler.add_lane(DECISIONS, greeter.decide, slots=8)

            async def come_and_go(number: int) -> None:
                for turn in range(rounds):
                    lane = scheduler.add_lane(activities(number), greeter.say, slots=1)
                    workflow_id = f"w-{number}-{turn}"
                    await client.start_workflow_execution(DOMAIN, workflow_id, WORKFLOW, input=f"instance-{number}")
                    await asyncio.sleep(rng.uniform(0.0, 0.03))
                    await lane.close()
                scheduler.add_lane(activities(number), greeter.say, slots=1)

            await asyncio.gather(*(come_and_go(number) for number in range(lists)))
            assert await finished(client, lists * rounds) == {"COMPLETED"}
