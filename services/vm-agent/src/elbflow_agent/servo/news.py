"""When whoever waits for a health report hears of a new one (spec/vm-agent-data-plane 4.3).

A change of health is told at once. That a document names other instances is not: of a new one nothing is known but
that it is being registered, which everybody assumes without us, and of one that left nobody asks. Told right away it
would only cost the control plane a second round for each document, in the middle of a burst of them.
"""

from __future__ import annotations

import asyncio
import random

from elbflow import flag

_LATER_S = (5.0, 10.0)
"""Between the two, so that the VMs of a host that got documents at one instant do not all report at one instant."""


class News:
    """Wakes waiting questions; used in the event loop."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._told = flag.Flag()
        self._timer: asyncio.TimerHandle | None = None

    def tell(self) -> None:
        """There is news: wake everybody who waits."""
        self.close()
        self._told.set()
        self._told = flag.Flag()

    def tell_later(self) -> None:
        """There is news that can wait: the same within seconds."""
        if self._timer is None:
            delay_s = self._rng.uniform(*_LATER_S)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.tell)

    async def wait(self, timeout_s: float) -> None:
        """Return with the next news, at the latest after ``timeout_s``."""
        await self._told.within(timeout_s)

    def close(self) -> None:
        """Forget what was to be told later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
