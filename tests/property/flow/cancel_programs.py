"""Random programs of groups, timeouts, shields and cancellations in which several things happen at one instant.

Nothing depends on the order of timers: there are four instants, and each does what was asked for in the order in which
it was asked for. After every step it is noted how many cancellations the task counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import random
from collections.abc import Callable
from typing import Any

from tests.property.flow.scenarios import Note, Scenario, describe

Program = Any  # nested lists: [kind, *operands]
INSTANTS = 4
GROUP: contextvars.ContextVar[asyncio.TaskGroup | None] = contextvars.ContextVar("GROUP", default=None)


class Player:
    """Plays one program on whatever loop runs."""

    def __init__(self, note: Note) -> None:
        self.note = note
        self.names = itertools.count(1)
        self.events = [asyncio.Event() for _ in range(INSTANTS)]
        self.asked: list[list[Callable[[], object]]] = [[] for _ in range(INSTANTS)]
        self.background: list[asyncio.Task[None]] = []
        for instant in range(INSTANTS):
            asyncio.get_running_loop().call_later(instant + 1, self._happen, instant)

    def _happen(self, instant: int) -> None:
        self.events[instant].set()
        for action in self.asked[instant]:
            action()

    def at(self, instant: int, action: Callable[[], object]) -> None:
        if self.events[instant].is_set():
            asyncio.get_running_loop().call_soon(action)
        else:
            self.asked[instant].append(action)

    def spawn(self, program: Program) -> asyncio.Task[None]:
        self.background.append(asyncio.create_task(self.play(program)))
        return self.background[-1]

    async def play(self, program: Program) -> None:
        kind, *operands = program
        name = f"{kind}{next(self.names)}"
        self.note(name)
        try:
            await getattr(self, kind)(*operands)
        except BaseException as error:
            self.note(f"{name} {describe(error)} {current().cancelling()}")
            raise
        self.note(f"{name} ok {current().cancelling()}")

    async def wait(self, instant: int) -> None:
        await self.events[instant].wait()

    async def fail(self, instant: int) -> None:
        await self.events[instant].wait()
        raise ValueError(instant)

    async def turn(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def cancel(self) -> None:
        current().cancel("mine")

    async def uncancel(self) -> None:
        current().uncancel()

    async def seq(self, *parts: Program) -> None:
        for part in parts:
            await self.play(part)

    async def gather(self, *parts: Program) -> None:
        await asyncio.gather(*map(self.spawn, parts))

    async def group(self, body: Program, *members: Program) -> None:
        async with asyncio.TaskGroup() as group:
            token = GROUP.set(group)
            for member in members:
                group.create_task(self.play(member))
            try:
                await self.play(body)
            finally:
                GROUP.reset(token)

    async def late(self, member: Program) -> None:
        """One more member for the group around, which may refuse it."""
        group = GROUP.get()
        if group is None:
            await self.play(member)
            return
        try:
            group.create_task(self.play(member))
        except RuntimeError:
            self.note("refused")

    async def within(self, instant: int, part: Program) -> None:
        loop, ended = asyncio.get_running_loop(), False

        def end() -> None:
            if not ended:
                timeout.reschedule(loop.time())

        try:
            async with asyncio.timeout(None) as timeout:
                self.at(instant, end)
                await self.play(part)
        finally:
            ended = True

    async def forgiven(self, part: Program) -> None:
        with contextlib.suppress(ValueError, ExceptionGroup, TimeoutError):
            await self.play(part)

    async def stubborn(self, part: Program, instead: Program) -> None:
        try:
            await self.play(part)
        except asyncio.CancelledError:
            await self.play(instead)

    async def accounted(self, part: Program, instead: Program) -> None:
        try:
            await self.play(part)
        except asyncio.CancelledError:
            current().uncancel()
            await self.play(instead)

    async def cleaned(self, part: Program, cleanup: Program) -> None:
        try:
            await self.play(part)
        finally:
            await self.play(cleanup)

    async def shielded(self, part: Program) -> None:
        await asyncio.shield(self.spawn(part))

    async def called_off(self, instant: int, times: int, part: Program) -> None:
        task = self.spawn(part)
        for number in range(times):
            self.at(instant, lambda said=f"{instant} {number}": task.cancel(said))  # type: ignore[misc]
        await asyncio.gather(task, return_exceptions=True)
        self.note(f"called off: {task.cancelled()}")

    async def taken_back(self, instant: int, part: Program) -> None:
        """Cancelled and not, in one turn of the loop."""
        task = self.spawn(part)
        self.at(instant, lambda: (task.cancel(), task.uncancel()))
        await asyncio.gather(task, return_exceptions=True)
        self.note(f"taken back: {task.cancelled()}")


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def draw(rng: random.Random, depth: int = 4) -> Program:
    """A program; ``rng`` may be one of Hypothesis's."""
    kinds = _LEAVES if depth == 0 or rng.randrange(5) == 0 else _BRANCHES
    kind = rng.choice(kinds)
    parts = [draw(rng, depth - 1) for _ in range(_PARTS[kind] or rng.randrange(1, 4))] if kind in _PARTS else []
    match kind:
        case "wait" | "fail" | "within" | "taken_back":
            return [kind, rng.randrange(INSTANTS), *parts]
        case "turn":
            return [kind, rng.randrange(1, 4)]
        case "called_off":
            return [kind, rng.randrange(INSTANTS), rng.randrange(1, 3), *parts]
    return [kind, *parts]


_LEAVES = ["wait"] * 4 + ["fail"] * 5 + ["turn", "cancel", "uncancel"]
_PARTS = {"seq": 0, "gather": 0, "group": 0, "late": 1, "within": 1, "forgiven": 1, "shielded": 1, "called_off": 1}
_PARTS |= {"taken_back": 1, "stubborn": 2, "accounted": 2, "cleaned": 2}
_BRANCHES = [*_PARTS, "group", "group", "within", "within", "forgiven", "forgiven", "called_off", "seq"]


def player(program: Program) -> Scenario:
    """A scenario that plays ``program`` in a task of its own, and all that it leaves behind."""

    async def scenario(note: Note) -> None:
        played = Player(note)
        (ended,) = await asyncio.gather(asyncio.create_task(played.play(program)), return_exceptions=True)
        note(describe(ended) if isinstance(ended, BaseException) else "returned")
        await asyncio.gather(*played.background, return_exceptions=True)

    return scenario
