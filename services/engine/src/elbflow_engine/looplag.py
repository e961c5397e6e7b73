"""How late the event loop runs what is due, measured from inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from elbflow_engine import meters

TICK_S = 0.1


class LoopLag:
    """Tells ``measured`` every ``TICK_S`` how many seconds late the loop was. Runs from making it to :meth:`close`."""

    def __init__(self, measured: Callable[[float], None]) -> None:
        self._measured = measured
        self._loop = asyncio.get_running_loop()
        self._begin()

    def close(self) -> None:
        self._timer.cancel()

    def _begin(self) -> None:
        self._due = meters.instant() + TICK_S
        self._timer = self._loop.call_later(TICK_S, self._ring)

    def _ring(self) -> None:
        self._measured(max(0.0, meters.instant() - self._due))
        self._begin()
