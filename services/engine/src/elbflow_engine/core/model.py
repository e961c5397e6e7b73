"""The state of executions. Everything mutable here changes only by applying events (see :mod:`.evolution`),
except heartbeats and queue positions, which leave no event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from elbflow_engine.core import api

Run = tuple[str, str]  # workflowId, runId
TypeKey = tuple[str, str]  # name, version

DECISION = "decision"
ACTIVITY = "activity"


@dataclass(slots=True)
class Settings:
    """An execution's own configuration, resolved at its start; texts as in the protocol."""

    task_list: str
    task_priority: str | None
    execution_timeout: str
    task_timeout: str
    child_policy: str
    lambda_role: str | None


@dataclass(slots=True)
class Header:
    """What is known of an execution without its history; ``events`` is counted when it closes."""

    id: int
    account: str
    domain: str
    workflow_id: str
    run_id: str
    workflow_type: TypeKey
    settings: Settings
    tags: list[str] | None
    parent: Run | None
    parent_initiated_id: int
    start_ms: int
    cancel_requested: bool = False
    latest_activity_ms: int | None = None
    latest_context: str | None = None
    close_status: str | None = None
    close_ms: int | None = None
    events: int = 0

    @property
    def run(self) -> Run:
        return self.workflow_id, self.run_id


@dataclass(slots=True)
class Override:
    """A task list for decision tasks that differs from the execution's own; None = no expiry (3.6)."""

    task_list: str
    schedule_to_start: str | None


@dataclass(slots=True)
class DecisionState:
    """At most one decision task is pollable or started; at most one more is queued behind it (3.2). 0 = none."""

    scheduled_id: int = 0
    started_id: int = 0
    queued_id: int = 0
    previous_started_id: int = 0
    pollable_ms: int = 0
    started_ms: int = 0
    override: Override | None = None
    sequence: int = field(default=0, compare=False)


@dataclass(slots=True)
class Activity:
    """One open activity task. Timeouts in milliseconds, None = no limit; ids 0 = not yet."""

    scheduled_id: int
    activity_id: str
    activity_type: TypeKey
    task_list: str
    priority: int
    input: str | None
    scheduled_ms: int
    schedule_to_start: int | None
    schedule_to_close: int | None
    start_to_close: int | None
    heartbeat: int | None
    started_id: int = 0
    started_ms: int = 0
    cancel_requested_id: int = 0
    heartbeat_ms: int | None = None
    heartbeat_details: str | None = None
    sequence: int = field(default=0, compare=False)


@dataclass(slots=True)
class Timer:
    started_id: int
    timer_id: str
    fires_ms: int


@dataclass(slots=True)
class Child:
    """An open child. ``run_id`` is its first run; successors keep the link by ``initiated_id`` (3.9)."""

    initiated_id: int
    workflow_id: str
    workflow_type: TypeKey
    run_id: str | None = None
    started_id: int = 0


@dataclass(slots=True)
class Execution:
    """An open execution with its whole history in wire form."""

    header: Header
    events: list[bytes] = field(default_factory=list)
    last_ms: int = 0
    decision: DecisionState = field(default_factory=DecisionState)
    activities: dict[int, Activity] = field(default_factory=dict)
    activity_ids: dict[str, int] = field(default_factory=dict)
    timers: dict[int, Timer] = field(default_factory=dict)
    timer_ids: dict[str, int] = field(default_factory=dict)
    children: dict[int, Child] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return self.header.id

    @property
    def closed(self) -> bool:
        return self.header.close_status is not None

    @property
    def next_id(self) -> int:
        return len(self.events) + 1

    def tasks(self) -> Iterator[api.TaskRef]:
        """The current decision task and the open activity tasks, whatever their state."""
        if self.decision.scheduled_id:
            yield api.TaskRef(DECISION, self.id, self.decision.scheduled_id)
        for scheduled_id in self.activities:
            yield api.TaskRef(ACTIVITY, self.id, scheduled_id)


def workflow_execution(run: Run) -> dict[str, str]:
    """A WorkflowExecution structure."""
    return {"workflowId": run[0], "runId": run[1]}


def type_structure(key: TypeKey) -> dict[str, str]:
    """A WorkflowType or ActivityType structure."""
    return {"name": key[0], "version": key[1]}


def heartbeat_key(execution_id: int, scheduled_id: int) -> str:
    """Key of the row that keeps an open activity's last heartbeat."""
    return f"{execution_id}/{scheduled_id}"
