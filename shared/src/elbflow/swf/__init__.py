"""The SWF protocol as a client sees it: typed tasks, events, decisions, faults, and the port to the service."""

from __future__ import annotations

from elbflow.swf.client import Client
from elbflow.swf.errors import (
    AlreadyExists,
    AlreadyStarted,
    Ambiguous,
    ConnectFailed,
    DefaultUndefined,
    Denied,
    Invalid,
    LimitExceeded,
    SwfError,
    Throttled,
    TypeDeprecated,
    Unauthenticated,
    Unavailable,
    UnknownResource,
)
from elbflow.swf.model import (
    ActivityTask,
    Attributes,
    Decision,
    DecisionTask,
    Execution,
    ExecutionDetail,
    ExecutionInfo,
    HistoryEvent,
    Json,
    TaskKind,
    TaskList,
    TypeId,
)
from elbflow.swf.retry import RetryPlan
from elbflow.swf.service import Polls, Pooled, Service
from elbflow.swf.settings import ClientSettings

__all__ = [
    "ActivityTask",
    "AlreadyExists",
    "AlreadyStarted",
    "Ambiguous",
    "Attributes",
    "Client",
    "ClientSettings",
    "ConnectFailed",
    "Decision",
    "DecisionTask",
    "DefaultUndefined",
    "Denied",
    "Execution",
    "ExecutionDetail",
    "ExecutionInfo",
    "HistoryEvent",
    "Invalid",
    "Json",
    "LimitExceeded",
    "Polls",
    "Pooled",
    "RetryPlan",
    "Service",
    "SwfError",
    "TaskKind",
    "TaskList",
    "Throttled",
    "TypeDeprecated",
    "TypeId",
    "Unauthenticated",
    "Unavailable",
    "UnknownResource",
]
