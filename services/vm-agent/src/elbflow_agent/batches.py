"""Small pieces of work that cost less together than one by one: a burst over many VMs costs little more than one.

That is so with commands to Redis, which go out with one question, and with files, which need one change of thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class Batches(Generic[In, Out]):
    """Hands what is given, ``most`` at once, to ``carry_out``, which returns the results in the same order.

    Nothing waits for company: what is given while others are under way goes next.
    """

    def __init__(self, carry_out: Callable[[Sequence[In]], Awaitable[Sequence[Out]]], *, most: int) -> None:
        self._carry_out = carry_out
        self._most = most
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []
        self._working: asyncio.Task[None] | None = None

    async def give(self, one: In) -> Out:
        """The result of ``one``; raises what ``carry_out`` did. Cancelled, it may be carried out nevertheless."""
        result: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, result))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="batches")
        return await result

    async def aclose(self) -> None:
        """Give up what is under way or waits; whoever waits for that is cancelled."""
        working = self._working
        if working is not None:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _work(self) -> None:
        lot: list[tuple[In, asyncio.Future[Out]]] = []
        try:
            while self._waiting:
                lot, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._settle(lot)
        finally:
            self._working = None
            for _, result in (*lot, *self._waiting):
                result.cancel()
            self._waiting = []

    async def _settle(self, lot: Sequence[tuple[In, asyncio.Future[Out]]]) -> None:
        try:
            found = await self._carry_out([one for one, _ in lot])
        except Exception as error:
            for _, result in lot:
                if not result.done():
                    result.set_exception(error)
            return
        for (_, result), value in zip(lot, found, strict=True):
            if not result.done():
                result.set_result(value)
