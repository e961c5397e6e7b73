"""An event that costs next to nothing while nobody waits: a host has a dozen for each of its VMs."""

from __future__ import annotations

import asyncio
from typing import Literal


class Flag:
    """``asyncio.Event``, whose queue of waiting tasks alone takes 760 bytes, empty or not. Not for threads."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Let everybody who waits, and who will wait, go on."""
        self._is_set = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        """Have those wait who come from now on."""
        self._is_set = False

    async def wait(self) -> Literal[True]:
        """Return when it is set, at once when it is."""
        if not self._is_set:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                self._waiting.remove(future)
        return True
