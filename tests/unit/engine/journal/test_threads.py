from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from elbflow_engine.journal import threads


@pytest.fixture
async def helper() -> AsyncIterator[threads.Helper]:
    made = threads.Helper("test")
    yield made
    made.close()


@pytest.fixture
def slow_switching() -> Iterator[None]:
    """A waiter for the interpreter lock waits so long that only a gift lets it run."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5.0)
    yield
    sys.setswitchinterval(before)


async def occupy(slice_s: float) -> None:
    while True:
        until = time.perf_counter() + slice_s
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def test_work_runs_in_its_thread_and_in_order(helper: threads.Helper) -> None:
    seen: list[int] = []

    def work(number: int) -> int:
        seen.append(number)
        return threading.get_ident()

    names = await asyncio.gather(*(helper.run(functools.partial(work, number)) for number in range(20)))
    assert seen == list(range(20))
    assert set(names) != {threading.get_ident()}
    assert len(set(names)) == 1


async def test_errors_go_to_the_one_who_waits(helper: threads.Helper) -> None:
    def fail() -> None:
        raise KeyError("mine")

    results = await asyncio.gather(helper.run(fail), helper.run(lambda: 7), return_exceptions=True)
    assert isinstance(results[0], KeyError)
    assert results[1] == 7


async def test_a_cancelled_caller_does_not_stop_the_work(helper: threads.Helper) -> None:
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        go.wait(5)
        done.set()

    waiting = asyncio.create_task(helper.run(work))
    await asyncio.sleep(0.01)
    waiting.cancel()
    go.set()
    assert await helper.run(done.is_set)


async def test_started_work_tells_its_error(helper: threads.Helper) -> None:
    ended: asyncio.Queue[BaseException | None] = asyncio.Queue()
    helper.start(lambda: None, ended.put_nowait)
    helper.start(lambda: 1 // 0, ended.put_nowait)  # type: ignore[arg-type,return-value]
    assert await ended.get() is None
    assert isinstance(await ended.get(), ZeroDivisionError)


@pytest.mark.usefixtures("slow_switching", "may_block")
async def test_work_that_waits_for_nothing_is_over_at_once(helper: threads.Helper) -> None:
    seen: list[int | BaseException | None] = []
    helper.start_here(lambda: seen.append(threading.get_ident()), seen.append)
    assert seen == [threading.get_ident(), None]
    helper.start_here(lambda: 1 // 0, seen.append)  # type: ignore[arg-type,return-value]
    assert isinstance(seen[2], ZeroDivisionError)


async def test_it_never_overtakes_the_thread(helper: threads.Helper) -> None:
    go, ended, order = threading.Event(), asyncio.Event(), list[str]()
    helper.start(lambda: order.append(f"first {go.wait(5)}"), lambda _: None)
    helper.start_here(lambda: order.append("second"), lambda _: ended.set())
    assert order == []
    go.set()
    await ended.wait()
    assert order == ["first True", "second"]


async def test_a_loop_that_is_never_idle_lets_the_thread_run(helper: threads.Helper) -> None:
    busy = asyncio.create_task(occupy(0.0003))
    async with asyncio.timeout(20):
        for _ in range(10):
            await helper.run(lambda: sum(range(1000)))
    busy.cancel()
    assert not busy.done()


@pytest.mark.usefixtures("may_block")
async def test_work_that_takes_long_hardly_holds_up_the_loop(helper: threads.Helper) -> None:
    released = threading.Event()
    working = asyncio.create_task(helper.run(lambda: released.wait(5)))
    given = []
    helper._stand_still = lambda: given.append(1)  # type: ignore[method-assign]
    await asyncio.sleep(0.2)
    released.set()
    assert await working
    assert 4 <= len(given) <= 20
