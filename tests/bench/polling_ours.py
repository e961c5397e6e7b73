"""The product's client and scheduler, in an interpreter that is tuned as every service's is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry
from tests.bench.polling_pollers import DOMAIN, PROBE_TOKEN, Plan, Record

from elbflow import polling, swf
from elbflow.service import interpreter

# The scheduler refuses a lane that could crowd the other hosts out of its list.
MOST_POLLS = 200
# Services get their lanes one by one, as load balancers come.
LANES_AT_ONCE = 50


class Ours:
    """A lane for each list, with as many slots as polls are wanted."""

    def __init__(
        self,
        client: swf.Client,
        scheduler: polling.Scheduler,
        registry: CollectorRegistry,
        plan: Plan,
        record: Record,
    ) -> None:
        self._client = client
        self._scheduler = scheduler
        self._registry = registry
        self._plan = plan
        self._record = record

    async def start(self) -> None:
        for number, name in enumerate(self._plan.lists):
            if number % LANES_AT_ONCE == 0:
                await asyncio.sleep(0)
            task_list = swf.TaskList(swf.TaskKind.ACTIVITY, DOMAIN, name)
            polls = min(self._plan.polls, MOST_POLLS)
            self._scheduler.add_lane(task_list, self._handle, slots=self._plan.polls, max_polls=polls)

    async def probe(self) -> None:
        await self._client.respond_activity_task_completed(PROBE_TOKEN)

    def state(self) -> dict[str, Any]:
        now = self._scheduler.statistics()
        waits = [lane.waiting.value for lane in now.lanes]
        return {
            "budget_limit": now.budget_limit,
            "budget_used": now.budget_used,
            "targets": sum(lane.target for lane in now.lanes),
            "wasted": _total(self._registry, "swf_poll_wasted"),
            "waiting": {reason: waits.count(reason) for reason in set(waits)},
        }

    async def _handle(self, task: swf.DecisionTask | swf.ActivityTask) -> None:
        assert isinstance(task, swf.ActivityTask)
        self._record.task(task.input)
        if self._plan.answer:
            await asyncio.sleep(self._plan.handler_s)
            await self._client.respond_activity_task_completed(task.token)


def _total(registry: CollectorRegistry, counter: str) -> float:
    samples = (sample for metric in registry.collect() if metric.name == counter for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name == f"{counter}_total")


def profile_of(plan: Plan) -> polling.EndpointProfile:
    """The plan's profile, in the endpoint's own time."""
    profile = polling.EndpointProfile.of(plan.profile)
    return replace(
        profile,
        hold_s=profile.hold_s / plan.faster,
        hold_max_s=profile.hold_max_s / plan.faster,
        issue_rate=profile.issue_rate * plan.faster,
    )


@asynccontextmanager
async def ours(plan: Plan, record: Record) -> AsyncIterator[Ours]:
    budget = plan.budget or plan.wanted
    metrics = polling.Metrics(registry := CollectorRegistry())
    settings = swf.ClientSettings(endpoint_url=plan.url, poll_connections=budget)
    async with (
        swf.Client.open(settings) as client,
        polling.Scheduler(
            client, profile=profile_of(plan), identity="bench", budget=budget, metrics=metrics
        ) as scheduler,
    ):
        interpreter.tune()
        interpreter.freeze()
        yield Ours(client, scheduler, registry, plan, record)
