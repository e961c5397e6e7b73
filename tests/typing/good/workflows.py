"""Workflow classes, their signals, and the clients that use them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import assert_type

from elbflow import flow, swf

ORDER = flow.WorkflowSignature("Order", "1", str, int, timedelta(hours=1), timedelta(seconds=30))
LINES = flow.WorkflowSignature("Lines", "1", list[str], tuple[int, ...], timedelta(hours=1), timedelta(seconds=30))
ADDED = flow.SignalSignature("added", int)
HURRY = flow.SignalSignature("hurry", type(None))


@flow.activity(name="price", version="1")
async def price(article: str) -> int:
    """What it costs."""
    return len(article)


@flow.workflow(ORDER)
class Order:
    """The plainest one."""

    def __init__(self) -> None:
        self.added: list[int] = []
        self.hurried = False

    async def run(self, request: str) -> int:
        assert_type(await flow.wait_condition(lambda: self.hurried, timedelta(minutes=5)), bool)
        if flow.patched("one by one"):
            await flow.sleep(timedelta(seconds=1))
        assert_type(flow.info().workflow_id, str)
        flow.set_state(self.added)
        if not self.added:
            raise flow.continue_as_new(request)
        if len(self.added) > 100:
            raise flow.continue_as_new(ORDER, request)
        return sum(self.added)

    @flow.signal(ADDED)
    def add(self, value: int) -> None:
        self.added.append(value)

    @flow.signal(HURRY)
    def hurry(self, value: None) -> None:
        self.hurried = True


@flow.workflow(LINES)
class Lines:
    """Takes more than it must and gives less than it may."""

    async def run(self, request: list[str] | None) -> tuple[int, int]:
        async with asyncio.TaskGroup() as group:
            prices = [group.create_task(price(article)) for article in request or ()]
        assert_type(prices[0].result(), int)
        assert_type(await asyncio.gather(price("a"), price("b")), tuple[int, int])
        return prices[0].result(), len(prices)


def decorated_classes_stay_what_they_are(order: Order) -> None:
    assert_type(Order(), Order)
    assert_type(order.added, list[int])
    order.add(7)


async def callers(client: flow.Client, execution: swf.Execution) -> int:
    assert_type(await client.start(ORDER, "order-1", "books", tags=("now",)), str)
    await client.signal("order-1", ADDED, 7)
    await client.signal("order-1", HURRY, None)
    assert_type(await client.result(ORDER, execution, deadline_s=10), int)
    assert_type(await client.result(LINES, execution, deadline_s=10), tuple[int, ...])
    return await client.result(ORDER, execution, deadline_s=10)
