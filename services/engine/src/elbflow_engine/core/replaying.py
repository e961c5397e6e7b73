"""What a stored history leads to, for those who compare it with what is stored beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from elbflow_engine.core import closed, evolution, queries
from elbflow_engine.core.model import Execution


def closed_row(row: queries.Closed, events: Sequence[bytes]) -> queries.Closed:
    """The row of a closed execution as its whole history tells it; equal to ``row`` when both are right.

    Raises ``ValueError`` when the history does not close the execution, and whatever a garbled history causes.
    """
    header = replace(
        closed.from_row(row),
        cancel_requested=False,
        latest_activity_ms=None,
        latest_context=None,
        close_status=None,
        close_ms=None,
        events=0,
    )
    execution = Execution(header)
    evolution.replay(execution, events)
    if header.close_status is None:
        raise ValueError("the history has no close event")
    return closed.to_row(header, row.purge_ms)
