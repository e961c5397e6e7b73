"""What the scheduler keeps about one lane: a task list of one kind, its handler and its slots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from elbflow import swf
from elbflow.polling.ceiling import Ceiling
from elbflow.polling.metrics import LaneMetrics
from elbflow.polling.outcome import Outcome
from elbflow.polling.pacing import Pace

Task: TypeAlias = swf.DecisionTask | swf.ActivityTask
TaskHandler: TypeAlias = Callable[[Task], Awaitable[None]]


@dataclass(slots=True, eq=False)
class LaneState:
    """Changed only by the scheduler's core, inside one turn of the loop.

    Every parked poll holds one of ``slots``, and so does every running handler: a task is never asked for that could
    not start at once (I2). ``ticket`` names the lane's one valid place among the waiting lanes, ``timer`` its one
    valid alarm.
    """

    serial: int
    task_list: swf.TaskList
    lane_class: str
    handler: TaskHandler
    on_orphan: TaskHandler | None
    slots: int
    pace: Pace
    ceiling: Ceiling
    metrics: LaneMetrics
    unpolled_since: float
    parked: int = 0
    running: int = 0
    is_open: bool = True
    failure: Exception | None = None
    trouble: Outcome | None = None
    last_outcome: Outcome | None = None
    polls: int = 0
    tasks: int = 0
    ticket: int = 0
    timer: float | None = None

    @property
    def kind(self) -> swf.TaskKind:
        return self.task_list.kind

    @property
    def free_slots(self) -> int:
        return self.slots - self.running - self.parked

    @property
    def is_quiet(self) -> bool:
        """Nothing parked, nothing running."""
        return self.parked == 0 and self.running == 0

    @property
    def takes_polls(self) -> bool:
        return self.is_open and self.failure is None

    def receiver(self) -> TaskHandler:
        """Who gets a task that arrives now: a closed lane's tasks go to ``on_orphan`` if there is one (I4)."""
        return self.handler if self.is_open or self.on_orphan is None else self.on_orphan
