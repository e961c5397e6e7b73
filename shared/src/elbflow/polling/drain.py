"""Waiting until polls have ended and handlers have finished (spec/swf-long-poll-scale 5.13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from elbflow import clock as clocks

_Waiter: TypeAlias = tuple[Callable[[], bool], asyncio.Future[None]]


class Waiters:
    """Callers that wait for a condition which only changes when a poll or a handler ends."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._waiting: dict[int | None, list[_Waiter]] = {}

    def check(self, lane: int) -> None:
        """Wake those whose condition holds; called whenever a poll or a handler of ``lane`` has ended."""
        for about in (lane, None):
            for condition, future in self._waiting.get(about, ()):
                if not future.done() and condition():
                    future.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout_s: float, *, lane: int | None = None) -> bool:
        """Whether ``condition``, of all lanes or of one, came true within ``timeout_s`` seconds.

        Cancellation leaves nothing behind.
        """
        if condition():
            return True
        met: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        limit = asyncio.ensure_future(self._clock.sleep(timeout_s))
        entry = (condition, met)
        self._waiting.setdefault(lane, []).append(entry)
        try:
            await asyncio.wait({met, limit}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting[lane].remove(entry)
            if not self._waiting[lane]:
                del self._waiting[lane]
            limit.cancel()
            await asyncio.gather(limit, return_exceptions=True)
        return condition()
