"""Snapshots that say why each lane is or is not polling."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from elbflow import swf
from elbflow.polling.outcome import Outcome


class Waiting(enum.StrEnum):
    """Why a lane has no further poll in flight."""

    NOTHING = "at its target"
    TURN = "about to be polled"
    NO_SLOT = "all slots are taken"
    PACED = "paced after its last outcome"
    NO_RATE = "issue rate used up"
    NO_BUDGET = "poll budget used up"
    ENDPOINT_DOWN = "endpoint does not answer"
    NOT_STARTED = "scheduler has not started"
    DRAINING = "scheduler is draining"
    CLOSED = "lane is closed"
    FAILED = "stopped by an invalid request"


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """One lane at one moment.

    ``pace_s`` is the time until it may poll again, ``unpolled_s`` the time since its last poll ended. A slot is free,
    used by a handler, or reserved by a parked poll.
    """

    task_list: swf.TaskList
    lane_class: str
    target: int
    parked: int
    slots: int
    slots_used: int
    slots_free: int
    pace_s: float
    unpolled_s: float
    last_outcome: Outcome | None
    waiting: Waiting
    tasks: int
    polls: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class SchedulerStatistics:
    """The scheduler at one moment. ``issue_rate`` is in polls per second and may be below the configured one."""

    profile: str
    identity: str
    budget_limit: int
    budget_used: int
    handlers: int
    hold_s: float
    issue_rate: dict[swf.TaskKind, float]
    endpoint_open: bool
    stopping: bool
    lanes: tuple[LaneStatistics, ...]
