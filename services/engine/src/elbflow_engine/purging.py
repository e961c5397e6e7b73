"""Deletes closed executions whose retention is over, a little at a time (spec/swf-semantics 10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from elbflow import errors

log = structlog.get_logger()

LOOK_EVERY_S = 20.0
PAUSE_S = 0.05
"""Between two units: requests and timers go first, for nobody waits for what cannot be seen any more."""


class Purging:
    """Calls ``unit`` as long as it says that there is more, then looks again every ``LOOK_EVERY_S``.

    Runs from making it to :meth:`close`. A unit that fails is tried again at the next look.
    """

    def __init__(self, unit: Callable[[], Awaitable[bool]]) -> None:
        self._unit = unit
        self._task = asyncio.create_task(self._run(), name="engine-purging")

    async def close(self) -> None:
        """Stop; a unit that was handed to the journal is still written."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            more = False
            try:
                more = await self._unit()
            except errors.Retryable as error:
                log.warning("purge_postponed", reason=str(error))
            except Exception as error:
                log.error("purge_failed", exc_info=error)
            await asyncio.sleep(PAUSE_S if more else LOOK_EVERY_S)
