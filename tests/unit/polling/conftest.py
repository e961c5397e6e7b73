"""A scheduler on virtual time against a scripted SWF."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from elbflow import clock as clocks
from elbflow.polling import EndpointProfile, Metrics, Scheduler
from elbflow.polling.testing import Reply, ScriptedPolls


class World:
    """``reply`` is what every poll gets from now on; ``build`` makes the scheduler under test."""

    def __init__(self) -> None:
        self.clock = clocks.ManualClock()
        self.reply = Reply(58.0)
        self.polls = ScriptedPolls(self.clock, lambda _: self.reply)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def build(self, profile: EndpointProfile | None = None, *, budget: int | None = None) -> Scheduler:
        return Scheduler(
            self.polls,
            profile=profile or EndpointProfile.local(),
            identity="host:1",
            budget=budget,
            clock=self.clock,
            rng=random.Random(1),
            metrics=self.metrics,
        )

    @asynccontextmanager
    async def running(self, scheduler: Scheduler) -> AsyncIterator[Scheduler]:
        """Like ``async with scheduler``, with time passing while it drains."""
        await scheduler.__aenter__()
        try:
            yield scheduler
        finally:
            leaving = asyncio.ensure_future(scheduler.__aexit__(None, None, None))
            for _ in range(200):
                if not leaving.done():
                    await self.clock.advance(1.0)
            await leaving

    def sample(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def world() -> World:
    return World()
