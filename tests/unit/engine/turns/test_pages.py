"""Room for history pages (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import asyncio
import random

import pytest

from elbflow_engine import core, pages, refusals


async def waiting(room: pages.Room, size: int) -> asyncio.Task[int]:
    task = asyncio.create_task(room.take(size))
    await asyncio.sleep(0)
    return task


async def test_pages_wait_for_room_in_the_order_of_asking() -> None:
    room = pages.Room(100)
    assert await room.take(80) == 80
    large, small = await waiting(room, 50), await waiting(room, 10)
    assert not small.done()
    room.give(80)
    assert (await large, await small) == (50, 10)
    assert room.used == 60


async def test_a_page_larger_than_the_room_gets_all_of_it() -> None:
    room = pages.Room(100)
    assert await room.take(10_000) == 100
    room.give(100)
    assert room.used == 0


async def test_patience_ends_and_nothing_is_taken() -> None:
    room = pages.Room(100, patience_s=0.01)
    await room.take(100)
    with pytest.raises(refusals.Overloaded):
        await room.take(1)
    assert room.used == 100
    room.give(100)
    assert await room.take(100) == 100


@pytest.mark.parametrize("granted", [False, True])
async def test_a_cancelled_reader_leaves_its_place_to_the_next(granted: bool) -> None:
    room = pages.Room(100)
    await room.take(100)
    first, second = await waiting(room, 60), await waiting(room, 60)
    if granted:
        room.give(100)
        first.cancel()
    else:
        first.cancel()
        await asyncio.wait({first})
        room.give(100)
    assert await second == 60
    assert first.cancelled()
    assert room.used == 60


async def test_no_byte_is_ever_lost() -> None:
    chance = random.Random(3)
    room = pages.Room(100, patience_s=0.005)

    async def read() -> None:
        size = await room.take(chance.randint(1, 150))
        try:
            assert room.used <= 100
            await asyncio.sleep(0 if chance.random() < 0.9 else 0.001)
        finally:
            room.give(size)

    readers = []
    for _ in range(2000):
        readers.append(asyncio.create_task(read()))
        if chance.random() < 0.3:
            chance.choice(readers).cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    ended = await asyncio.gather(*readers, return_exceptions=True)
    assert {type(one) for one in ended} <= {type(None), asyncio.CancelledError, refusals.Overloaded}
    assert room.used == 0
    assert await room.take(100) == 100


async def test_only_histories_are_counted_until_they_are_released() -> None:
    room = pages.Room(100)
    held = pages.Held(room)
    assert await held.page({"runId": "x"}) == b'{"runId":"x"}'
    assert held.bytes == 0
    assert await held.page(core.HistoryPage({}, (b"{}", b"{}"))) == b'{"events":[{},{}]}'
    assert (held.bytes, room.used) == (4, 4)
    held.release()
    held.release()
    assert room.used == 0
