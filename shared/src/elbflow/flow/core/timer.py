"""One timer of the loop.

::

    asked → started → fired | cancelled
      ↑ └→ dropped      (cancelled before it was sent)
      └── StartTimerFailed, for SWF's rate limit: asked again with the next decision, ten times in all
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow.core import commands

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance

LONGEST_TIMER_S = 31_536_000
"""A year: SWF's bound of timers and of executions, so a longer timer never fires anyway."""

_MOST_TRIES = 10


class Timer:
    """``fire`` makes the callback ready. It stands in ``timers`` under its id until it has fired or is called off.

    A ``lasting`` one is there for the sake of other executions: the workflow's end does not bury it.
    """

    def __init__(self, instance: Instance, delay_s: float, fire: Callable[[], None], *, lasting: bool = False) -> None:
        self.lasting = lasting
        self._id = str(next(instance.timer_ids))
        self._instance = instance
        instance.timers[self._id] = self
        # History times are whole milliseconds, sums of floats are not: 2.0000001 s must not become 3.
        self._seconds = math.ceil(round(min(delay_s, LONGEST_TIMER_S), 3))
        self.fire = fire
        self._tries = 0
        self._ask()

    def cancel(self) -> None:
        if self._instance.timers.pop(self._id, None) is None:
            return
        if self._command.sent:
            self._instance.outbox.add(swf.Decision("CancelTimer", {"timerId": self._id}))
        else:
            self._instance.outbox.withdraw(self._command)

    def refused(self, cause: str) -> bool:
        """Whether it is asked for again; else it is called off."""
        if cause == "TIMER_CREATION_RATE_EXCEEDED" and self._tries < _MOST_TRIES:
            self._ask()
        else:
            del self._instance.timers[self._id]
        return self._id in self._instance.timers

    def _ask(self) -> None:
        self._tries += 1
        self._command = self._instance.outbox.add(commands.start_timer(self._id, self._seconds))
        self._command.lasting = self.lasting
