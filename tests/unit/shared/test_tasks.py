"""Background tasks are held, reported and drained."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from structlog.testing import capture_logs

from elbflow import tasks


async def fail() -> None:
    raise RuntimeError("boom")


async def test_an_error_nobody_awaits_is_logged() -> None:
    supervisor = tasks.Supervisor()
    with capture_logs() as logs:
        supervisor.start(fail(), "faulty")
        assert len(supervisor) == 1
        await supervisor.drain(1.0)
    assert len(supervisor) == 0
    assert [(entry["event"], entry["task"]) for entry in logs] == [("background_task_failed", "faulty")]


async def test_the_callback_comes_even_when_a_task_was_cancelled_before_it_began() -> None:
    supervisor = tasks.Supervisor()
    ended: list[bool] = []
    supervisor.start(asyncio.sleep(60), "idle", lambda task: ended.append(task.cancelled()))
    supervisor.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ended == [True]


async def test_leaving_waits_for_what_ends_in_time_and_cancels_the_rest() -> None:
    async with tasks.supervised(drain_s=0.05) as supervisor:
        short = supervisor.start(asyncio.sleep(0.01, "done"), "short")
        endless = supervisor.start(asyncio.sleep(60), "endless")
    assert short.result() == "done"
    assert endless.cancelled()


async def test_leaving_with_an_error_drains_too() -> None:
    ended: list[str] = []

    async def spoiled() -> None:
        async with tasks.supervised(drain_s=0.05) as supervisor:
            supervisor.start(asyncio.sleep(0.01, "done"), "short", lambda task: ended.append(task.result()))
            await fail()

    with pytest.raises(RuntimeError, match="boom"):
        await spoiled()
    assert ended == ["done"]


async def test_an_error_that_nobody_waits_for_any_more_is_no_defect() -> None:
    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    work: asyncio.Future[None] = loop.create_future()
    tasks.ended(work).cancel()
    work.set_exception(RuntimeError("boom"))
    await asyncio.sleep(0)
    del work
    gc.collect()
    assert told == []
