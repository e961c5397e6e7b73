"""Task lists of an emulated server: queued tasks and parked polls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.emulators.wire import Request

DECISION = "PollForDecisionTask"
ACTIVITY = "PollForActivityTask"
Key: TypeAlias = tuple[str, str]


@dataclass(slots=True, eq=False)
class Task:
    """``created`` is monotonic; clients find it in the task's input."""

    serial: int
    created: float


@dataclass(slots=True, eq=False)
class Poll:
    """One poll from its arrival to its answer; ``expiry`` ends its hold."""

    request: Request
    kind: str
    expiry: asyncio.TimerHandle | None = None
    is_over: bool = False


@dataclass(slots=True)
class TaskList:
    """``queued`` polls wait for a thread of the server and hear nothing yet."""

    tasks: deque[Task] = field(default_factory=deque)
    waiters: dict[Poll, None] = field(default_factory=dict)
    queued: int = 0


def answer_of(kind: str, task: Task) -> Mapping[str, Any]:
    """What a poll of ``kind`` gets. The task's creation time is the input of the activity or of the execution."""
    execution = {"workflowId": f"workflow-{task.serial}", "runId": f"run-{task.serial}"}
    stamp = repr(task.created)
    if kind == ACTIVITY:
        return {
            "taskToken": str(task.serial),
            "activityId": str(task.serial),
            "activityType": {"name": "emulated", "version": "1"},
            "workflowExecution": execution,
            "startedEventId": 6,
            "input": stamp,
        }
    workflow_type = {"name": "emulated", "version": "1"}
    started = {"input": stamp, "workflowType": workflow_type, "childPolicy": "TERMINATE", "taskList": {"name": "any"}}
    blocks: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("WorkflowExecutionStarted", "workflowExecutionStartedEventAttributes", started),
        ("DecisionTaskScheduled", "decisionTaskScheduledEventAttributes", {"taskList": {"name": "any"}}),
        ("DecisionTaskStarted", "decisionTaskStartedEventAttributes", {"scheduledEventId": 2}),
    )
    return {
        "taskToken": str(task.serial),
        "workflowExecution": execution,
        "workflowType": workflow_type,
        "startedEventId": 3,
        "previousStartedEventId": 0,
        "events": [
            {"eventId": number, "eventTimestamp": 1.0e9 + number, "eventType": name, block: members}
            for number, (name, block, members) in enumerate(blocks, 1)
        ],
    }
