"""Children, other executions, queues, queries, side effects, long histories, tests."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from elbflow import flow, swf
from elbflow.flow import testing

ORDER = flow.WorkflowSignature("Order", "1", str, int, timedelta(hours=1), timedelta(seconds=30))
CART = flow.WorkflowSignature("Cart", "1", list[str], int, timedelta(hours=1), timedelta(seconds=30))
ADDED = flow.SignalSignature("added", int)


@flow.activity(name="price", version="1")
async def price(article: str) -> int:
    return len(article)


@flow.workflow(ORDER)
class Order:
    def __init__(self) -> None:
        self.sum = 0

    @flow.query
    def so_far(self) -> int:
        return self.sum

    async def run(self, request: str) -> int:
        flow.continue_when_long(lambda: request, events=500)
        flow.continue_when_long(ORDER, lambda: request)
        queue = flow.signals(ADDED)
        assert_type(queue, flow.SignalQueue[int])
        assert_type(await queue.get(), int)
        async for value in queue:
            assert_type(value, int)
            self.sum += value
        assert_type(self.so_far(), int)
        return self.so_far()


@flow.workflow(CART)
class Cart:
    async def run(self, request: list[str]) -> int:
        child = await flow.start_child(ORDER, request[0], workflow_id="order-1", child_policy="ABANDON", priority=3)
        assert_type(child, flow.ChildHandle[int])
        assert_type(child.execution, swf.Execution)
        await child.signal(ADDED, 7)
        await flow.external("order-2").signal(ADDED, 7)
        assert_type(await flow.run_child(ORDER, request[1], workflow_id="order-2", tags=("a",)), int)
        assert_type(flow.side_effect(lambda: "drawn", str), str)
        flow.record_marker("name", "details")
        await price.using(cancellation=flow.Cancellation.ABANDON, priority=7)("article")
        try:
            return await child.result()
        except flow.ChildFailed as failure:
            assert_type(failure.message, str)
            raise


async def callers(client: flow.Client) -> None:
    assert_type(await client.query(ORDER, "order-1", int), int)
    assert_type(await client.start(ORDER, "order-1", "books", priority=3), str)


async def tests() -> None:
    async with testing.Environment(workflows=[Order, Cart], activities={price: 7}) as env:
        assert_type(await env.run(ORDER, "book"), int)
        handle = await env.start(CART, ["book", "pen"])
        await handle.signal(ADDED, 7)
        assert_type(await handle.result(), int)
        assert_type(handle.status, str | None)
