"""Answers that are believed for a while, so that a burst of requests asks the cloud once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from elbflow import clock as clocks
from elbflow import tasks

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """At most ``most`` answers, each for ``kept_s`` seconds; only those that are ``lasting`` are kept.

    Whoever asks for something that is being asked gets the same answer, or the same failure.
    """

    def __init__(
        self,
        *,
        kept_s: float,
        most: int,
        clock: clocks.Clock,
        background: tasks.Supervisor,
        lasting: Callable[[V], bool] = bool,
    ) -> None:
        self._kept_s = kept_s
        self._most = most
        self._clock = clock
        self._background = background
        self._lasting = lasting
        self._known: dict[K, tuple[float, V]] = {}
        self._asked: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer for ``key``, of ``ask`` when it is not known. Cancelled, the question goes on for the others."""
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() < known[0]:
            return known[1]
        task = self._asked.get(key)
        if task is None:
            task = self._background.start(self._ask(key, ask), "cloud-question", lambda ended: self._end(key, ended))
            self._asked[key] = task
        return await asyncio.shield(task)

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        answer = await ask()
        self._known.pop(key, None)
        if self._lasting(answer):
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[key] = self._clock.monotonic() + self._kept_s, answer
        return answer

    def _end(self, key: K, ended: asyncio.Task[V]) -> None:
        """Forget the question. Its failure is that of whoever waits, if anybody still does."""
        self._asked.pop(key, None)
        if not ended.cancelled():
            ended.exception()
