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
from elbflow.swf.hints import HOLD_HINT, Hints, askable_hold_s
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
    TypeDetail,
    TypeId,
)
from elbflow.swf.quota_settings import Quota, QuotaSettings
from elbflow.swf.quotas import Quotas
from elbflow.swf.rate import RateGovernor
from elbflow.swf.retry import RetryPlan
from elbflow.swf.service import Countable, Located, Polls, Pooled, Service
from elbflow.swf.settings import ClientSettings

__all__ = [
    "HOLD_HINT",
    "ActivityTask",
    "AlreadyExists",
    "AlreadyStarted",
    "Ambiguous",
    "Attributes",
    "Client",
    "ClientSettings",
    "ConnectFailed",
    "Countable",
    "Decision",
    "DecisionTask",
    "DefaultUndefined",
    "Denied",
    "Execution",
    "ExecutionDetail",
    "ExecutionInfo",
    "Hints",
    "HistoryEvent",
    "Invalid",
    "Json",
    "LimitExceeded",
    "Located",
    "Polls",
    "Pooled",
    "Quota",
    "QuotaSettings",
    "Quotas",
    "RateGovernor",
    "RetryPlan",
    "Service",
    "SwfError",
    "TaskKind",
    "TaskList",
    "Throttled",
    "TypeDeprecated",
    "TypeDetail",
    "TypeId",
    "Unauthenticated",
    "Unavailable",
    "UnknownResource",
    "askable_hold_s",
]
