"""A workflow is asked to cancel."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from elbflow import errors, flow
from elbflow.testing import Never


def hang(_number: int) -> int:
    raise Never


def test_cancellation_arrives_at_the_await(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return int(await programs.double(number))

    run = programs.run(body, activities={programs.double: hang})
    run.decide()
    run.swf.request_cancel()
    decided = run.decide()
    assert [decision.type for decision in decided.decisions] == ["CancelWorkflowExecution"]
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()


def test_cleanup_may_await(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        try:
            await programs.double(number)
        finally:
            assert flow.info().cancel_requested
            await programs.undo("mine")
        return number

    run = programs.run(body, activities={programs.double: hang})
    run.settle()
    run.swf.request_cancel()
    run.decide()
    assert [decision.type for decision in run.decided[-1].decisions] == [
        "RequestCancelActivityTask",
        "ScheduleActivityTask",
    ]
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()
    assert ("undo", ("mine",)) in run.calls


def test_a_workflow_may_refuse_to_be_cancelled(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        try:
            await flow.sleep(60)
        except asyncio.CancelledError:
            return 7
        return number

    run = programs.run(body)
    run.decide()
    run.swf.request_cancel()
    assert run.result() == 7


def test_a_failure_during_cleanup_fails_the_workflow(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        try:
            await flow.sleep(60)
        finally:
            raise errors.Permanent("could not clean up")

    run = programs.run(body)
    run.decide()
    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowFailed, match="could not clean up"):
        run.result()


def test_cancelled_before_it_began(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        return int(await programs.double(number))

    run = programs.run(body)
    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()
    assert run.calls == []


def test_a_workflow_can_call_itself_off(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        raise errors.Cancelled("not needed any more")

    run = programs.run(body)
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()
    assert run.swf.close_event.attributes["details"] == "not needed any more"


def test_a_stray_cancellation_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(flow.sleep(1))
        task.cancel()
        await task
        return number

    with pytest.raises(flow.WorkflowDefect, match="CancelledError"):
        programs.value(body)


def test_cancelling_reaches_all_children(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with asyncio.TaskGroup() as group:
            for value in range(3):
                group.create_task(programs.double(value))
            await flow.sleep(100)
        return number

    run = programs.run(body, activities={programs.double: hang})
    run.settle()
    run.swf.request_cancel()
    with pytest.raises(flow.WorkflowClosed, match="Canceled"):
        run.result()
