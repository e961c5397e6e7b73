"""The values that cross the border of the core: what a shell hands in and what it gets back.

The core performs no I/O. It answers every command with a :class:`Transition`: the answer for the caller plus the
changes that must be durable before that answer may leave. The journal stores the changes without understanding them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from elbflow_engine.core import queries

Rows = TypeVar("Rows")

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
Object: TypeAlias = Mapping[str, Json]


class Put(NamedTuple):
    """Store ``value`` (JSON) under ``key`` in ``table``, replacing what was there. Also the record type of a load."""

    table: str
    key: str
    value: bytes


class Delete(NamedTuple):
    """Remove one row; a missing row is not an error."""

    table: str
    key: str


@dataclass(frozen=True, slots=True)
class Close:
    """An execution closed: its row leaves the table ``execution`` and is kept as ``row``, to be found by queries."""

    row: queries.Closed


@dataclass(frozen=True, slots=True)
class Purge:
    """The retention of a closed execution is over: remove its events above ``last_event_id``.

    With 0 the execution goes with them. Otherwise it is the first that the next :class:`queries.RetentionOver` finds,
    and hidden for good, for its history is not whole any more.
    """

    execution_id: int
    last_event_id: int


class Append(NamedTuple):
    """Add consecutive events, each already in wire form, to the history of one execution."""

    execution_id: int
    first_event_id: int
    events: tuple[bytes, ...]


class Truncate(NamedTuple):
    """Remove the events of one execution whose id is greater than ``last_event_id`` (0 removes the whole history).

    Used to un-start a task whose answer could not be written (spec/swf-semantics 4.2).
    """

    execution_id: int
    last_event_id: int


Change: TypeAlias = Put | Delete | Append | Truncate | Close | Purge


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """An answer made of ``head`` members, an ``events`` array and possibly a ``nextPageToken``."""

    head: Object
    events: tuple[bytes, ...]
    next_page_token: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Read(Generic[Rows]):
    """An answer that needs what is not in memory.

    The shell waits until every change handed out before is durable, runs ``query`` off its event loop and gives the
    rows to ``resume``, which returns the answer, perhaps another :class:`Read`, or raises :class:`Fault`.
    """

    query: queries.Query[Rows]
    resume: Callable[[Rows], Answer]


Page: TypeAlias = Json | HistoryPage
"""An answer that can be rendered."""
Answer: TypeAlias = Page | Read[Any]


class TaskRef(NamedTuple):
    """One task of one execution; ``kind`` is ``decision`` or ``activity``."""

    kind: str
    execution_id: int
    scheduled_id: int


class Transition(NamedTuple):
    """What one command did.

    ``result`` is the body of the answer (None = void). It may leave only after ``changes`` are durable, as one atomic
    unit and in the order in which the core handed its transitions out. Once they are queued for that, or later, call
    :meth:`Engine.publish`. A transition without changes still reads what earlier ones wrote: answer it after them.
    ``due``: the instant (epoch seconds) of the deadline that this carries out.
    """

    result: Answer = None
    changes: tuple[Change, ...] = ()
    offered: tuple[TaskRef, ...] = ()
    started: TaskRef | None = None
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """The poll found no task: the waiter is now in its list's queue, oldest first."""

    waiter: int


class Handoff(NamedTuple):
    """A task was given to a parked poll: make ``transition`` durable, then answer ``waiter`` with its result."""

    waiter: int
    transition: Transition


@dataclass(frozen=True, slots=True)
class ListStatistics:
    """One task list at one instant: tasks ready to be polled, and polls parked on it."""

    account: str
    domain: str
    kind: str
    name: str
    backlog: int
    parked: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot for metrics and the console."""

    open_executions: int
    deadlines: int
    parked: int
    lists: tuple[ListStatistics, ...]
