"""The last part of a VM's life: HAProxy accepts nothing more, and what it serves yet may finish."""

from __future__ import annotations

import structlog

from elbflow import clock
from elbflow_agent.haproxy import apply, processes
from elbflow_agent.servo.accounts import Accounts

_log = structlog.get_logger(__name__)
_LOOKS_S = (0.02, 1.0)
"""First and longest pause between looks. HAProxy waits with its end until its last figures are read."""
_SLOWER = 1.5
_FAREWELL_S = 2.0
"""A HAProxy whose sessions have been ended, with log lines and farewells, ends within this time or is ended."""


async def begun(applier: apply.Applier, accounts: Accounts, time: clock.Clock) -> Ending:
    """Have HAProxy accept nothing more."""
    return Ending(applier, accounts, await applier.soft_stop(), time)


class Ending:
    """The end of one HAProxy that was told to stop, with ``master`` as its pid; None when none ran."""

    def __init__(self, applier: apply.Applier, accounts: Accounts, master: int | None, time: clock.Clock) -> None:
        self._applier = applier
        self._accounts = accounts
        self._master = master
        self._clock = time

    async def reach(self, within_s: float) -> None:
        """Return when HAProxy has ended: with its last connection, or by us when ``within_s`` seconds have passed.

        Everything is counted. Cancellation leaves HAProxy as it is; it ends with its last connection.
        """
        if self._master is not None and not await self._ends(self._master, within_s):
            _log.info("drain_ended", master=self._master, sessions=await self._applier.end_sessions())
            await self._ends(self._master, _FAREWELL_S)
        await self._applier.stop(soft_s=0.0)

    async def _ends(self, master: int, within_s: float) -> bool:
        """Whether HAProxy ends by itself within the time."""
        deadline = self._clock.monotonic() + within_s
        pause_s, longest_s = _LOOKS_S
        while True:
            await self._accounts.count()
            left_s = max(0.0, deadline - self._clock.monotonic())
            if await processes.exited_within(master, min(pause_s, left_s)):
                return True
            if not left_s:
                return False
            pause_s = min(longest_s, pause_s * _SLOWER)
