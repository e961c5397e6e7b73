"""When a run with a long history continues as new by itself (spec/anchors 3.7).

At its own number of events it waits until nothing is half-done. At the hard margin what is open is cancelled, with all
the cleanup that brings; at the last, shortly before SWF would terminate the execution, it does not wait for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance

HARD_MARGIN = 20_000
LAST_MARGIN = 23_000


class Succession:
    """``ordered`` says that the workflow was cancelled for it."""

    def __init__(self) -> None:
        self.ordered = False
        self._carry: Callable[[], object] | None = None
        self._events = HARD_MARGIN

    def arrange(self, carry: Callable[[], object], events: int) -> None:
        """``carry()`` gives the successor's input."""
        self._carry, self._events = carry, events

    def carry(self) -> object:
        """The successor's input."""
        assert self._carry is not None, "it was arranged"
        return self._carry()

    def is_due(self, run: Instance) -> bool:
        """Whether the run, which has come to rest, ends here."""
        if self._carry is None or run.cancel_requested or run.history_length < min(self._events, LAST_MARGIN):
            return False
        unread = any(map(len, run.queues)) or (run.kept_signals and run.history_length < HARD_MARGIN)
        at_rest = run.unfinished == 0 and not unread and not run.concerns_others()
        return at_rest or run.history_length >= LAST_MARGIN

    def is_overdue(self, run: Instance) -> bool:
        """Whether to cancel what is open, which is said once."""
        if self._carry is None or run.cancel_requested or self.ordered or run.history_length < HARD_MARGIN:
            return False
        self.ordered = not self.is_due(run)
        return self.ordered
