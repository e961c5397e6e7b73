"""What comes together is carried out together, in order, and a failure is told to those whom it struck."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from elbflow_agent.batches import Batches


class Work:
    """Notes what it is given; goes on when it is let."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.may_go_on = asyncio.Event()

    async def carry_out(self, given: Sequence[int]) -> Sequence[str]:
        self.lots.append(list(given))
        await self.may_go_on.wait()
        if 0 in given:
            raise ConnectionError("away")
        return [str(one) for one in given]


async def test_what_is_given_meanwhile_goes_together_with_the_next() -> None:
    work = Work()
    batches = Batches(work.carry_out, most=3)
    first = asyncio.create_task(batches.give(1))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(batches.give(number)) for number in range(2, 7)]
    await asyncio.sleep(0.01)
    assert work.lots == [[1]]
    work.may_go_on.set()
    assert await asyncio.gather(first, *others) == ["1", "2", "3", "4", "5", "6"]
    assert work.lots == [[1], [2, 3, 4], [5, 6]]
    assert await batches.give(7) == "7"


async def test_a_failure_strikes_its_lot_alone_and_a_cancellation_one_alone() -> None:
    work = Work()
    batches = Batches(work.carry_out, most=2)
    struck = [asyncio.create_task(batches.give(number)) for number in range(2)]
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(batches.give(number)) for number in (2, 3)]
    await asyncio.sleep(0.01)
    later[0].cancel()
    work.may_go_on.set()
    for each in struck:
        with pytest.raises(ConnectionError, match="away"):
            await each
    assert await later[1] == "3"
    assert later[0].cancelled()


async def test_closing_ends_what_waits() -> None:
    work = Work()
    batches = Batches(work.carry_out, most=1)
    waiting = [asyncio.create_task(batches.give(number)) for number in range(3)]
    await asyncio.sleep(0.01)
    await batches.aclose()
    await asyncio.wait(waiting)
    assert all(each.cancelled() for each in waiting)
    assert work.lots == [[0]]
    await batches.aclose()
