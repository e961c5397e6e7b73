"""Waiting until polls have ended and handlers have finished (spec/swf-long-poll-scale 5.13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from elbflow import clock as clocks


class Waiters:
    """Callers that wait for a condition which only changes when a poll or a handler ends."""

    def __init__(self, clock: clocks.Clock) -> None:
        self._clock = clock
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def check(self) -> None:
        """Wake those whose condition holds; called whenever a poll or a handler has ended."""
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether ``condition`` came true within ``timeout_s`` seconds. Cancellation leaves nothing behind."""
        if condition():
            return True
        met: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        limit = asyncio.ensure_future(self._clock.sleep(timeout_s))
        entry = (condition, met)
        self._waiting.append(entry)
        try:
            await asyncio.wait({met, limit}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.remove(entry)
            limit.cancel()
            await asyncio.gather(limit, return_exceptions=True)
        return condition()
