"""Waiting for one's turn, on virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow import swf
from elbflow.swf.metrics import CallCounter, QuotaMetrics
from elbflow.swf.parse import unread
from elbflow.swf.retry import RetryPlan
from elbflow.swf.transport import Transport
from elbflow.swf.tries import Pool

START, SIGNAL, BEAT = "StartWorkflowExecution", "SignalWorkflowExecution", "RecordActivityTaskHeartbeat"
PER_S = 50.0
BURST = 500


class World:
    """Quotas at a quarter of the published ones, and who got through when."""

    def __init__(self) -> None:
        self.clock = clocks.ManualClock()
        self.registry = CollectorRegistry()
        self.quotas = swf.Quotas(swf.QuotaSettings(), clock=self.clock, metrics=QuotaMetrics(self.registry))
        self.passed: list[tuple[int, float]] = []
        self.refused: list[tuple[int, str]] = []

    async def call(self, number: int, operation: str = START, within_s: float = 60.0) -> None:
        try:
            await self.quotas.acquire(operation, within_s)
        except swf.Throttled as refusal:
            self.refused.append((number, str(refusal)))
        else:
            self.passed.append((number, self.clock.monotonic()))

    async def storm(self, calls: int, operation: str = START, **how: float) -> list[asyncio.Task[None]]:
        tasks = [asyncio.ensure_future(self.call(number, operation, **how)) for number in range(calls)]
        await clocks.settle()
        return tasks

    def metric(self, name: str, api: str = START) -> float | None:
        return self.registry.get_sample_value(name, {"api": api})


@pytest.fixture
def world() -> World:
    return World()


async def test_a_burst_passes_at_once_and_the_rest_at_the_rate_in_order(world: World) -> None:
    tasks = await world.storm(BURST + 100)
    assert len(world.passed) == BURST
    await world.clock.advance(1.0)
    assert len(world.passed) in (BURST + 49, BURST + 50)
    await world.clock.advance(1.1)
    await asyncio.gather(*tasks)
    assert [number for number, _ in world.passed] == list(range(BURST + 100))
    assert world.metric("swf_quota_wait_seconds_count") == 100
    assert world.metric("swf_quota_rate") == PER_S


async def test_a_turn_that_comes_too_late_is_refused_at_once(world: World) -> None:
    tasks = await world.storm(BURST + 200, within_s=2.0)
    assert len(world.refused) == 100
    assert "share of the account's quota, 50 a second" in world.refused[0][1]
    await world.clock.advance(2.1)
    await asyncio.gather(*tasks)
    assert len(world.passed) == BURST + 100
    assert world.metric("swf_quota_refused_total") == 100


async def test_a_cancelled_call_leaves_its_place_to_the_next(world: World) -> None:
    tasks = await world.storm(BURST + 10)
    for number in (BURST, BURST + 3, BURST + 9):
        tasks[number].cancel()
    await clocks.settle()
    assert world.quotas.waiting(START) == 7
    await world.clock.advance(7 / PER_S + 0.001)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [number - BURST for number, _ in world.passed[BURST:]] == [1, 2, 4, 5, 6, 7, 8]
    assert world.quotas.waiting(START) == 0


async def test_a_storm_of_starts_and_signals_delays_no_heartbeat_and_no_answer(world: World) -> None:
    storm = await world.storm(2000) + await world.storm(2000, SIGNAL)
    for operation in (BEAT, "RespondActivityTaskCompleted", "RespondDecisionTaskCompleted"):
        before = len(world.passed)
        await world.call(0, operation)
        assert world.passed[before:] == [(0, 0.0)]
    for task in storm:
        task.cancel()
    await asyncio.gather(*storm, return_exceptions=True)


async def test_throttling_halves_the_rate_for_those_who_wait_and_refuses_who_would_be_late(world: World) -> None:
    tasks = await world.storm(BURST + 100, within_s=2.5)
    world.quotas.failed(START, swf.Throttled())
    await clocks.settle()
    assert world.quotas.rate(START) == PER_S / 2
    assert [number - BURST for number, _ in world.refused] == list(range(62, 100))
    await world.clock.advance(2.6)
    await asyncio.gather(*tasks)
    late = [at for _, at in world.passed[BURST:]]
    assert len(late) == 62
    assert late[-1] <= 2.5
    await world.clock.advance(30.0)
    await world.call(0)
    assert world.quotas.rate(START) == PER_S / 2 + 3 * 0.05 * PER_S


async def test_other_faults_change_nothing(world: World) -> None:
    for fault in (swf.Unavailable(), swf.LimitExceeded(), swf.Ambiguous()):
        world.quotas.failed(START, fault)
    assert world.quotas.rate(START) == PER_S


async def test_without_settings_nothing_is_limited() -> None:
    quotas = swf.Quotas(None, clock=clocks.ManualClock(), metrics=QuotaMetrics(None))
    for _ in range(5000):
        await quotas.acquire(START, 0.0)
    quotas.failed(START, swf.Throttled())
    assert quotas.rate(START) is None


class Account:
    """An endpoint whose account has ``tokens`` calls left and gets no more."""

    def __init__(self, world: World, tokens: int) -> None:
        self.tokens = tokens
        self.sent = 0
        self.transport = Transport(
            self,
            settings=swf.ClientSettings(),
            counter=CallCounter(None),
            clock=world.clock,
            rng=random.Random(1),
            plan=RetryPlan(),
            quotas=world.quotas,
        )

    async def once(self, _pool: Pool, operation: str, members: dict[str, Any]) -> dict[str, Any]:
        self.sent += 1
        if self.tokens <= 0:
            raise swf.Throttled("Rate exceeded", code="ThrottlingException", operation=operation)
        self.tokens -= 1
        return {}


async def test_the_transport_asks_before_it_sends_and_tells_when_it_was_throttled(world: World) -> None:
    account = Account(world, tokens=300)
    calls = [asyncio.ensure_future(account.transport.call(START, {}, unread)) for _ in range(400)]
    await clocks.settle()
    assert account.sent == 301
    assert world.quotas.rate(START) == PER_S / 2
    account.tokens = 1000
    await world.clock.advance(30.0)
    await asyncio.gather(*calls)
    assert account.sent == 401


async def test_the_transport_gives_up_at_once_when_the_share_is_used_up_for_longer_than_it_may_try(
    world: World,
) -> None:
    account = Account(world, tokens=100_000)
    calls = [
        asyncio.ensure_future(account.transport.call(START, {}, unread)) for _ in range(BURST + int(60 * PER_S) + 10)
    ]
    await clocks.settle()
    failed = [call for call in calls if call.done() and call.exception() is not None]
    assert len(failed) == 10
    assert account.sent == BURST
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
