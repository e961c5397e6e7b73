"""The SWF objects a client sees, as frozen values (spec/swf-semantics sections 2, 4, 8).

Attributes of events and decisions stay plain JSON objects in the wire's own lowerCamel spelling: the flow runtime
and the engine read them by name, and nothing is lost on the way.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
Attributes: TypeAlias = Mapping[str, Json]


class TaskKind(enum.StrEnum):
    """The two independent name spaces of task lists."""

    DECISION = "decision"
    ACTIVITY = "activity"


@dataclass(frozen=True, slots=True, order=True)
class TaskList:
    """Where tasks wait: one list of one kind in one domain."""

    kind: TaskKind
    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class TypeId:
    """Name and version of a workflow or activity type."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a workflow."""

    workflow_id: str
    run_id: str


class HistoryEvent(NamedTuple):
    """One immutable event. ``timestamp`` is in epoch seconds, millisecond resolution.

    A tuple, because a decision task brings up to a thousand of them and a frozen dataclass costs three times as much.
    """

    id: int
    type: str
    timestamp: float
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class ActivityTask:
    """An activity handed to this process; it must be answered with its ``token``."""

    token: str
    activity_id: str
    activity_type: TypeId
    execution: Execution
    started_event_id: int
    input: str | None


@dataclass(frozen=True, slots=True)
class DecisionTask:
    """A decision handed to this process, with the first page of its history.

    ``next_page_token`` is set when more pages exist: fetch them with ``Service.decision_task_page``.
    """

    token: str
    execution: Execution
    workflow_type: TypeId
    started_event_id: int
    previous_started_event_id: int
    events: tuple[HistoryEvent, ...]
    next_page_token: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: its SWF ``decisionType`` and the members of its attribute block."""

    type: str
    attributes: Attributes

    @property
    def attributes_member(self) -> str:
        """Name of the attribute block on the wire, e.g. ``startTimerDecisionAttributes``."""
        return f"{self.type[0].lower()}{self.type[1:]}DecisionAttributes"


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """One row of ListOpen/ListClosedWorkflowExecutions."""

    execution: Execution
    workflow_type: TypeId
    status: str
    close_status: str | None
    start_timestamp: float
    close_timestamp: float | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionDetail(ExecutionInfo):
    """What DescribeWorkflowExecution says: more than a listing does."""

    cancel_requested: bool = False
    open_counts: Mapping[str, int] = field(default_factory=dict)
    latest_execution_context: str | None = None


@dataclass(frozen=True, slots=True)
class TypeDetail:
    """What SWF says of a registered type, as far as its workers depend on it: ``task_list`` is the default one."""

    deprecated: bool
    task_list: str | None
