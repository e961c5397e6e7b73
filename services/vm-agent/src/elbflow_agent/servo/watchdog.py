"""Notices at once when HAProxy dies (F106). Nothing is polled: HAProxy is no child, but its pidfd tells."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from elbflow import clock, flag
from elbflow_agent.haproxy import processes

_log = structlog.get_logger(__name__)
_SHORT_LIFE_S = 10.0
_BACKOFF_S = (0.0, 0.0, 1.0, 2.0, 5.0, 10.0)
"""A HAProxy that dies again and again is missed less and less often."""


class Watchdog:
    """Watches the master that serves; ``died`` is called after its death, in the event loop."""

    def __init__(self, died: Callable[[], None], time: clock.Clock) -> None:
        self.master: int | None = None
        self._died = died
        self._clock = time
        self._serves = flag.Flag()

    def serves(self, master: int | None) -> None:
        """This master serves now."""
        self.master = master
        self._serves.set()

    async def watch(self) -> None:
        """For ever."""
        deaths = 0
        while True:
            await self._serves.wait()
            self._serves.clear()
            watched, began = self.master, self._clock.monotonic()
            if watched is not None:
                await processes.exited(watched)
                _log.error("haproxy_died", master=watched, in_a_row=deaths)
            deaths = 0 if self._clock.monotonic() - began > _SHORT_LIFE_S else deaths + 1
            if self.master == watched:
                self.master = None
            self._serves.clear()  # what was said meanwhile spoke of the dead one
            await self._clock.sleep(_BACKOFF_S[min(deaths, len(_BACKOFF_S) - 1)])
            self._died()
