"""A lock that costs next to nothing while nobody waits: a host has eight for each of its VMs."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Turn:
    """``asyncio.Lock``, which keeps a queue of 760 bytes from the first wait on. First come, first served.

    For ``async with``, not for threads. Cancelled while it waits, a task loses its place.
    """

    __slots__ = ("_is_taken", "_waiting")

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    async def __aenter__(self) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = (*self._waiting, mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it was our turn already
                self._pass_on()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        """Whoever waits longest has it at once: nobody can come in between."""
        while self._waiting:
            first, *others = self._waiting
            self._waiting = tuple(others)
            if not first.done():
                first.set_result(None)
                return
        self._is_taken = False
