"""An event loop whose time is virtual: it never waits, it goes on to the next timer. Runs are exactly repeatable."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _NothingToRead(selectors.SelectSelector):
    """Where the loop would wait for input, time passes instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: nothing is due and nothing can come")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 and moves only when nothing is left to do now."""

    def __init__(self) -> None:
        self._selector_of_time = _NothingToRead()
        super().__init__(self._selector_of_time)

    def time(self) -> float:
        return self._selector_of_time.now

    def stall(self, for_s: float) -> None:
        """Let time pass without running anything, as a blocking call or a debugger does."""
        self._selector_of_time.now += for_s


class LoopClock:
    """The :class:`elbflow.clock.Clock` of a virtual loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return 1_700_000_000.0 + self._loop.time()

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))


def run(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on ``loop`` to its end; the loop is closed, and what is still pending is cancelled first."""
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
