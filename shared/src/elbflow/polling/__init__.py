"""The connection-budgeted long-poll scheduler: the only thing in a process that opens polls."""

from __future__ import annotations

from elbflow.polling.metrics import Metrics
from elbflow.polling.outcome import Outcome
from elbflow.polling.process import Process, identity, scheduler_of
from elbflow.polling.profile import EndpointKind, EndpointProfile
from elbflow.polling.scheduler import Handler, Lane, Scheduler, SchedulerStopped
from elbflow.polling.statistics import LaneStatistics, SchedulerStatistics, Waiting

__all__ = [
    "EndpointKind",
    "EndpointProfile",
    "Handler",
    "Lane",
    "LaneStatistics",
    "Metrics",
    "Outcome",
    "Process",
    "Scheduler",
    "SchedulerStatistics",
    "SchedulerStopped",
    "Waiting",
    "identity",
    "scheduler_of",
]
