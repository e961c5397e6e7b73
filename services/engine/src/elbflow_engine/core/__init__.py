"""The pure, event-sourced core of the engine: commands and time in, events and effects out.

A shell uses :class:`Engine` like this: ``call`` or ``poll``, make ``transition.changes`` durable in order, send
``render(transition.result)``, ``publish`` it, commit and answer each hand-off the same way. ``next_deadline`` and
``expire`` drive time. Tables written through :class:`Put`: ``meta``, ``domain``, ``workflow_type``,
``activity_type``, ``execution``, ``heartbeat``.
"""

from __future__ import annotations

from elbflow_engine.core.answers import empty_poll, render
from elbflow_engine.core.api import (
    Answer,
    Append,
    Change,
    Delete,
    Handoff,
    HistoryPage,
    HistoryWindow,
    Json,
    ListStatistics,
    Object,
    Parked,
    Put,
    Statistics,
    TaskRef,
    Transition,
    Truncate,
)
from elbflow_engine.core.engine import Engine
from elbflow_engine.core.faults import Fault
from elbflow_engine.core.limits import Limits

__all__ = [
    "Answer",
    "Append",
    "Change",
    "Delete",
    "Engine",
    "Fault",
    "Handoff",
    "HistoryPage",
    "HistoryWindow",
    "Json",
    "Limits",
    "ListStatistics",
    "Object",
    "Parked",
    "Put",
    "Statistics",
    "TaskRef",
    "Transition",
    "Truncate",
    "empty_poll",
    "render",
]
