"""Rollback."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from elbflow import errors, flow
from elbflow.testing import Never


def undone(run: Any) -> list[str]:
    return [arguments[0] for name, arguments in run.calls if name == "undo"]


def hang(_number: int) -> int:
    raise Never


def refuse(_number: int) -> int:
    raise errors.Permanent("no")


def test_nothing_is_undone_after_success(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            undo.push(programs.undo, "a")
            return int(await programs.double(number))

    run = programs.run(body)
    assert run.result() == 2
    assert undone(run) == []


def test_a_failure_is_undone_in_reverse_order_then_raised(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            undo.push(programs.undo, "a")
            undo.push(programs.undo, name="b")
            await programs.double(number)
        return number

    run = programs.run(body, activities={programs.double: refuse})
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "ActivityFailed"
    assert undone(run) == ["b", "a"]
    assert run.swf.events[-1].type == "WorkflowExecutionFailed"


def test_blocks_nest_and_may_be_survived(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as outer:
            outer.push(programs.undo, "outer")
            with contextlib.suppress(flow.ActivityFailed):
                async with flow.compensate() as inner:
                    inner.push(programs.undo, "inner")
                    await programs.double(number)
        return number

    run = programs.run(body, activities={programs.double: refuse})
    assert run.result() == 1
    assert undone(run) == ["inner"]


def test_an_undo_that_fails_does_not_stop_the_others(programs: Any) -> None:
    def undo_but_b(name: str) -> None:
        if name == "b":
            raise errors.Permanent("stuck")

    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            for name in "abc":
                undo.push(programs.undo, name)
            raise errors.Permanent("enough")

    run = programs.run(body, activities={programs.undo: undo_but_b})
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "Permanent"
    assert "not undone: undo" in (caught.value.details or "")
    assert "stuck" in (caught.value.details or "")
    assert undone(run) == ["c", "b", "a"]


def test_cancellation_is_undone(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            undo.push(programs.undo, "a")
            await programs.double(number)
        return number

    run = programs.run(body, activities={programs.double: hang})
    run.settle()
    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()
    assert undone(run) == ["a"]


@pytest.mark.parametrize("again", [1, 2])
def test_undoing_is_shielded_from_cancellation(programs: Any, again: int) -> None:
    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            undo.push(programs.undo, "a")
            undo.push(programs.undo, "b")
            await programs.double(number)
        return number

    run = programs.run(body, activities={programs.double: refuse})
    run.run(lambda: len(run.decided) == 2)
    for _ in range(again):
        run.swf.request_cancel()
        run.decide()
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "ActivityFailed"
    assert undone(run) == ["b", "a"]


def test_a_cancellation_during_undoing_is_not_lost(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        try:
            async with flow.compensate() as undo:
                undo.push(programs.undo, "a")
                await programs.double(number)
        except flow.ActivityFailed:
            await flow.sleep(1_000)
        return number

    run = programs.run(body, activities={programs.double: refuse})
    run.run(lambda: len(run.decided) == 2)
    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()
    assert undone(run) == ["a"]
    assert run.swf.now == 1_700_000_000.0


def test_siblings_in_a_task_group_are_undone_too(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async def part(name: str, value: int) -> None:
            async with flow.compensate() as undo:
                undo.push(programs.undo, name)
                await programs.double(value)
                await flow.sleep(100)

        async with asyncio.TaskGroup() as group:
            for index, name in enumerate("abc"):
                group.create_task(part(name, index))
        return number

    def last_fails(number: int) -> int:
        if number == 2:
            raise errors.Permanent("no")
        return number

    run = programs.run(body, activities={programs.double: last_fails})
    with pytest.raises(flow.WorkflowFailed) as caught:
        run.result()
    assert caught.value.reason == "ActivityFailed"
    assert sorted(undone(run)) == ["a", "b", "c"]


def test_a_defect_is_not_undone(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        with contextlib.suppress(KeyError):
            async with flow.compensate() as undo:
                undo.push(programs.undo, "a")
                raise KeyError("bug")
        return number

    with pytest.raises(flow.WorkflowDefect, match="KeyError"):
        programs.run(body).decide()


def test_continuing_as_new_is_not_undone(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with flow.compensate() as undo:
            undo.push(programs.undo, "a")
            raise flow.continue_as_new(2)

    run = programs.run(body)
    run.run()
    assert run.swf.closed == "WorkflowExecutionContinuedAsNew"
    assert undone(run) == []
