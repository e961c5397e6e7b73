"""The event that a host has a dozen of for each VM."""

from __future__ import annotations

import asyncio

import pytest

from elbflow import flag


async def test_those_who_wait_go_on_together_and_later_ones_at_once() -> None:
    there = flag.Flag()
    waiting = [asyncio.create_task(there.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not there.is_set()
    there.set()
    assert await asyncio.gather(*waiting) == [True, True, True]
    assert there.is_set()
    assert await there.wait() is True


async def test_those_who_waited_go_on_even_if_it_is_cleared_at_once() -> None:
    there = flag.Flag()
    early = asyncio.create_task(there.wait())
    await asyncio.sleep(0)
    there.set()
    there.set()
    there.clear()
    assert await early is True
    late = asyncio.create_task(there.wait())
    await asyncio.sleep(0.01)
    assert not late.done()
    late.cancel()


async def test_whoever_is_cancelled_leaves_nothing_behind() -> None:
    there = flag.Flag()
    waiting = asyncio.create_task(there.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert there._waiting == ()
    there.set()
    assert there.is_set()


async def test_whoever_waits_for_a_while_hears_whether_it_was_set() -> None:
    there = flag.Flag()
    patient = asyncio.create_task(there.within(30))
    assert await there.within(0.001) is False
    assert there.is_set() is False
    there.set()
    assert await patient is True
    assert await there.within(0) is True
    assert there._waiting == ()
