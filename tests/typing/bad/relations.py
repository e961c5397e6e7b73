"""Wrong uses of children, other executions, queues, queries and side effects."""

from __future__ import annotations

from datetime import timedelta

from elbflow import flow
from elbflow.flow import testing

ORDER = flow.WorkflowSignature("Order", "1", str, int, timedelta(hours=1), timedelta(seconds=30))
ADDED = flow.SignalSignature("added", int)


@flow.activity(name="price", version="1")
async def price(article: str) -> int:
    return len(article)


class Queries:
    @flow.query  # error: arg-type | reportArgumentType
    def with_argument(self, more: int) -> int:
        return more


async def workflow_code() -> None:
    await flow.start_child(ORDER, 7, workflow_id="order-1")  # error: misc | reportArgumentType
    await flow.start_child(ORDER, "book")  # error: call-arg | reportCallIssue
    await flow.run_child(ORDER, "a", workflow_id="o", child_policy="WAIT")  # error: arg-type | reportArgumentType
    child = await flow.start_child(ORDER, "book", workflow_id="order-1")
    word: str = await child.result()  # error: assignment | reportAssignmentType
    await child.signal(ADDED, word)  # error: misc | reportArgumentType
    await flow.external("order-2").signal(ADDED, word)  # error: misc | reportArgumentType
    child.request_cancel()  # error: unused-coroutine | reportUnusedCoroutine
    other: str = await flow.signals(ADDED).get()  # error: assignment | reportAssignmentType
    number: int = flow.side_effect(lambda: other, str)  # error: assignment | reportAssignmentType
    price.using(cancellation="WAIT")  # error: arg-type | reportArgumentType
    flow.side_effect(lambda: number, str)  # error: return-value, arg-type | -
    flow.record_marker(number)  # error: arg-type | reportArgumentType
    flow.continue_when_long(number)  # error: call-overload | reportArgumentType
    flow.continue_when_long(ORDER, lambda: 7)  # error: arg-type, return-value | reportArgumentType, reportCallIssue
    flow.continue_when_long(ORDER)  # error: call-overload | reportArgumentType


async def callers(client: flow.Client) -> None:
    shown: str = await client.query(ORDER, "order-1", int)  # error: arg-type | reportAssignmentType
    await client.start(ORDER, shown, "books", priority="high")  # error: arg-type | reportArgumentType


async def tests() -> None:
    async with testing.Environment(workflows=[], activities={}) as env:
        await env.run(ORDER, 7)  # error: misc | reportArgumentType
        handle = await env.start(ORDER, "book")
        await handle.signal(ADDED, "seven")  # error: misc | reportArgumentType
