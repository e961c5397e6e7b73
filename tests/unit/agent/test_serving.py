"""A VM's worker comes back whenever SWF lets it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import prometheus_client
import pytest
from tests import stopwatch

from elbflow import clock, flow, polling, swf
from elbflow.polling.testing import Reply, ScriptedPolls
from elbflow_agent.worker import Workers


class Unwilling(ScriptedPolls):
    """Registers no types while it has ``faults``."""

    faults: list[swf.SwfError]
    registered: int
    away: bool

    async def register_activity_type(self, *_: Any, **__: Any) -> None:
        if self.away:
            await asyncio.Event().wait()
        if self.faults:
            raise self.faults.pop()
        self.registered += 1


@pytest.fixture
def service() -> Unwilling:
    made = Unwilling(clock.SystemClock(), lambda _: Reply(None))
    made.faults, made.registered, made.away = [], 0, False
    return made


@pytest.fixture
async def workers(service: Unwilling) -> AsyncIterator[Workers]:
    profile = polling.EndpointProfile.local()
    async with polling.Scheduler(service, profile=profile, identity="test", budget=4) as scheduler:
        yield Workers(
            service=service,  # type: ignore[arg-type]
            scheduler=scheduler,
            client=None,  # type: ignore[arg-type]
            domain="domain",
            identity="test",
            time=clock.SystemClock(),
            rng=random.Random(1),
            metrics=flow.Metrics(prometheus_client.CollectorRegistry()),
        )


async def test_it_says_why_it_waits_and_goes_on_when_swf_is_there(workers: Workers, service: Unwilling) -> None:
    service.faults = [swf.UnknownResource("no domain"), swf.Unavailable("down")]
    leaving, told, polled = asyncio.Event(), list[str | None](), asyncio.Event()

    def tell(problem: str | None) -> None:
        told.append(problem)
        if problem is None:
            polled.set()

    serving = asyncio.create_task(workers.serve("i-1", leaving, tell))
    async with asyncio.timeout(10):
        await polled.wait()
    assert told == ["down", "no domain", None]
    assert service.registered == 5
    assert [lane.task_list.name for lane in workers.scheduler.statistics().lanes] == ["i-1"]
    leaving.set()
    async with asyncio.timeout(10):
        await serving
    assert workers.scheduler.statistics().lanes == ()


async def test_a_vm_that_leaves_does_not_wait_for_swf(workers: Workers, service: Unwilling) -> None:
    service.faults = [swf.Unavailable("down")] * 100
    leaving = asyncio.Event()
    serving = asyncio.create_task(workers.serve("i-1", leaving))
    await asyncio.sleep(0.05)
    leaving.set()
    async with stopwatch.within(0.1):
        await serving
    assert len(service.faults) == 99


async def test_a_vm_that_leaves_does_not_wait_for_a_call_that_swf_does_not_answer(
    workers: Workers, service: Unwilling
) -> None:
    service.away = True
    leaving, told = asyncio.Event(), list[str | None]()
    serving = asyncio.create_task(workers.serve("i-1", leaving, told.append))
    await asyncio.sleep(0.05)
    assert not serving.done()
    leaving.set()
    async with stopwatch.within(1):
        await serving
    assert told == []
    assert workers.scheduler.statistics().lanes == ()


async def test_a_vm_that_starts_while_the_process_stops_leaves_in_peace(workers: Workers) -> None:
    workers.scheduler.stop()
    leaving = asyncio.Event()
    serving = asyncio.create_task(workers.serve("i-1", leaving))
    await asyncio.sleep(0.05)
    assert not serving.done()
    leaving.set()
    async with asyncio.timeout(5):
        await serving
    assert workers.scheduler.statistics().lanes == ()
