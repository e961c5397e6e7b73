"""Room for history pages that are on their way to clients (spec/swf-long-poll-scale 6.8).

A page is counted from before it is put together until the client has taken it, so that many readers, or slow ones,
cannot fill the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from elbflow_engine import core, refusals

MOST_BYTES = 64 * 1024 * 1024
PATIENCE_S = 10.0


class Room:
    """``limit`` bytes, given out in the order of asking. A page that is larger than all of it takes all of it."""

    def __init__(self, limit: int = MOST_BYTES, patience_s: float = PATIENCE_S) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.used = 0

    async def take(self, size: int) -> int:
        """Wait until ``size`` bytes are free, and take them; how many to :meth:`give` back.

        Raises :class:`refusals.Overloaded` when that lasts too long. Cancelled, nothing is taken.
        """
        size = min(size, self._limit)
        if not self._waiting and self.used + size <= self._limit:
            self.used += size
            return size
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((size, granted))
        try:
            async with asyncio.timeout(self._patience_s):
                await granted
        except TimeoutError as error:
            self._withdraw(size, granted)
            raise refusals.Overloaded("Too many history pages are on their way; try again later") from error
        except asyncio.CancelledError:
            self._withdraw(size, granted)
            raise
        return size

    def give(self, size: int) -> None:
        """These bytes are free again."""
        self.used -= size
        self._grant()

    def _withdraw(self, size: int, granted: asyncio.Future[None]) -> None:
        if granted.done() and not granted.cancelled():
            self.give(size)
            return
        with contextlib.suppress(ValueError):  # it may have been passed over already
            self._waiting.remove((size, granted))
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self.used + self._waiting[0][0] <= self._limit:
            size, granted = self._waiting.popleft()
            if not granted.done():
                self.used += size
                granted.set_result(None)


class Held:
    """What one answer occupies of a room. Release it once the answer is written, or will not be."""

    __slots__ = ("_room", "bytes")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.bytes = 0

    async def page(self, answer: core.Page) -> bytes:
        """Put an answer together; one with a history waits for room first (:meth:`Room.take`)."""
        if isinstance(answer, core.HistoryPage):
            self.bytes += await self._room.take(sum(map(len, answer.events)))
        return core.render(answer)

    def release(self) -> None:
        """Give everything back; may be called again."""
        if self.bytes:
            size, self.bytes = self.bytes, 0
            self._room.give(size)
