"""The pure, event-sourced core of the engine: commands and time in, events and effects out.

A shell uses :class:`Engine` like this: ``call`` or ``poll``, make ``transition.changes`` durable in order, send
``render(transition.result)``, ``publish`` it, commit and answer each hand-off the same way. ``next_deadline`` and
``expire`` drive time. An answer that is a :class:`Read` needs what is not in memory: put its ``query`` to a
:class:`Store` behind a barrier and ``resume`` with what it says.

Tables written through :class:`Put` and loaded at the start: ``meta``, ``domain``, ``workflow_type``,
``activity_type``, ``execution`` (the open ones), ``heartbeat``. Closed executions are written by :class:`Close`, never
loaded, found by queries, and go by :class:`Purge` when ``retention_over`` asks for them.
"""

from __future__ import annotations

from elbflow_engine.core.answers import empty_poll, render
from elbflow_engine.core.api import (
    Answer,
    Append,
    Change,
    Close,
    Delete,
    Handoff,
    HistoryPage,
    Json,
    ListStatistics,
    Object,
    Page,
    Parked,
    Purge,
    Put,
    Read,
    Statistics,
    TaskRef,
    Transition,
    Truncate,
)
from elbflow_engine.core.census import DomainFigures, ListFigures
from elbflow_engine.core.engine import Engine
from elbflow_engine.core.faults import Fault
from elbflow_engine.core.gauges import Gauges
from elbflow_engine.core.limits import Limits
from elbflow_engine.core.queries import (
    Closed,
    ClosedById,
    ClosedCount,
    ClosedPage,
    ClosedRun,
    Events,
    Expired,
    Position,
    Query,
    RetentionOver,
    Selection,
    Store,
)
from elbflow_engine.core.replaying import closed_row
from elbflow_engine.core.validation import check

__all__ = [
    "Answer",
    "Append",
    "Change",
    "Close",
    "Closed",
    "ClosedById",
    "ClosedCount",
    "ClosedPage",
    "ClosedRun",
    "Delete",
    "DomainFigures",
    "Engine",
    "Events",
    "Expired",
    "Fault",
    "Gauges",
    "Handoff",
    "HistoryPage",
    "Json",
    "Limits",
    "ListFigures",
    "ListStatistics",
    "Object",
    "Page",
    "Parked",
    "Position",
    "Purge",
    "Put",
    "Query",
    "Read",
    "RetentionOver",
    "Selection",
    "Statistics",
    "Store",
    "TaskRef",
    "Transition",
    "Truncate",
    "check",
    "closed_row",
    "empty_poll",
    "render",
]
