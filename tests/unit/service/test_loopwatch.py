from __future__ import annotations

import asyncio
import time

import prometheus_client
import structlog

from elbflow.service import loopwatch


async def test_the_watchdog_names_what_blocks_the_loop_once_per_stall() -> None:
    registry = prometheus_client.CollectorRegistry()
    with structlog.testing.capture_logs() as logs:
        async with loopwatch.LoopWatch(registry, max_lag_s=0.5):
            hog()
            async with asyncio.timeout(10):
                while "loop_resumed" not in {entry["event"] for entry in logs}:
                    await asyncio.sleep(loopwatch.TICK_S)
    blocked = [entry for entry in logs if entry["event"] == "loop_blocked"]
    assert len(blocked) == 1
    assert any(line.endswith(" hog") for line in blocked[0]["blocked_at"])
    assert [entry["event"] for entry in logs] == ["loop_blocked", "loop_resumed"]


def hog() -> None:
    time.sleep(loopwatch.TICK_S + 1.2)


async def test_an_idle_loop_has_no_problem() -> None:
    registry = prometheus_client.CollectorRegistry()
    async with loopwatch.LoopWatch(registry, max_lag_s=1.0) as watch:
        await asyncio.sleep(2 * loopwatch.TICK_S)
        assert watch.problem() is None
        assert watch.lag_s < 1.0


async def test_nothing_runs_after_it_is_closed() -> None:
    before = asyncio.all_tasks()
    async with loopwatch.LoopWatch(prometheus_client.CollectorRegistry(), max_lag_s=1.0):
        assert len(asyncio.all_tasks()) == len(before) + 1
    assert asyncio.all_tasks() == before
