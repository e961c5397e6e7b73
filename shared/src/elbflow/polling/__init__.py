"""The connection-budgeted long-poll scheduler: the only thing in a process that opens polls."""

from __future__ import annotations

from elbflow.polling.bound import Bound
from elbflow.polling.metrics import Metrics
from elbflow.polling.outcome import Outcome
from elbflow.polling.process import Process, identity, scheduler_of
from elbflow.polling.profile import EndpointKind, EndpointProfile
from elbflow.polling.scheduler import Handler, Lane, Scheduler, SchedulerStopped
from elbflow.polling.sharing import LatencyOutOfReach
from elbflow.polling.statistics import LaneStatistics, SchedulerStatistics, Waiting
from elbflow.polling.tenants import TenantShare

__all__ = [
    "Bound",
    "EndpointKind",
    "EndpointProfile",
    "Handler",
    "Lane",
    "LaneStatistics",
    "LatencyOutOfReach",
    "Metrics",
    "Outcome",
    "Process",
    "Scheduler",
    "SchedulerStatistics",
    "SchedulerStopped",
    "TenantShare",
    "Waiting",
    "identity",
    "scheduler_of",
]
