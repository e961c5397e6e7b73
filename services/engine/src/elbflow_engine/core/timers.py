"""Timers that fire (spec/swf-semantics 3.8)."""

from __future__ import annotations

from elbflow_engine.core import decision_task
from elbflow_engine.core.model import Execution, Timer
from elbflow_engine.core.work import Work


def fire(work: Work, execution: Execution, timer: Timer) -> None:
    work.append(execution, "TimerFired", {"timerId": timer.timer_id, "startedEventId": timer.started_id})
    decision_task.demand(work, execution)
