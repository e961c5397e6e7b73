"""The lock that a host has eight of for each VM."""

from __future__ import annotations

import asyncio
import random

import pytest

from elbflow import turn


async def test_one_after_the_other_in_the_order_of_their_coming() -> None:
    lock, inside, order = turn.Turn(), 0, list[int]()

    async def work(number: int) -> None:
        nonlocal inside
        async with lock:
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    await asyncio.gather(*map(work, range(50)))
    assert order == list(range(50))
    async with asyncio.timeout(1), lock:
        assert lock._waiting == ()


async def test_an_error_inside_lets_the_next_one_in() -> None:
    lock = turn.Turn()
    with pytest.raises(ZeroDivisionError):
        async with lock:
            raise ZeroDivisionError
    async with asyncio.timeout(1), lock:
        assert lock._is_taken
    assert not lock._is_taken


@pytest.mark.parametrize("settled", [True, False])
async def test_who_is_cancelled_when_its_turn_has_just_come_passes_it_on(settled: bool) -> None:
    lock, entered = turn.Turn(), list[str]()

    async def enter(name: str) -> None:
        async with lock:
            entered.append(name)

    async with lock:
        first, second = (asyncio.create_task(enter(name)) for name in ("first", "second"))
        await asyncio.sleep(0)
        if settled:
            first.cancel()
            await asyncio.sleep(0)
    if not settled:
        first.cancel()
    await asyncio.wait({first, second}, timeout=1)
    assert first.cancelled()
    assert entered == ["second"]
    assert not lock._is_taken


async def test_any_cancellations_leave_it_free_with_nobody_twice_inside() -> None:
    rng, lock, inside = random.Random(5), turn.Turn(), 0

    async def work() -> None:
        nonlocal inside
        async with lock:
            inside += 1
            assert inside == 1
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1

    for _ in range(50):
        tasks = [asyncio.create_task(work()) for _ in range(8)]
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
            rng.choice(tasks).cancel()
        ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)
        assert all(each is None or isinstance(each, asyncio.CancelledError) for each in ended)
        assert not lock._is_taken
