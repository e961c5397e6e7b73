"""The scheduler of a process: what the process hears of it, and what it hears of the process."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.polling.conftest import World

from elbflow import polling, service, swf
from elbflow.polling.page import Page
from elbflow.polling.testing import Reply

LIST = swf.TaskList(swf.TaskKind.ACTIVITY, "domain", "list")


@dataclass
class Shell:
    """As much of a process as is needed."""

    name: str = "worker"
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    aborting: asyncio.Event = field(default_factory=asyncio.Event)
    checks: dict[str, Callable[[], str | None]] = field(default_factory=dict)
    counts: dict[str, Callable[[], int]] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)

    def add_readiness(self, name: str, check: Callable[[], str | None], /) -> None:
        self.checks[name] = check

    def add_remaining(self, name: str, count: Callable[[], int], /) -> None:
        self.counts[name] = count

    def add_debug(self, name: str, page: Page, /) -> None:
        self.pages[name] = page


@asynccontextmanager
async def running(
    world: World, process: polling.Process, shares: dict[str, polling.TenantShare] | None = None
) -> AsyncIterator[polling.Scheduler]:
    """Like ``async with scheduler_of(...)``, with time passing while it drains."""
    profile = polling.EndpointProfile.local()
    made = polling.scheduler_of(
        process,
        world.polls,
        profile=profile,
        budget=5,
        shares=shares,
        handles="errands",
        clock=world.clock,
        rng=random.Random(1),
    )
    scheduler = await made.__aenter__()
    try:
        yield scheduler
    finally:
        leaving = asyncio.ensure_future(made.__aexit__(None, None, None))
        for _ in range(200):
            if not leaving.done():
                await world.clock.advance(1.0)
        await leaving


@pytest.fixture
def shell() -> Shell:
    return Shell()


async def test_a_drain_knows_what_is_left(world: World, shell: Shell) -> None:
    world.reply = Reply(2.0, task=True)
    released = asyncio.Event()

    async def handle(_: swf.ActivityTask) -> None:
        await released.wait()

    async with running(world, shell) as scheduler:
        scheduler.add_lane(LIST, handle, slots=3, min_polls=3)
        await world.clock.advance(1.0)
        assert {name: count() for name, count in shell.counts.items()} == {"errands": 0, "polls": 3}
        assert shell.registry.get_sample_value("swf_poll_budget_used") == 3
        await world.clock.advance(5.0)
        assert {name: count() for name, count in shell.counts.items()} == {"errands": 3, "polls": 0}
        released.set()
    assert {name: count() for name, count in shell.counts.items()} == {"errands": 0, "polls": 0}


async def test_a_second_signal_cancels_the_handlers(world: World, shell: Shell) -> None:
    world.reply = Reply(0.5, task=True)
    cancelled: list[str] = []

    async def handle(task: swf.ActivityTask) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(task.token)
            raise

    async with running(world, shell) as scheduler:
        lane = scheduler.add_lane(LIST, handle, slots=1)
        await world.clock.advance(3.0)
        assert lane.statistics().slots_used == 1
        scheduler.stop()
        shell.aborting.set()
        await world.clock.advance(0.1)
    assert cancelled == ["token-1"]


async def test_an_endpoint_that_does_not_answer_makes_a_polling_process_not_ready(world: World, shell: Shell) -> None:
    world.reply = Reply(0.0, fault=swf.Unavailable("down"))
    async with running(world, shell) as scheduler:
        assert shell.checks["swf"]() is None

        async def ignore(_: swf.ActivityTask) -> None:
            return

        lane = scheduler.add_lane(LIST, ignore, slots=1)
        await world.clock.advance(120.0)
        assert shell.checks["swf"]() == "SWF does not answer"
        world.reply = Reply(58.0)
        await world.clock.advance(120.0)
        assert shell.checks["swf"]() is None
        world.reply = Reply(0.0, fault=swf.Unavailable("down"))
        await world.clock.advance(180.0)
        assert shell.checks["swf"]() is not None
        await lane.close()
        await world.clock.advance(60.0)
        assert shell.checks["swf"]() is None, "nobody polls, so nobody would see it answer again"


async def test_a_lane_that_stopped_for_good_makes_the_process_not_ready(world: World, shell: Shell) -> None:
    """It polled no more, and only a log line told."""
    world.reply = Reply(0.0, fault=swf.Invalid("no such member"))
    async with running(world, shell) as scheduler:

        async def ignore(_: swf.ActivityTask) -> None:
            return

        lane = scheduler.add_lane(LIST, ignore, slots=1)
        await world.clock.advance(5.0)
        assert lane.failure is not None
        assert "no such member" in (shell.checks["swf"]() or "")
        await lane.close()
        assert shell.checks["swf"]() is None


async def test_histories_name_service_and_process(world: World, shell: Shell) -> None:
    async with running(world, shell) as scheduler:
        assert scheduler.identity == polling.identity("worker") == scheduler.statistics().identity
    assert scheduler.identity.startswith("worker:")
    assert scheduler.identity.endswith(f":{os.getpid()}")


async def test_a_service_process_is_one(world: World) -> None:
    process = service.Process(service.ServiceSettings(), "real")
    async with running(world, process) as scheduler:
        scheduler.add_lane(LIST, lambda _: asyncio.sleep(0), slots=2, min_polls=2)
        await world.clock.advance(1.0)
        assert process.remaining() == {"polls": 2}


async def test_tenants_have_the_shares_that_they_were_given(world: World, shell: Shell) -> None:
    shares = {"elb": polling.TenantShare(max_share=0.4)}
    async with running(world, shell, shares) as scheduler:
        scheduler.add_lane(LIST, ignore, slots=5, min_polls=5, tenant="elb")
        await world.clock.advance(1.0)
        assert scheduler.statistics().budget_used == 2
        (use,) = scheduler.statistics().tenants
        assert (use.tenant, use.cap) == ("elb", 2)


async def ignore(_: swf.ActivityTask) -> None:
    """Takes no time."""
