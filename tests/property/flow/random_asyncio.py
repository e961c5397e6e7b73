"""Random programs of plain asyncio; each can run on any event loop and notes what happens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from tests.property.flow.scenarios import Note, describe

Program = Any  # nested lists: [kind, *operands]


class Player:
    """Plays one program. ``collect`` is asked at every step whether the garbage collector shall run."""

    def __init__(self, note: Note, collect: Callable[[], bool]) -> None:
        self.note = note
        self.collect = collect
        self.lock = asyncio.Lock()
        self.room = asyncio.Semaphore(2)
        self.queue: asyncio.Queue[int] = asyncio.Queue(2)
        self.flag = asyncio.Event()
        self.names = itertools.count(1)
        self.waits = itertools.count(1)

    async def play(self, program: Program) -> int:
        kind, *operands = program
        name = f"{kind}{next(self.names)}"
        self.note(name)
        if self.collect():
            gc.collect()
        try:
            return int(await getattr(self, kind)(*operands) or 0)
        except BaseException as error:
            self.note(f"{name} {describe(error)}")
            cycle: list[Any] = [error]  # garbage for the collector
            cycle.append(cycle)
            raise

    def spread(self, seconds: int) -> int:
        """A time of this wait alone: what is due at one instant has no order, so nothing is."""
        wait = next(self.waits)
        return 1 + (seconds * 7_919 + wait * wait * 104_729 + wait) % 9_999_991

    async def sleep(self, seconds: int) -> int:
        await asyncio.sleep(self.spread(seconds))
        return seconds

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def fail(self, number: int) -> None:
        raise ValueError(number)

    async def seq(self, *parts: Program) -> int:
        return sum([await self.play(part) for part in parts])

    async def gather(self, *parts: Program) -> int:
        return sum(await asyncio.gather(*map(self.play, parts)))

    async def lenient(self, *parts: Program) -> None:
        found = await asyncio.gather(*map(self.play, parts), return_exceptions=True)
        self.note(" ".join(describe(one) if isinstance(one, BaseException) else str(one) for one in found))

    async def group(self, *parts: Program) -> int:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.play(part)) for part in parts]
        return sum(task.result() for task in tasks)

    async def first(self, *parts: Program) -> int:
        tasks = [asyncio.create_task(self.play(part)) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return sum(task.result() for task in tasks if task in done)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ordered(self, *parts: Program) -> int:
        tasks = [asyncio.create_task(self.play(part)) for part in parts]
        total = 0
        for step in asyncio.as_completed(tasks):
            with contextlib.suppress(ValueError, ExceptionGroup, TimeoutError):
                total += await step
        return total

    async def within(self, seconds: int, part: Program) -> int:
        async with asyncio.timeout(self.spread(seconds)):
            return await self.play(part)

    async def forgiven(self, part: Program) -> None:
        with contextlib.suppress(ValueError, ExceptionGroup, TimeoutError):
            await self.play(part)

    async def finally_(self, part: Program, cleanup: Program) -> int:
        try:
            return await self.play(part)
        finally:
            await self.play(cleanup)

    async def shielded(self, part: Program) -> int:
        task = asyncio.create_task(self.play(part))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.gather(task, return_exceptions=True)
            raise

    async def called_off(self, seconds: int, part: Program) -> None:
        task = asyncio.create_task(self.play(part))
        handle = asyncio.get_running_loop().call_later(self.spread(seconds), task.cancel)
        await asyncio.gather(task, return_exceptions=True)
        handle.cancel()

    async def locked(self, part: Program) -> int:
        async with self.lock if not self.lock.locked() else contextlib.nullcontext():
            return await self.play(part)

    async def roomy(self, part: Program) -> int:
        try:
            async with asyncio.timeout(self.spread(50_021)), self.room:
                return await self.play(part)
        except TimeoutError:
            return -1

    async def put(self, number: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.spread(number)):
                await self.queue.put(number)

    async def get(self, limit: int) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.spread(limit)):
                return await self.queue.get()
        return 0

    async def raised(self) -> None:
        self.flag.set()
        self.flag = asyncio.Event()

    async def awaited(self, limit: int) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.spread(limit)):
                return int(await self.flag.wait())
        return 0

    async def generated(self, count: int, part: Program) -> int:
        async def numbers() -> Any:
            try:
                for number in range(count + 1):
                    await self.play(part)
                    yield number
            finally:
                self.note("generator ends")
                await asyncio.sleep(0)

        async for number in numbers():
            if number == 1:
                return 1
        return 0


seconds = st.integers(min_value=1, max_value=9_999)


def _branches(parts: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    several = st.lists(parts, min_size=1, max_size=5)
    kinds = st.sampled_from(["seq", "gather", "lenient", "group", "first", "ordered"])
    return st.one_of(
        st.tuples(kinds, several).map(lambda drawn: [drawn[0], *drawn[1]]),
        st.tuples(st.sampled_from(["within", "called_off"]), seconds, parts).map(list),
        st.tuples(st.sampled_from(["forgiven", "shielded", "locked", "roomy"]), parts).map(list),
        st.tuples(st.just("finally_"), parts, parts).map(list),
        st.tuples(st.just("generated"), st.integers(0, 2), parts).map(list),
    )


_leaves = st.one_of(
    st.tuples(st.just("sleep"), seconds).map(list),
    st.tuples(st.sampled_from(["get", "awaited"]), seconds).map(list),
    st.tuples(st.sampled_from(["fail", "put"]), st.integers(1, 9)).map(list),
    st.sampled_from([["turn"], ["raised"]]),
)
programs = st.recursive(_leaves, _branches, max_leaves=14)


def player(program: Program, seed: int | None = None) -> Callable[[Note], Any]:
    """A scenario that plays ``program``; with a ``seed`` the collector runs at one step in four."""
    rng = random.Random(seed or 0)

    async def scenario(note: Note) -> None:
        found = Player(note, lambda: seed is not None and rng.random() < 0.25)
        note(str(await found.play(program)))

    return scenario
