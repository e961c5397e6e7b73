"""Programs of plain asyncio that must take the same course on asyncio's own loop and on a workflow's.

A scenario gets a ``note`` to say what happens; times are whole seconds and never tie, since what is due at one instant
has no order. :func:`observe` gives all that was noted, with the time, and how the scenario ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

Note = Callable[[str], None]
Scenario = Callable[[Note], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function  # type: ignore[attr-defined]
    return function


def describe(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__}[{', '.join(map(describe, error.exceptions))}]"
    return f"{type(error).__name__}({error})"


async def observe(program: Scenario) -> list[str]:
    loop = asyncio.get_running_loop()
    began, log = loop.time(), []

    def note(text: str) -> None:
        log.append(f"{round(loop.time() - began, 3):g} {text}")

    try:
        await program(note)
    except BaseException as error:
        note(f"ended with {describe(error)}")
    return list(log)  # what is cleaned up later does not count


async def step(note: Note, name: str, seconds: float, error: BaseException | None = None) -> str:
    """Sleep, tell of it, and of being cancelled meanwhile."""
    note(f"{name} begins")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note(f"{name} cancelled")
        raise
    if error is not None:
        note(f"{name} fails")
        raise error
    note(f"{name} done")
    return name


@scenario
async def group_waits_for_all(note: Note) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(step(note, name, seconds)) for name, seconds in (("a", 5), ("b", 2), ("c", 9))]
    note(" ".join(task.result() for task in tasks))


@scenario
async def group_cancels_the_others(note: Note) -> None:
    async with asyncio.TaskGroup() as group:
        for index in range(9):
            group.create_task(step(note, f"t{index}", 20 + index))
        group.create_task(step(note, "bad", 3, ValueError("x")))
        group.create_task(step(note, "worse", 4, KeyError("y")))


@scenario
async def group_of_groups(note: Note) -> None:
    async def inner(name: str, at: int) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(step(note, name + "1", 50))
            group.create_task(step(note, name + "2", at, OSError(name)))

    async with asyncio.TaskGroup() as group:
        group.create_task(inner("a", 7))
        group.create_task(inner("b", 8))
        group.create_task(inner("c", 6))


@scenario
async def group_body_raises(note: Note) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(step(note, "a", 5))
            await asyncio.sleep(1)
            raise LookupError("body")
    except* LookupError as found:
        note(describe(found))
    except* ValueError:
        note("never")


@scenario
async def group_grows_while_it_ends(note: Note) -> None:
    async with asyncio.TaskGroup() as group:

        async def spawning() -> None:
            await step(note, "parent", 2)
            group.create_task(step(note, "child", 3))

        group.create_task(spawning())
        task = group.create_task(step(note, "itself", 50))
        await asyncio.sleep(1)
        task.cancel("enough")
    note(f"over {task.cancelled()}")


@scenario
async def group_cancelled_from_outside(note: Note) -> None:
    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(step(note, "a", 30))
            group.create_task(step(note, "b", 31))

    task = asyncio.create_task(grouped())
    await asyncio.sleep(2)
    note(f"{task.cancel()} {task.cancelling()}")
    try:
        await task
    except asyncio.CancelledError as error:
        note(describe(error))


@scenario
async def group_failing_during_cancellation(note: Note) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(40)
        finally:
            await asyncio.sleep(3)
            raise RuntimeError("cleanup")

    async with asyncio.TaskGroup() as group:
        group.create_task(stubborn())
        group.create_task(step(note, "bad", 1, ValueError("first")))


@scenario
async def gather_results_in_order(note: Note) -> None:
    note(str(await asyncio.gather(step(note, "a", 7), step(note, "b", 3), step(note, "c", 5))))
    note(str(await asyncio.gather()))


@scenario
async def gather_raises_the_first(note: Note) -> None:
    rest = asyncio.create_task(step(note, "rest", 9))
    try:
        await asyncio.gather(rest, step(note, "x", 4, ValueError("x")), step(note, "y", 5, KeyError("y")))
    except ValueError as error:
        note(describe(error))
    await rest


@scenario
async def gather_returns_errors(note: Note) -> None:
    task = asyncio.create_task(step(note, "gone", 9))
    asyncio.get_running_loop().call_later(2, task.cancel)
    found = await asyncio.gather(step(note, "a", 4, ValueError("x")), task, step(note, "b", 5), return_exceptions=True)
    note(" ".join(describe(value) if isinstance(value, BaseException) else value for value in found))


@scenario
async def gather_cancelled(note: Note) -> None:
    gathered = asyncio.gather(step(note, "a", 10), step(note, "b", 11))
    asyncio.get_running_loop().call_later(3, gathered.cancel)
    await gathered


@scenario
async def gather_takes_no_turn_for_what_is_done(note: Note) -> None:
    async def turns() -> None:
        for number in range(4):
            note(f"turn {number}")
            await asyncio.sleep(0)

    quick = asyncio.create_task(step(note, "quick", 1))
    failed = asyncio.create_task(step(note, "bad", 2, ValueError("x")))
    await asyncio.wait([quick, failed])
    others = asyncio.create_task(turns())
    note(" ".join(await asyncio.gather(quick, quick)))
    await asyncio.sleep(0)
    note(str(await asyncio.gather(quick, asyncio.sleep(0, "slept"), quick)))
    try:
        await asyncio.gather(others, failed, step(note, "late", 1))
    except ValueError as error:
        note(describe(error))
    note(str(await asyncio.gather(failed, return_exceptions=True)))
    await asyncio.gather(others)


@scenario
async def wait_first_completed(note: Note) -> None:
    tasks = [asyncio.create_task(step(note, name, at)) for name, at in (("a", 8), ("b", 4), ("c", 6))]
    while tasks:
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        note(f"{[task.result() for task in done]} {len(pending)}")
        tasks = [task for task in tasks if task in pending]


@scenario
async def wait_first_exception(note: Note) -> None:
    tasks = {
        asyncio.create_task(step(note, "a", 4)),
        asyncio.create_task(step(note, "b", 6, ValueError("b"))),
        asyncio.create_task(step(note, "c", 9)),
    }
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    note(f"{len(done)} {len(pending)} {sorted(describe(e) for e in (t.exception() for t in done) if e)}")
    for task in pending:
        note(await task)


@scenario
async def wait_with_a_limit(note: Note) -> None:
    tasks = [asyncio.create_task(step(note, name, at)) for name, at in (("a", 3), ("b", 12), ("c", 14))]
    done, pending = await asyncio.wait(tasks, timeout=5)
    note(f"{len(done)} {len(pending)}")
    done, pending = await asyncio.wait(tasks)
    note(f"{len(done)} {len(pending)}")


@scenario
async def wait_for_in_time_and_not(note: Note) -> None:
    note(await asyncio.wait_for(step(note, "quick", 2), 5))
    note(await asyncio.wait_for(step(note, "free", 3), None))
    for limit in (4, 0, -1):
        try:
            await asyncio.wait_for(step(note, f"slow{limit}", 50), limit)
        except TimeoutError as error:
            note(describe(error))


@scenario
async def wait_for_lets_cleanup_finish(note: Note) -> None:
    async def tidy() -> None:
        try:
            await asyncio.sleep(50)
        finally:
            await step(note, "cleanup", 7)

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(tidy(), 3)
    note("after")


@scenario
async def wait_for_cancelled_outside(note: Note) -> None:
    task = asyncio.create_task(asyncio.wait_for(step(note, "inner", 50), 40))
    await asyncio.sleep(2)
    task.cancel()
    note(str(await asyncio.gather(task, return_exceptions=True)))


@scenario
async def wait_for_takes_no_turn_of_its_own(note: Note) -> None:
    await asyncio.gather(
        asyncio.wait_for(step(note, "limited", 3), 9), step(note, "free", 4), asyncio.wait_for(step(note, "more", 5), 8)
    )


@scenario
async def timeouts_nested(note: Note) -> None:
    for outer_s, inner_s in ((5, 9), (9, 5)):
        try:
            async with asyncio.timeout(outer_s) as outer:
                try:
                    async with asyncio.timeout(inner_s) as inner:
                        await step(note, "work", 50)
                except TimeoutError:
                    note("inner")
                    await asyncio.sleep(20)
        except TimeoutError:
            note("outer")
        note(f"{outer.expired()} {inner.expired()}")


@scenario
async def timeout_rescheduled(note: Note) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5) as limit:
        await asyncio.sleep(3)
        limit.reschedule(loop.time() + 10)
        await step(note, "work", 8)
        limit.reschedule(None)
        await step(note, "unlimited", 30)
    note(f"{limit.expired()} {limit.when()}")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None) as limit:
            limit.reschedule(loop.time() - 1)
            await step(note, "late", 9)
    note(str(limit.expired()))


@scenario
async def timeout_at_a_time(note: Note) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(loop.time() + 4):
            await step(note, "work", 9)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(loop.time() - 4):
            note("entered")
            await step(note, "past", 9)
    async with asyncio.timeout_at(None):
        await step(note, "free", 2)


@scenario
async def timeout_in_a_group(note: Note) -> None:
    async def limited(name: str, limit: int) -> str:
        try:
            async with asyncio.timeout(limit):
                return await step(note, name, 10)
        except TimeoutError:
            return f"{name} late"

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(limited(f"t{limit}", limit)) for limit in (3, 6, 20)]
    note(" ".join(task.result() for task in tasks))


@scenario
async def timeout_does_not_eat_a_cancellation(note: Note) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await step(note, "work", 50)

    task = asyncio.create_task(limited())
    await asyncio.sleep(4)
    task.cancel()
    note(str(await asyncio.gather(task, return_exceptions=True)))


@scenario
async def uncancel_and_go_on(note: Note) -> None:
    async def resilient() -> int:
        me = asyncio.current_task()
        assert me is not None
        for turn in range(3):
            try:
                await asyncio.sleep(10 + turn)
            except asyncio.CancelledError as error:
                note(f"{error} {me.cancelling()} {me.uncancel()}")
        return me.cancelling()

    task = asyncio.create_task(resilient())
    loop = asyncio.get_running_loop()
    loop.call_later(3, task.cancel, "one")
    loop.call_later(5, lambda: (task.cancel("two"), task.cancel("three")))
    note(str(await task))


@scenario
async def cancelled_before_it_begins(note: Note) -> None:
    task = asyncio.create_task(step(note, "never", 1))
    task.cancel()
    await asyncio.sleep(0)
    note(f"{task.done()}")
    note(describe((await asyncio.gather(task, return_exceptions=True))[0]))  # type: ignore[arg-type]
    note(f"{task.cancel()} {task.cancelled()}")


@scenario
async def cancels_itself(note: Note) -> None:
    async def suicidal() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel("self")
        note("still here")
        await asyncio.sleep(0)

    note(str(await asyncio.gather(asyncio.create_task(suicidal()), return_exceptions=True)))


@scenario
async def shield_keeps_the_inside(note: Note) -> None:
    inner = asyncio.create_task(step(note, "inner", 9))
    outer = asyncio.create_task(_awaiting(asyncio.shield(inner)))
    await asyncio.sleep(2)
    outer.cancel()
    note(str(await asyncio.gather(outer, return_exceptions=True)))
    note(f"{inner.done()} {await inner}")


async def _awaiting(thing: Awaitable[Any]) -> Any:
    return await thing


@scenario
async def events_wake_in_order(note: Note) -> None:
    event = asyncio.Event()

    async def waiting(name: str) -> None:
        note(f"{name} {await event.wait()}")

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(waiting(name))
        await asyncio.sleep(2)
        event.set()
        note("set")
    event.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3):
            await event.wait()
    note(str(event.is_set()))


@scenario
async def locks_are_fair(note: Note) -> None:
    lock = asyncio.Lock()

    async def using(name: str, seconds: int) -> None:
        async with lock:
            await step(note, name, seconds)

    tasks = [asyncio.create_task(using(name, seconds)) for name, seconds in (("a", 3), ("b", 4), ("c", 5), ("d", 6))]
    await asyncio.sleep(1)
    tasks[1].cancel()
    note(str([type(found).__name__ for found in await asyncio.gather(*tasks, return_exceptions=True)]))
    try:
        lock.release()
    except RuntimeError as error:
        note(describe(error))


@scenario
async def semaphores_admit_so_many(note: Note) -> None:
    semaphore = asyncio.BoundedSemaphore(2)

    async def using(name: str, seconds: int) -> None:
        async with semaphore:
            await step(note, name, seconds)

    await asyncio.gather(*(using(f"u{seconds}", seconds) for seconds in (3, 8, 4, 16, 2)))
    try:
        semaphore.release()
    except ValueError as error:
        note(describe(error))
    plain = asyncio.Semaphore(0)
    asyncio.get_running_loop().call_later(5, plain.release)
    note(f"{plain.locked()} {await plain.acquire()}")


@scenario
async def queues_hold_back_producers(note: Note) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(2)

    async def produce() -> None:
        for number in range(5):
            await queue.put(number)
            note(f"put {number}")

    async def consume(name: str, seconds: int) -> None:
        while True:
            number = await queue.get()
            await asyncio.sleep(seconds)
            note(f"{name} got {number}")
            queue.task_done()

    consumers = [asyncio.create_task(consume("x", 3)), asyncio.create_task(consume("y", 7))]
    await produce()
    await queue.join()
    for consumer in consumers:
        consumer.cancel()
    note(str([type(found).__name__ for found in await asyncio.gather(*consumers, return_exceptions=True)]))
    try:
        queue.get_nowait()
    except asyncio.QueueEmpty as error:
        note(describe(error))


@scenario
async def priority_and_stack_queues(note: Note) -> None:
    for kind in (asyncio.PriorityQueue, asyncio.LifoQueue):
        queue: asyncio.Queue[int] = kind()
        for number in (3, 1, 2):
            queue.put_nowait(number)
        asyncio.get_running_loop().call_later(2, queue.put_nowait, 0)
        note(str([await queue.get() for _ in range(4)]))


@scenario
async def conditions_notify_so_many(note: Note) -> None:
    condition = asyncio.Condition()
    stock = 0

    async def taking(name: str) -> None:
        nonlocal stock
        async with condition:
            await condition.wait_for(lambda: stock > 0)
            stock -= 1
            note(f"{name} takes")

    async with asyncio.TaskGroup() as group:
        for name in "abcd":
            group.create_task(taking(name))
        for count in (1, 2, 1):
            await asyncio.sleep(count)
            async with condition:
                stock += count
                condition.notify(count)
                note(f"put {count}")


@scenario
async def condition_wait_cancelled(note: Note) -> None:
    condition = asyncio.Condition()

    async def waiting(name: str) -> None:
        try:
            async with condition:
                await condition.wait()
                note(f"{name} woken")
        finally:
            note(f"{name} {condition.locked()}")

    first, second = asyncio.create_task(waiting("a")), asyncio.create_task(waiting("b"))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.sleep(1)
    async with condition:
        condition.notify_all()
    note(str([type(found).__name__ for found in await asyncio.gather(first, second, return_exceptions=True)]))


@scenario
async def barriers_let_all_go(note: Note) -> None:
    barrier = asyncio.Barrier(3)

    async def arriving(name: str, seconds: int) -> None:
        await asyncio.sleep(seconds)
        try:
            async with barrier as position:
                note(f"{name} {position}")
        except asyncio.BrokenBarrierError:
            note(f"{name} broken")

    await asyncio.gather(arriving("a", 3), arriving("b", 1), arriving("c", 2))
    late = asyncio.gather(arriving("d", 1), arriving("e", 2))
    await asyncio.sleep(5)
    await barrier.abort()
    await late
    note(str(barrier.broken))


@scenario
async def as_completed_in_order(note: Note) -> None:
    tasks = [asyncio.create_task(step(note, name, at)) for name, at in (("a", 6), ("b", 2), ("c", 4))]
    for each in asyncio.as_completed(tasks):
        note(f"next {await each}")
    try:
        tasks = [asyncio.create_task(step(note, "d", 3)), asyncio.create_task(step(note, "e", 30))]
        for each in asyncio.as_completed(tasks, timeout=8):
            note(f"next {await each}")
    except TimeoutError as error:
        note(describe(error))
    tasks[1].cancel()
    await asyncio.wait(tasks)


@scenario
async def callbacks_run_in_order(note: Note) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def unwanted(_future: object) -> None:
        note("unwanted")

    future.add_done_callback(lambda found: note(f"first {found.result()}"))
    future.add_done_callback(unwanted)
    future.add_done_callback(lambda found: note("second"))
    note(str(future.remove_done_callback(unwanted)))
    loop.call_later(4, future.set_result, 7)
    dropped = loop.call_later(2, note, "dropped")
    loop.call_at(loop.time() + 3, note, "at three")
    dropped.cancel()
    loop.call_soon(note, "soon")
    note(f"{await future} {dropped.cancelled()}")
    await asyncio.sleep(0)
    note("end")


@scenario
async def turns_are_taken(note: Note) -> None:
    async def spinning(name: str) -> None:
        for turn in range(3):
            note(f"{name}{turn}")
            await asyncio.sleep(0)

    await asyncio.gather(*(spinning(name) for name in "xyz"))


@scenario
async def contexts_belong_to_tasks(note: Note) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def child(value: str, seconds: int) -> None:
        variable.set(value)
        await asyncio.sleep(seconds)
        note(f"{value} {variable.get()}")

    variable.set("mine")
    async with asyncio.TaskGroup() as group:
        group.create_task(child("a", 3))
        group.create_task(child("b", 2), context=contextvars.Context())
        asyncio.get_running_loop().call_later(1, lambda: note(variable.get()))
    note(variable.get())


async def _numbers(note: Note, name: str, count: int = 9) -> AsyncGenerator[int, None]:
    try:
        for number in range(count):
            await asyncio.sleep(2)
            yield number
    finally:
        note(f"{name} ends")
        await asyncio.sleep(3)
        note(f"{name} cleaned up")


@scenario
async def generators_closed_by_hand(note: Note) -> None:
    async with contextlib.aclosing(_numbers(note, "a")) as numbers:
        async for number in numbers:
            note(str(number))
            if number == 1:
                break
    note(str([number async for number in _numbers(note, "b", 3) if number != 1]))
    generator = _numbers(note, "c")
    note(str(await anext(generator)))
    with contextlib.suppress(KeyError):
        await generator.athrow(KeyError("thrown"))


@scenario
async def generators_dropped_are_cleaned_up_later(note: Note) -> None:
    async def first() -> int:
        async for number in _numbers(note, "dropped"):
            return number
        return -1

    note(str(await first()))
    await asyncio.sleep(20)
    note("end")


@scenario
async def comprehensions_await(note: Note) -> None:
    async def value(number: int) -> int:
        await asyncio.sleep(number)
        return 10 * number

    note(str({number: await value(number) for number in (3, 1, 2)}))
    note(str([found async for found in (await value(number) async for number in _numbers(note, "g", 3))]))


@scenario
async def errors_of_a_group_are_sorted_out(note: Note) -> None:
    try:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(step(note, "a", 3, ValueError("a")))
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(8)
                raise KeyError("body")
        except* KeyError as found:
            note(f"keys {describe(found)}")
            raise OSError("instead") from found.exceptions[0]
    except* ValueError as found:
        note(f"values {describe(found)}")
    except* OSError as found:
        note(f"others {describe(found)} {describe(found.exceptions[0].__cause__ or found)}")


@scenario
async def stacks_unwind_in_reverse(note: Note) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for name in "ab":
            stack.push_async_callback(step, note, name, 2)
        stack.push_async_exit(_swallow(note))
        await asyncio.sleep(1)
        raise ValueError("x")
    note("end")


def _swallow(note: Note) -> Callable[..., Awaitable[bool]]:
    async def leaving(kind: object, error: BaseException, _trace: object) -> bool:
        await asyncio.sleep(1)
        note(f"swallowed {describe(error)}")
        return True

    return leaving


@scenario
async def other_loops_are_refused(note: Note) -> None:
    coroutine = step(note, "never", 1)
    try:
        asyncio.run(coroutine)
    except RuntimeError as error:
        note(describe(error))
    finally:
        coroutine.close()
    note("end")


@scenario
async def tasks_know_each_other(note: Note) -> None:
    others = [asyncio.create_task(step(note, name, at), name=name) for name, at in (("a", 4), ("b", 3), ("c", 2))]
    await asyncio.sleep(1)
    me = asyncio.current_task()
    note(str(sorted(task.get_name() for task in asyncio.all_tasks() if task is not me)))
    await asyncio.wait(others)
    note(str(len(asyncio.all_tasks() - {me})))


@scenario
async def futures_carry_what_they_are_given(note: Note) -> None:
    loop = asyncio.get_running_loop()
    for end in (lambda f: f.set_exception(ValueError("x")), lambda f: f.cancel("why"), lambda f: f.set_result(3)):
        future = loop.create_future()
        loop.call_later(2, end, future)
        try:
            note(f"{await future}")
        except (ValueError, asyncio.CancelledError) as error:
            note(describe(error))
    try:
        future.set_result(4)
    except asyncio.InvalidStateError as error:
        note(type(error).__name__)


@scenario
async def group_counts_its_own_cancellation(note: Note) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(step(note, "a", 3, ValueError("a")))
            await asyncio.sleep(20)
    except* ValueError as found:
        note(describe(found))
    task = asyncio.current_task()
    assert task is not None
    note(str(task.cancelling()))
    await asyncio.sleep(2)


@scenario
async def member_fails_as_the_timeout_around_its_group_ends(note: Note) -> None:
    async def failing() -> None:
        await failure.wait()
        raise ValueError("x")

    def both() -> None:
        failure.set()
        timeout.reschedule(loop.time())

    failure, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.call_later(3, both)
    try:
        async with asyncio.timeout(None) as timeout:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(failing())
                    group.create_task(step(note, "other", 9))
            except* ValueError as found:
                note(describe(found))
            await step(note, "after", 5)
    except TimeoutError:
        note("timeout")
    task = asyncio.current_task()
    assert task is not None
    note(str(task.cancelling()))


NEWER = {
    "gather_takes_no_turn_for_what_is_done": [
        "0 quick begins",
        "0 bad begins",
        "1 quick done",
        "2 bad fails",
        "2 quick quick",
        "2 turn 0",
        "2 turn 1",
        "2 turn 2",
        "2 turn 3",
        "2 ['quick', 'slept', 'quick']",
        "2 ValueError(x)",
        "2 [ValueError('x')]",
    ],
    "member_fails_as_the_timeout_around_its_group_ends": [
        "0 other begins",
        "3 other cancelled",
        "3 ExceptionGroup[ValueError(x)]",
        "3 after begins",
        "3 after cancelled",
        "3 timeout",
        "3 0",
    ],
    "condition_wait_cancelled": ["1 a False", "1 b woken", "1 b False", "2 ['CancelledError', 'NoneType']"],
    "wait_for_takes_no_turn_of_its_own": [
        "0 limited begins",
        "0 free begins",
        "0 more begins",
        "3 limited done",
        "4 free done",
        "5 more done",
    ],
}
"""What newer Pythons make of some scenarios, and workflows under any."""

ANYWHERE = tuple(SCENARIOS)
"""Names of the scenarios that every Python from 3.11 on can run."""

if sys.version_info >= (3, 12):

    @scenario
    async def eager_tasks_begin_at_once(note: Note) -> None:
        loop = asyncio.get_running_loop()
        quick = asyncio.Task(_value(1), loop=loop, eager_start=True)
        note(f"{quick.done()}")
        slow = asyncio.Task(step(note, "slow", 3), loop=loop, eager_start=True)
        note("after")
        note(f"{await slow} {await quick}")

    async def _value(number: int) -> int:
        return number


if sys.version_info >= (3, 13):

    @scenario
    async def queues_shut_down(note: Note) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        queue.put_nowait(1)
        asyncio.get_running_loop().call_later(4, queue.shutdown)
        try:
            while True:
                note(str(await queue.get()))
        except asyncio.QueueShutDown as error:
            note(describe(error))

    @scenario
    async def as_completed_gives_the_tasks_themselves(note: Note) -> None:
        tasks = [asyncio.create_task(step(note, name, at)) for name, at in (("a", 6), ("b", 2), ("c", 4))]
        async for task in asyncio.as_completed(tasks):
            note(f"{tasks.index(task)} {await task}")
