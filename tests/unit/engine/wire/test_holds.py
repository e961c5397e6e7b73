from __future__ import annotations

import asyncio

from elbflow_engine import holds


async def test_holds_end_in_order_never_early_and_soon_after() -> None:
    loop = asyncio.get_running_loop()
    ended: dict[int, float] = {}

    def end(waiter: int) -> None:
        ended.setdefault(waiter, loop.time())

    wheel = holds.Holds(end)
    began = loop.time()
    for waiter, hold_s in ((1, 0.3), (2, 0.1), (3, 0.2), (4, 0.0)):
        wheel.add(waiter, hold_s)
    await asyncio.sleep(0.45)
    assert list(ended) == [4, 2, 3, 1]
    for waiter, hold_s in ((1, 0.3), (2, 0.1), (3, 0.2)):
        assert hold_s <= ended[waiter] - began < hold_s + holds.GRANULARITY_S + 0.05
    assert len(wheel) == 0


async def test_a_discarded_hold_never_ends() -> None:
    ended: list[int] = []
    wheel = holds.Holds(ended.append)
    for waiter in range(10):
        wheel.add(waiter, 0.05)
    for waiter in range(0, 10, 2):
        wheel.discard(waiter)
    wheel.discard(99)
    await asyncio.sleep(0.2)
    assert sorted(ended) == [1, 3, 5, 7, 9]


async def test_a_shorter_hold_is_not_held_up_by_a_longer_one() -> None:
    ended: list[int] = []
    wheel = holds.Holds(ended.append)
    wheel.add(1, 60)
    wheel.add(2, 0.05)
    await asyncio.sleep(0.2)
    assert ended == [2]
    wheel.close()


async def test_thousands_of_holds_share_timers() -> None:
    ended: list[int] = []
    wheel = holds.Holds(ended.append)
    for waiter in range(5000):
        wheel.add(waiter, 0.1 + (waiter % 100) / 1000)
    assert len(wheel._buckets) <= 4
    await asyncio.sleep(0.4)
    assert len(ended) == 5000
