"""Patience with slow peers: one timer for any number of them (spec/swf-long-poll-scale 6.1 S4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Patience(Generic[T]):
    """Calls ``exhausted(who)`` for everybody who began to wait and was not done within ``seconds``.

    All wait equally long, so the order of beginning is the order of the deadlines: beginning and being done cost the
    same with one peer and with ten thousand.
    """

    def __init__(self, seconds: float, exhausted: Callable[[T], None]) -> None:
        self._seconds = seconds
        self._exhausted = exhausted
        self._loop = asyncio.get_running_loop()
        self._deadlines: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._deadlines)

    def begin(self, who: T) -> None:
        """Start the wait of ``who``; does nothing when it is under way: a trickle of bytes buys no time."""
        if who not in self._deadlines:
            self._deadlines[who] = self._loop.time() + self._seconds
            self._arm()

    def done(self, who: T) -> None:
        """Nothing is waited for any more; somebody unknown is ignored."""
        self._deadlines.pop(who, None)

    def close(self) -> None:
        """Stop the timer; who still waits is left alone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._deadlines:
            self._timer = self._loop.call_at(next(iter(self._deadlines.values())), self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._deadlines:
            who, deadline = next(iter(self._deadlines.items()))
            if deadline > now:
                break
            del self._deadlines[who]
            self._exhausted(who)
        self._arm()
