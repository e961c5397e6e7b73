"""The end of retention: closed executions are deleted in small units (spec/swf-semantics 10).

Nobody sees an execution any more once its retention is over, whether or not it was deleted. So deleting needs no
deadline per execution: one instant says when to look for what is over, and the journal says what that is.
"""

from __future__ import annotations

from elbflow_engine.core import times
from elbflow_engine.core.queries import Expired

_PERIOD_MS = 60_000
"""Retention that ends within one period is dealt with at the end of it."""
_SMALLEST = 2
"""Rows of a unit: with fewer the last event of a history could never go together with the execution."""


class Schedule:
    """When to look next. A new one does not know what the journal holds: it says at once."""

    def __init__(self) -> None:
        self.due_ms: int | None = 0
        self._meanwhile: int | None = None

    def expect(self, purge_ms: int, now_ms: int) -> None:
        """An execution was closed whose retention ends at ``purge_ms``."""
        due_ms = _rounded(purge_ms) if purge_ms > now_ms else purge_ms
        self.due_ms = times.earliest(self.due_ms, due_ms)
        self._meanwhile = times.earliest(self._meanwhile, due_ms)

    def looking(self) -> None:
        """The question goes out now. What closes from here on may be missing in the answer."""
        self._meanwhile = None

    def looked(self, next_ms: int | None) -> None:
        """All that was over is dealt with, and this is when the next retention ends as far as the journal knew."""
        self.due_ms = times.earliest(self._meanwhile, None if next_ms is None else _rounded(next_ms))


def unit(expired: Expired, room: int) -> tuple[list[tuple[int, int]], bool]:
    """What to delete with ``room`` rows: (execution id, events to keep for the next unit); and whether that is all.

    Of a history that is too long for one unit the last events go first. The execution itself takes one row.
    """
    cuts: list[tuple[int, int]] = []
    room = max(room, _SMALLEST)
    for execution_id, events in expired.runs:
        if room < _SMALLEST:
            return cuts, False
        keep = max(0, events + 1 - room)
        cuts.append((execution_id, keep))
        room -= events - keep + 1
        if keep:
            return cuts, False
    return cuts, True


def _rounded(ms: int) -> int:
    return -(-ms // _PERIOD_MS) * _PERIOD_MS
