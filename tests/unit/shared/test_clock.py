from __future__ import annotations

import asyncio

from elbflow import clock


async def test_sleepers_wake_in_deadline_order_at_their_own_instants() -> None:
    manual = clock.ManualClock(start=1000.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, delay_s: float) -> None:
        await manual.sleep(delay_s)
        woken.append((name, manual.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, delay_s in (("late", 5.0), ("early", 1.0), ("middle", 3.0)):
            group.create_task(sleeper(name, delay_s))
        await manual.advance(10.0)
    assert woken == [("early", 1.0), ("middle", 3.0), ("late", 5.0)]
    assert manual.now() == 1010.0


async def test_sleep_begun_while_time_moves_is_honoured() -> None:
    manual = clock.ManualClock()
    ticks: list[float] = []

    async def ticker() -> None:
        for _ in range(3):
            await manual.sleep(1.0)
            ticks.append(manual.monotonic())

    task = asyncio.ensure_future(ticker())
    await manual.advance(10.0)
    await task
    assert ticks == [1.0, 2.0, 3.0]


async def test_stepping_the_wall_clock_wakes_nobody() -> None:
    manual = clock.ManualClock(start=1000.0)
    task = asyncio.ensure_future(manual.sleep(1.0))
    manual.step_wall_clock(3600.0)
    await clock.settle()
    assert not task.done()
    assert (manual.now(), manual.monotonic()) == (4600.0, 0.0)
    await manual.advance(1.0)
    await task


async def test_cancelled_sleeper_is_forgotten() -> None:
    manual = clock.ManualClock()
    task = asyncio.ensure_future(manual.sleep(1.0))
    await clock.settle()
    task.cancel()
    await clock.settle()
    assert manual.next_deadline() is None
