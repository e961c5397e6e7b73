"""Histories for pictures: written by hand, short, with exact instants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

START = 1_700_000_000.0
Raw = dict[str, Any]


class Scribe:
    """Writes a history in wire form. ``at`` is in seconds from the start."""

    def __init__(self) -> None:
        self.events: list[Raw] = []

    def add(self, at: float, kind: str, **attributes: Any) -> int:
        number = len(self.events) + 1
        block = f"{kind[0].lower()}{kind[1:]}EventAttributes"
        self.events.append({"eventId": number, "eventTimestamp": START + at, "eventType": kind, block: attributes})
        return number

    def start(self) -> None:
        self.add(0, "WorkflowExecutionStarted", workflowType={"name": "order", "version": "1"})

    def decision(self, scheduled: float, started: float, completed: float) -> int:
        first = self.add(scheduled, "DecisionTaskScheduled", taskList={"name": "main"})
        second = self.add(started, "DecisionTaskStarted", scheduledEventId=first)
        return self.add(completed, "DecisionTaskCompleted", scheduledEventId=first, startedEventId=second)

    def activity(
        self, scheduled: float, started: float | None, ended: float | None, how: str = "Completed", **more: Any
    ) -> int:
        name = more.pop("name", "charge")
        key = {"name": name, "version": "1"}
        first = self.add(scheduled, "ActivityTaskScheduled", activityType=key, activityId=f"a{scheduled}")
        second = 0
        if started is not None:
            second = self.add(started, "ActivityTaskStarted", scheduledEventId=first)
        if ended is not None:
            self.add(ended, f"ActivityTask{how}", scheduledEventId=first, startedEventId=second, **more)
        return first


@pytest.fixture
def scribe() -> Scribe:
    made = Scribe()
    made.start()
    return made


@pytest.fixture
def now_ms() -> int:
    return int((START + 100) * 1000)


@pytest.fixture
def at_ms() -> Callable[[float], int]:
    return lambda seconds: round((START + seconds) * 1000)
