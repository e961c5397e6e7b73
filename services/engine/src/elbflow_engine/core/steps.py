"""Carrying a unit of work to its end: history limits, closures and deliveries (spec/swf-semantics 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from elbflow_engine.core import children, lifecycle
from elbflow_engine.core.work import HistoryFull, Work

T = TypeVar("T")


def run(work: Work, step: Callable[[Work], T]) -> T | None:
    """Run the local part, then everything it set off in other executions.

    A step that finds a history full ends there: the execution is terminated instead and None returned.
    """
    result = _guarded(work, step)
    while work.closures or work.deliveries:
        if work.closures:
            work.deliveries.extend(children.closed(work.closures.popleft()))
        else:
            _guarded(work, work.deliveries.popleft())
    return result


def _guarded(work: Work, step: Callable[[Work], T]) -> T | None:
    try:
        return step(work)
    except HistoryFull as full:
        lifecycle.terminate(work, full.execution, "EVENT_LIMIT_EXCEEDED")
        return None
