"""What happens when a deadline is reached (spec/swf-semantics 5)."""

from __future__ import annotations

from elbflow_engine.core import activities, decision_task, lifecycle, timers
from elbflow_engine.core.deadlines import ACTIVITY_KINDS, DECISION_KINDS, Deadline, Kind
from elbflow_engine.core.work import Work


def fire(work: Work, deadline: Deadline) -> None:
    """Carry out a live deadline; the events it causes carry its instant."""
    world, kind = work.world, deadline.kind
    execution = world.open[deadline.execution_id]
    if kind is Kind.EXECUTION:
        lifecycle.time_out(work, execution)
    elif kind is Kind.HISTORY_FULL:
        lifecycle.terminate(work, execution, "EVENT_LIMIT_EXCEEDED")
    elif kind is Kind.TIMER:
        timers.fire(work, execution, execution.timers[deadline.reference])
    elif kind in DECISION_KINDS:
        decision_task.time_out(work, execution, kind)
    else:
        assert kind in ACTIVITY_KINDS
        activities.time_out(work, execution, execution.activities[deadline.reference], kind)
