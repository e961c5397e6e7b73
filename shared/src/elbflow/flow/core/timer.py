"""One timer of the loop.

::

    asked → started → fired | cancelled
      ↑ └→ dropped      (cancelled before it was sent)
      └── StartTimerFailed, for SWF's rate limit: asked again with the next decision
"""

from __future__ import annotations

import math
from collections.abc import Callable

from elbflow import swf
from elbflow.flow.core import commands

LONGEST_TIMER_S = 31_536_000
"""A year: SWF's bound of timers and of executions, so a longer timer never fires anyway."""


class Timer:
    """``fire`` makes the callback ready. It stands in ``timers`` under its id until it has fired or is cancelled."""

    def __init__(
        self, outbox: commands.Outbox, timers: dict[str, Timer], timer_id: str, delay_s: float, fire: Callable[[], None]
    ) -> None:
        timers[timer_id] = self
        self._id = timer_id
        self._timers = timers
        self._outbox = outbox
        # History times are whole milliseconds, sums of floats are not: 2.0000001 s must not become 3.
        self._seconds = math.ceil(round(min(delay_s, LONGEST_TIMER_S), 3))
        self.fire = fire
        self._command = self._ask()

    def cancel(self) -> None:
        if self._timers.pop(self._id, None) is None:
            return
        if self._command.sent:
            self._outbox.add(swf.Decision("CancelTimer", {"timerId": self._id}))
        else:
            self._outbox.withdraw(self._command)

    def refused(self) -> None:
        """Ask again."""
        self._command = self._ask()

    def _ask(self) -> commands.Command:
        return self._outbox.add(commands.start_timer(self._id, self._seconds))
