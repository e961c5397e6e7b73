"""What is remembered of the cloud's answers, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from elbflow import tasks
from elbflow.clock import ManualClock
from elbflow_api.cloud import base
from elbflow_api.cloud.memory import Memory


class Cloud:
    """Answers when it may; counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: str | None = "here"
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self) -> str | None:
        self.asked += 1
        await self.may.wait()
        if self.answer == "down":
            raise base.CloudUnavailable
        return self.answer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def background() -> AsyncIterator[tasks.Supervisor]:
    async with tasks.supervised(1.0) as supervisor:
        yield supervisor


@pytest.fixture
def memory(clock: ManualClock, background: tasks.Supervisor) -> Memory[str, str | None]:
    return Memory(kept_s=10.0, most=2, clock=clock, background=background)


async def test_an_answer_is_kept_for_a_while(memory: Memory[str, str | None], clock: ManualClock) -> None:
    cloud = Cloud()
    assert await memory.get("a", cloud) == await memory.get("a", cloud) == "here"
    assert cloud.asked == 1
    await clock.advance(10.0)
    assert await memory.get("a", cloud) == "here"
    assert cloud.asked == 2


async def test_that_there_is_none_is_not_kept(memory: Memory[str, str | None]) -> None:
    cloud = Cloud()
    cloud.answer = None
    assert await memory.get("a", cloud) is None
    cloud.answer = "here"
    assert await memory.get("a", cloud) == "here"
    assert cloud.asked == 2


async def test_an_answer_that_got_old_is_not_given_when_the_cloud_is_down(
    memory: Memory[str, str | None], clock: ManualClock
) -> None:
    cloud = Cloud()
    await memory.get("a", cloud)
    await clock.advance(10.0)
    cloud.answer = "down"
    with pytest.raises(base.CloudUnavailable):
        await memory.get("a", cloud)


async def test_it_does_not_grow(memory: Memory[str, str | None]) -> None:
    cloud = Cloud()
    for key in ("a", "b", "c", "c"):
        await memory.get(key, cloud)
    assert (len(memory), cloud.asked) == (2, 3)
    await memory.get("a", cloud)
    assert (len(memory), cloud.asked) == (2, 4)


async def test_the_same_question_is_asked_once_at_a_time(memory: Memory[str, str | None]) -> None:
    cloud = Cloud()
    cloud.may.clear()
    cloud.answer = "down"
    asking = [asyncio.ensure_future(memory.get("a", cloud)) for _ in range(5)]
    await asyncio.sleep(0)
    cloud.may.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(one) for one in outcomes] == [base.CloudUnavailable] * 5
    assert cloud.asked == 1


async def test_who_goes_away_takes_nothing_from_the_others(memory: Memory[str, str | None]) -> None:
    cloud = Cloud()
    cloud.may.clear()
    first, second = (asyncio.ensure_future(memory.get("a", cloud)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    cloud.may.set()
    assert await second == "here"
    assert first.cancelled()
    assert cloud.asked == 1
