"""Quotas against the real engine, which throttles an account as AWS does, at a small part of the published rates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import boto3
import pytest
from botocore.config import Config
from prometheus_client import CollectorRegistry

from elbflow import swf
from elbflow_engine import core, embedded

DOMAIN = "loadbalancing"
WORKFLOW = swf.TypeId("Greet", "1.0")
DECISIONS = swf.TaskList(swf.TaskKind.DECISION, DOMAIN, "decisions")
SCALE = 0.05
"""100 starts at once and 10 a second for the whole account."""


@pytest.fixture
async def engine() -> AsyncIterator[str]:
    async with embedded.engine(limits=core.Limits(throttle_scale=SCALE)) as url:
        yield url


async def prepare(client: swf.Client) -> None:
    await client.register_domain(DOMAIN, retention_days=1)
    await client.register_workflow_type(
        DOMAIN,
        WORKFLOW,
        task_list=DECISIONS.name,
        execution_timeout=timedelta(minutes=5),
        decision_timeout=timedelta(seconds=30),
        child_policy="TERMINATE",
    )


async def start(client: swf.Client, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(client.start_workflow_execution(DOMAIN, f"w-{number}", WORKFLOW))


def foreign_starts(url: str, count: int) -> int:
    """How many starts of a stock client in the same account succeed at once."""
    # A session of its own: the shared one keeps the credentials of whoever asked first in this process.
    client = boto3.session.Session().client(
        "swf", endpoint_url=url, region_name="us-east-1", config=Config(retries={"total_max_attempts": 1})
    )
    for number in range(count):
        try:
            client.start_workflow_execution(
                domain=DOMAIN, workflowId=f"foreign-{number}", workflowType={"name": "Greet", "version": "1.0"}
            )
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ThrottlingException":
                raise
            return number
    return count


async def test_a_storm_within_its_share_leaves_the_account_to_others(engine: str) -> None:
    """A quarter of the account is 25 starts at once and 2.5 a second: others find their three quarters untouched."""
    registry = CollectorRegistry()
    settings = swf.ClientSettings(endpoint_url=engine, quotas=swf.QuotaSettings(scale=SCALE))
    async with swf.Client.open(settings, registry=registry) as client:
        await prepare(client)
        storm = [asyncio.create_task(client.start_workflow_execution(DOMAIN, f"w-{n}", WORKFLOW)) for n in range(200)]
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(foreign_starts, engine, 60) == 60
        for one in storm:
            one.cancel()
        await asyncio.gather(*storm, return_exceptions=True)
    throttled = {"operation": "StartWorkflowExecution", "outcome": "throttled"}
    assert not registry.get_sample_value("elbflow_swf_calls_total", throttled)
    made = registry.get_sample_value(
        "elbflow_swf_calls_total", {"operation": "StartWorkflowExecution", "outcome": "ok"}
    )
    assert made is not None
    assert 25 <= made < 140
    refused = registry.get_sample_value("swf_quota_refused_total", {"api": "StartWorkflowExecution"})
    assert refused is not None
    assert 20 <= refused <= 25, "25, less what came free while a slow machine sent the storm"


async def test_answers_and_heartbeats_pass_while_starts_wait(engine: str) -> None:
    settings = swf.ClientSettings(endpoint_url=engine, quotas=swf.QuotaSettings(scale=SCALE))
    async with swf.Client.open(settings) as client:
        await prepare(client)
        storm = [asyncio.create_task(client.start_workflow_execution(DOMAIN, f"w-{n}", WORKFLOW)) for n in range(100)]
        task = await client.poll_for_decision_task(DECISIONS, identity="test")
        assert task is not None
        await client.respond_decision_task_completed(
            task.token, [swf.Decision("CompleteWorkflowExecution", {"result": "done"})]
        )
        with pytest.raises(swf.SwfError):
            await client.record_activity_task_heartbeat("no token", None)
        assert sum(not one.done() for one in storm) > 30, "the starts wait for their turn"
        for one in storm:
            one.cancel()
        await asyncio.gather(*storm, return_exceptions=True)


async def watched(registry: CollectorRegistry, rates: list[float]) -> None:
    """Write down every rate of starts."""
    while True:
        rate = registry.get_sample_value("swf_quota_rate", {"api": "StartWorkflowExecution"})
        if rate is not None:
            rates.append(rate)
        await asyncio.sleep(0.01)


async def test_who_does_not_know_the_quota_finds_its_rate(engine: str) -> None:
    """50 a second are believed to be allowed, 10 are: throttled calls are tried again, at half the rate."""
    registry = CollectorRegistry()
    settings = swf.ClientSettings(endpoint_url=engine, quotas=swf.QuotaSettings())
    async with swf.Client.open(settings, registry=registry) as client:
        await prepare(client)
        rates: list[float] = []
        watching = asyncio.create_task(watched(registry, rates))
        await start(client, 110)
        watching.cancel()
        assert len(await client.list_open_workflow_executions(DOMAIN)) == 110
    assert min(rates) <= 25.0  # it rises again while a slow machine asks for less
    assert registry.get_sample_value("swf_throttled_total", {"api": "StartWorkflowExecution"})
