"""The deterministic loop under everything asyncio offers."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio import wait_for
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvloop

from elbflow import flow
from elbflow.flow.core import loop as loops
from elbflow.flow.core.loop import Future, Loop, Task
from elbflow.testing import Never


async def test_the_workers_own_loop_is_running_again_afterwards(programs: Any, outer_loop: Any) -> None:
    seen: list[Any] = []

    async def body(self: Any, number: int) -> int:
        seen.append((asyncio.get_running_loop(), asyncio.current_task()))
        return number

    task = asyncio.current_task()
    hooks = sys.get_asyncgen_hooks()
    assert programs.value(body) == 1
    assert isinstance(seen[0][0], Loop)
    assert isinstance(seen[0][1], Task)
    assert asyncio.get_running_loop() is outer_loop
    assert asyncio.current_task() is task
    assert sys.get_asyncgen_hooks() == hooks


def test_it_runs_inside_uvloop(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async with asyncio.TaskGroup() as group, asyncio.timeout(9):
            tasks = [group.create_task(programs.double(value)) for value in range(number)]
        return sum(task.result() for task in tasks)

    async def worker() -> int:
        result = programs.value(body, 4)
        await asyncio.sleep(0.001)
        return int(result)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(worker()) == 12


def test_the_loop_is_left_even_when_deciding_fails(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        raise KeyError("bug")

    with pytest.raises(flow.WorkflowDefect):
        programs.value(body)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_tasks_and_futures_hash_by_creation_number(programs: Any) -> None:
    hashes: list[int] = []

    async def body(self: Any, number: int) -> int:
        async def nothing() -> None: ...

        tasks = [asyncio.create_task(nothing()) for _ in range(5)]
        future = asyncio.get_running_loop().create_future()
        hashes.extend(hash(task) for task in tasks)
        hashes.append(hash(future))
        assert isinstance(future, Future)
        assert list(set(tasks)) == tasks
        assert len({tasks[0], tasks[1], tasks[0]}) == 2
        await asyncio.gather(*tasks)
        return tasks[0].get_name() == f"task-{hash(tasks[0])}"

    assert programs.value(body) == 1
    assert hashes == [*range(2, 7), 1, *range(2, 7), 1]  # the replay's are the same


def test_task_groups_cancel_in_creation_order(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[int]:
        async def child(index: int) -> None:
            try:
                await programs.double(index)
            except asyncio.CancelledError:
                self.log.append(index)
                raise

        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for index in range(12):
                    group.create_task(child(index))
                await flow.sleep(1)
                raise flow.ActivityFailed("x", "y")
        return list(self.log)

    run = programs.run(body, activities={programs.double: never}, output=list[int])
    order = run.result()
    assert sorted(order) == list(range(12))
    assert order == list(range(12))


def never(_number: int) -> int:
    raise Never


def test_plain_asyncio_primitives_work(programs: Any) -> None:
    async def body(self: Any, number: int) -> str:
        event, lock, queue = asyncio.Event(), asyncio.Lock(), asyncio.Queue[str]()
        said: list[str] = []

        async def producer() -> None:
            async with lock:
                await flow.sleep(1)
                queue.put_nowait("made")
                event.set()

        async def consumer() -> None:
            await event.wait()
            async with lock:
                said.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(producer())
            group.create_task(consumer())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3)
        shielded = asyncio.ensure_future(programs.double(4))
        said.append(str(await asyncio.shield(shielded)))
        said += map(str, await asyncio.gather(programs.double(1), programs.double(2)))
        condition = asyncio.Condition()
        async with condition:
            condition.notify_all()
        semaphore = asyncio.Semaphore(1)
        async with semaphore:
            await asyncio.sleep(0)
        return " ".join(said)

    assert programs.value(body, output=str) == "made 8 2 4"


def test_wait_and_as_completed_are_reproducible(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[int]:
        tasks = {asyncio.create_task(programs.double(value)) for value in (5, 6, 7)}
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = [task.result() for task in done]
        rest = [await step for step in asyncio.as_completed(pending)]
        coroutines = [programs.double(value) for value in (1, 2, 3)]
        return first + rest + [await step for step in asyncio.as_completed(coroutines)]

    assert programs.value(body, output=list[int]) == [10, 12, 14, 2, 4, 6]


def test_wait_with_a_timeout_is_a_timer(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        task = asyncio.create_task(asyncio.Event().wait())
        done, pending = await asyncio.wait({task}, timeout=2)
        return len(pending) - len(done)

    run = programs.run(body)
    assert run.result() == 1
    assert [event.attributes["startToFireTimeout"] for event in run.swf.events if event.type == "TimerStarted"] == ["2"]


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [(1, "1"), (0.2, "1"), (1.2, "2"), (timedelta(minutes=2), "120"), (0.1 + 0.2 + 0.7, "1"), (1e12, "31536000")],
)
def test_timers_are_whole_seconds_rounded_up(programs: Any, delay: float | timedelta, seconds: str) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.sleep(delay)
        return number

    run = programs.run(body)
    run.run(lambda: bool(run.swf.timers))
    assert run.swf.events[-1].attributes["startToFireTimeout"] == seconds


def test_an_endless_sleep_is_a_timer_too(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        await flow.sleep(float("inf"))
        return number

    run = programs.run(body)
    run.run(lambda: bool(run.swf.timers))
    assert run.swf.events[-1].attributes["startToFireTimeout"] == "31536000"


def test_sleeping_for_no_time_lets_others_run_without_a_timer(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[str]:
        said: list[str] = []

        async def other() -> None:
            said.append("other")

        task = asyncio.create_task(other())
        await flow.sleep(0)
        said.append("main")
        await task
        return said

    run = programs.run(body, output=list[str])
    assert run.result() == ["other", "main"]
    assert not [event for event in run.swf.events if event.type == "TimerStarted"]


def test_time_is_that_of_the_decision_and_stands_still(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[float]:
        before = flow.now()
        assert before.tzinfo is UTC
        assert asyncio.get_running_loop().time() == before.timestamp()
        await flow.sleep(90)
        return [before.timestamp(), flow.now().timestamp()]

    run = programs.run(body, output=list[float])
    start = run.swf.now
    assert run.result() == [start, start + 90]
    assert datetime.fromtimestamp(start, UTC).year == 2023


def test_context_variables_and_names_reach_tasks(programs: Any) -> None:
    import contextvars

    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def body(self: Any, number: int) -> int:
        async def child() -> int:
            await asyncio.sleep(0)
            return variable.get()

        variable.set(7)
        context = contextvars.copy_context()
        context.run(variable.set, 20)
        named = asyncio.create_task(child(), name="named", context=context)
        assert named.get_name() == "named"
        return await named + await asyncio.create_task(child())

    assert programs.value(body) == 27
    assert variable.get() == 0


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda: asyncio.open_connection("127.0.0.1", 1), "network in an activity"),
        (lambda: asyncio.to_thread(print), "put the work into an activity"),
        (lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1), "network in an activity"),
        (lambda: asyncio.create_subprocess_exec("true"), "programs in an activity"),
        (lambda: asyncio.get_running_loop().call_soon_threadsafe(print), "no threads"),
        (lambda: asyncio.get_running_loop().stop(), "return from run"),
    ],
)
def test_input_and_output_are_refused_with_advice(programs: Any, call: Any, advice: str) -> None:
    async def body(self: Any, number: int) -> int:
        await call()
        return number

    with pytest.raises(flow.NonDeterministicCall, match=advice):
        programs.value(body)


def test_a_refused_call_withholds_the_decision_even_when_caught(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        with contextlib.suppress(Exception):
            await asyncio.to_thread(print)
        return number

    with pytest.raises(flow.NonDeterministicCall):
        programs.value(body)


def test_a_busy_loop_is_a_defect(programs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_TURNS", 500)

    async def body(self: Any, number: int) -> int:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(flow.WorkflowDefect, match="come to rest"):
        programs.value(body)


def test_an_error_in_a_callback_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await flow.sleep(1)
        return number

    with pytest.raises(flow.WorkflowDefect, match="ZeroDivisionError"):
        programs.value(body)


def test_errors_of_tasks_that_nobody_awaited_are_reported(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async def child() -> None:
            raise ValueError("unseen")

        self.task = asyncio.create_task(child())
        await asyncio.sleep(0)
        return number

    run = programs.run(body)
    assert run.result() == 1
    assert run.decided[-1].unobserved == ("ValueError('unseen')",)


def test_cleanup_of_workflows_put_away_has_no_effect(programs: Any) -> None:
    entered: list[str] = []

    async def body(self: Any, number: int) -> int:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(flow.sleep(60))
                await programs.double(1)
        finally:
            entered.append("cleanup")
            await programs.double(2)
            entered.append("never")
        return number

    run = programs.run(body)
    decided = run.decide()
    assert [decision.type for decision in decided.decisions] == ["ScheduleActivityTask", "StartTimer"]
    assert "cleanup" in entered
    assert "never" not in entered


def test_workflows_that_resist_being_put_away_are_let_go(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.log.append("no")

    assert programs.run(body).decide().decisions == ()


def test_async_generators_stay_with_the_workflow(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        async def numbers() -> Any:
            for value in range(3):
                yield await programs.double(value)

        total = 0
        async for value in numbers():
            total += value
        async for value in numbers():
            return total + value
        return total

    async def worker() -> int:
        return int(programs.value(body))

    assert asyncio.run(worker()) == 6


def test_leaving_the_interpreter_is_a_defect(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        sys.exit(3)

    with pytest.raises(flow.WorkflowDefect, match="return from run"):
        programs.value(body)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="asyncio's own makes no task there")
def test_wait_for_imported_by_name_is_refused_where_it_makes_a_task(programs: Any) -> None:
    async def body(self: Any, number: int) -> int:
        coroutine = programs.double(number)
        try:
            return int(await wait_for(coroutine, 5))
        finally:
            coroutine.close()

    with pytest.raises(flow.NonDeterministicCall, match=r"asyncio\.wait_for\(\)"):
        programs.value(body)


def test_all_tasks_are_given_in_the_order_of_their_creation(programs: Any) -> None:
    async def body(self: Any, number: int) -> list[str]:
        tasks = [asyncio.create_task(flow.sleep(1), name=str(index)) for index in range(6)]
        found = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.gather(*tasks)
        return found

    assert programs.value(body, output=list[str]) == ["0", "1", "2", "3", "4", "5"]
