"""Cancellations are counted alike under any Python: tasks take them back, groups renew what they swallowed."""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref
from asyncio import TaskGroup
from typing import Any

import pytest

from elbflow import flow
from elbflow.flow import counting
from elbflow.flow.core.loop import Loop


async def fails(event: asyncio.Event) -> None:
    await event.wait()
    raise ValueError("x")


async def cancelled_while_a_member_fails(group: TaskGroup) -> str:
    """The body of a task: whether the swallowed cancellation arrives at the next await."""
    event, task = asyncio.Event(), current()

    def both() -> None:
        event.set()
        task.cancel("from outside")

    asyncio.get_running_loop().call_soon(both)
    try:
        async with group:
            group.create_task(fails(event))
            group.create_task(asyncio.sleep(9))
    except* ValueError:
        pass
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        return f"cancelled {task.cancelling()}"
    return f"fine {task.cancelling()}"


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def test_a_group_renews_the_cancellation_that_it_swallowed(programs: Any) -> None:
    async def body(workflow: Any, number: int) -> str:
        return await asyncio.create_task(cancelled_while_a_member_fails(asyncio.TaskGroup()))

    assert programs.value(body, output=str) == "cancelled 1"


def test_a_group_imported_by_name_does_as_well(programs: Any) -> None:
    class Own(TaskGroup):
        async def __aexit__(self, *error: Any) -> None:
            await super().__aexit__(*error)

    async def body(workflow: Any, number: int) -> list[str]:
        return [await asyncio.create_task(cancelled_while_a_member_fails(group)) for group in (TaskGroup(), Own())]

    assert programs.value(body, output=list[str]) == ["cancelled 1", "cancelled 1"]


async def test_other_tasks_are_served_as_ever_by_the_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = await asyncio.create_task(cancelled_while_a_member_fails(TaskGroup()))
    for owner, name, stand_in, original in counting.METHODS:
        assert getattr(owner, name) is original
        monkeypatch.setattr(owner, name, stand_in)
    assert await asyncio.create_task(cancelled_while_a_member_fails(TaskGroup())) == plain


@pytest.mark.parametrize("times", [1, 2])
def test_a_task_takes_back_what_was_not_delivered(programs: Any, times: int) -> None:
    async def body(workflow: Any, number: int) -> list[Any]:
        task = asyncio.create_task(asyncio.sleep(1, "woke"))
        for _ in range(times):
            task.cancel()
        counts = [task.cancelling(), task.uncancel()]
        try:
            return [*counts, await task]
        except asyncio.CancelledError:
            return [*counts, "cancelled"]

    assert programs.value(body, output=list[Any]) == ([1, 0, "woke"] if times == 1 else [2, 1, "cancelled"])


def test_a_task_that_cancels_itself_is_cancelled_wherever_it_ends(programs: Any) -> None:
    async def returns() -> None:
        current().cancel("why")

    async def takes_a_turn() -> None:
        current().cancel("why")
        await asyncio.sleep(0)

    async def waits() -> None:
        current().cancel("why")
        await asyncio.Event().wait()

    async def raises() -> None:
        current().cancel("why")
        raise ValueError("x")

    async def body(workflow: Any, number: int) -> list[str]:
        tasks = [asyncio.create_task(function()) for function in (returns, takes_a_turn, waits, raises)]
        said: list[str] = []
        for task in tasks:
            try:
                await task
            except (asyncio.CancelledError, ValueError) as error:
                said.append(repr(error))
        return said

    cancelled = "CancelledError('why')"
    assert programs.value(body, output=list[str]) == [cancelled, cancelled, cancelled, "ValueError('x')"]


def test_a_group_that_is_over_closes_what_it_refuses(programs: Any) -> None:
    async def body(workflow: Any, number: int) -> int:
        async with asyncio.TaskGroup() as group:
            pass
        with warnings.catch_warnings(), pytest.raises(RuntimeError, match="finished"):
            group.create_task(asyncio.sleep(1))
        gc.collect()
        return number

    assert programs.value(body) == 1


def test_a_task_shows_its_coroutine_and_where_it_stands() -> None:
    async def inner() -> None:
        await asyncio.sleep(9)

    async def look() -> None:
        coro = inner()
        task = counting.CountingTask(coro, loop=asyncio.get_running_loop())
        await asyncio.sleep(0)
        assert task.get_coro() is coro
        assert "inner" in repr(task)
        assert [frame.f_code.co_name for frame in task.get_stack()] == ["inner"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(look())


def test_what_is_no_coroutine_is_refused() -> None:
    async def look() -> None:
        with pytest.raises(TypeError, match="a coroutine was expected"):
            counting.CountingTask(7, loop=asyncio.get_running_loop())  # type: ignore[arg-type]

    asyncio.run(look())


@pytest.mark.parametrize("error", [None, ValueError("x"), asyncio.CancelledError()])
def test_a_finished_task_goes_without_the_collector(error: BaseException | None) -> None:
    async def ends() -> None:
        await asyncio.sleep(0)
        if error is not None:
            raise error

    async def look() -> weakref.ref[Any]:
        task = counting.CountingTask(ends(), loop=asyncio.get_running_loop())
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is error
        return weakref.ref(task)

    gc.collect()
    gc.disable()
    try:
        found = asyncio.run(look())
        assert found() is None
    finally:
        gc.enable()


def test_the_main_task_is_of_the_runtime_and_counts(programs: Any) -> None:
    async def body(workflow: Any, number: int) -> int:
        task = current()
        assert isinstance(asyncio.get_running_loop(), Loop)
        task.cancel()
        assert task.uncancel() == 0
        await flow.sleep(1)
        return number

    assert programs.value(body) == 1
