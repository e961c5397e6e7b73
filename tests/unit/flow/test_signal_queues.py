"""Signals as queues, and queries."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from elbflow import flow

ORDERS = flow.SignalSignature("orders", str)


def test_a_queue_begins_with_what_came_before_it_was_asked_for(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[str]:
        await programs.double(number)
        queue = flow.signals(ORDERS)
        taken = [await queue.get(), str(len(queue))]
        async for order in queue:
            taken.append(order)
            if order == "last":
                break
        assert queue.get_nowait() is None
        return taken

    run = programs.run(body, output=list[str])
    run.decide()
    run.signal(ORDERS, "a")
    run.signal(ORDERS, "b")
    run.settle()
    assert run.decided[-1].dropped_signals == ()
    run.signal(ORDERS, "last")
    assert run.result() == ["a", "1", "b", "last"]


def test_no_value_is_lost_to_a_deadline(programs: Any) -> None:
    async def body(self: Any, number: int) -> str:
        queue = flow.signals(ORDERS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await queue.get()
        return await queue.get()

    run = programs.run(body, output=str)
    run.decide()
    run.swf.fire("1")
    run.signal(ORDERS, "a")
    assert run.result() == "a"


def test_values_of_another_type_are_dropped_and_reported(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        queue = flow.signals(flow.SignalSignature("orders", int))
        return await queue.get()

    run = programs.run(body)
    run.signal(ORDERS, "text")
    run.swf.signal("orders")
    run.swf.signal("orders", "5")
    assert run.result() == 5
    assert len(run.decided[-1].dropped_signals) == 2


@pytest.mark.parametrize("name", ["news", "orders"])
def test_a_signal_has_one_receiver(programs: Any, name: str) -> None:
    async def body(self: Any, number: int) -> int:
        flow.signals(ORDERS)
        flow.signals(flow.SignalSignature(name, int))
        return number

    with pytest.raises(flow.WorkflowDefect, match="has a receiver already"):
        programs.run(body).decide()


SHOWN = flow.WorkflowSignature("Shown", "1", int, int, timedelta(hours=1), timedelta(seconds=60))


def shown(programs: Any, query: Any, body: Any = None) -> Any:
    async def wait(self: Any, number: int) -> int:
        self.count = number
        await flow.sleep(1)
        self.count += 1
        return number

    @flow.workflow(SHOWN)
    class Shown:
        count = 0
        run = body or wait
        said = query

    return programs.run(wait, 4).__class__(Shown, 4)


def test_a_query_is_published_with_each_decision(programs: Any) -> None:
    @flow.query
    def said(self: Any) -> dict[str, int]:
        return {"count": self.count}

    run = shown(programs, said)
    run.result()
    assert [decided.execution_context for decided in run.decided] == ['{"count":4}', '{"count":5}']


def test_a_query_and_published_state_exclude_each_other(programs: Any) -> None:
    @flow.query
    def said(self: Any) -> int:
        return 1

    async def body(self: Any, number: int) -> int:
        flow.set_state(number)
        return number

    with pytest.raises(flow.WorkflowDefect, match=r"flow.query"):
        shown(programs, said, body).decide()


def test_a_query_must_not_ask_for_anything(programs: Any) -> None:
    @flow.query
    def said(self: Any) -> int:
        flow.record_marker("asked")
        return 1

    with pytest.raises(flow.WorkflowDefect, match="a query only looks"):
        shown(programs, said).decide()


def test_what_is_no_query_is_refused(programs: Any) -> None:
    with pytest.raises(TypeError, match="plain method without arguments"):

        @flow.query
        async def later(self: Any) -> int:
            return 1

    with pytest.raises(TypeError, match="plain method without arguments"):
        flow.query(lambda self, more: 1)  # type: ignore[arg-type,misc]

    @flow.query
    def one(self: Any) -> int:
        return 1

    with pytest.raises(TypeError, match="two methods are queries"):

        @flow.workflow(SHOWN)
        class Two:
            first = one
            second = one

            async def run(self, number: int) -> int:
                return number
