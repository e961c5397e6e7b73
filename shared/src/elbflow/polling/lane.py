"""What the scheduler keeps about one lane: a task list of one kind, its handler and its slots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from elbflow import swf
from elbflow.polling.ceiling import Ceiling
from elbflow.polling.demand import Demand
from elbflow.polling.metrics import LaneMetrics
from elbflow.polling.outcome import Outcome
from elbflow.polling.pacing import Pace
from elbflow.polling.rotation import Reason

Task: TypeAlias = swf.DecisionTask | swf.ActivityTask
TaskHandler: TypeAlias = Callable[[Task], Awaitable[None]]


@dataclass(slots=True, eq=False)
class LaneState:
    """Changed only by the scheduler's core, inside one turn of the loop.

    Every parked poll holds one of ``slots``, and so does every running handler: a task is never asked for that could
    not start at once (I2). ``min_polls`` are kept parked while slots and budget allow. ``ticket`` and
    ``place`` name the lane's one valid place among the waiting lanes, ``timer`` its one valid alarm.
    ``start_at_previous`` asks for histories that begin where the previous decision task began.

    ``has_work`` is how many tasks are known to wait, less one for every poll that went out since; ``asked_at`` is when
    they were asked for. Until ``turn_ends`` the lane may keep its turn: ``keeps_turn`` says why it had it. ``backlog``
    is how many tasks waited when the endpoint last told.
    """

    serial: int
    task_list: swf.TaskList
    lane_class: str
    handler: TaskHandler
    on_orphan: TaskHandler | None
    slots: int
    pace: Pace
    ceiling: Ceiling
    demand: Demand
    metrics: LaneMetrics
    unpolled_since: float
    tenant: str = "elb"
    weight: float = 1.0
    min_polls: int = 1
    max_dispatch_latency_s: float | None = None
    latency_critical: bool = False
    start_at_previous: bool = False
    has_work: int = 0
    keeps_turn: Reason | None = None
    turn_ends: float = float("-inf")
    asked_at: float = float("-inf")
    backlog: int | None = None
    parked: int = 0
    running: int = 0
    is_open: bool = True
    failure: Exception | None = None
    trouble: Outcome | None = None
    last_outcome: Outcome | None = None
    polls: int = 0
    tasks: int = 0
    ticket: int = 0
    place: tuple[int, float] = (0, 0.0)
    timer: float | None = None

    @property
    def kind(self) -> swf.TaskKind:
        return self.task_list.kind

    @property
    def free_slots(self) -> int:
        return self.slots - self.running - self.parked

    @property
    def most_parked(self) -> int:
        """Polls that it could ever have at once."""
        return min(self.slots, self.ceiling.maximum)

    @property
    def is_quiet(self) -> bool:
        """Nothing parked, nothing running."""
        return self.parked == 0 and self.running == 0

    @property
    def takes_polls(self) -> bool:
        return self.is_open and self.failure is None

    def receiver(self, left_s: float) -> TaskHandler:
        """Who gets a task that arrives now, ``left_s`` seconds before handlers are aborted (I4, 5.13).

        Tasks of a closed lane go to ``on_orphan`` if there is one, and so do those that could hardly be finished.
        """
        wanted = self.is_open and left_s >= self.demand.handler_s
        return self.handler if wanted or self.on_orphan is None else self.on_orphan
