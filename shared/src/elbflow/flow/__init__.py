"""Workflows as plain asyncio, replayed deterministically over SWF histories (design section 4).

Workflow code awaits activities, sleeps, takes signals and compensates; the runtime turns that into SWF decisions and
repeats it from the history whenever SWF asks again. Everything a workflow may use is named here.
"""

from __future__ import annotations

from elbflow.flow.activity_context import ActivityContext, activity_context
from elbflow.flow.activity_worker import ActivityWorker
from elbflow.flow.client import Client
from elbflow.flow.codec import decode, encode
from elbflow.flow.compensation import Compensation, compensate
from elbflow.flow.core.context import (
    WorkflowInfo,
    continue_as_new,
    info,
    now,
    patched,
    set_state,
    sleep,
    wait_condition,
)
from elbflow.flow.decision_worker import DecisionWorker
from elbflow.flow.definition import signal, workflow
from elbflow.flow.errors import (
    ActivityError,
    ActivityFailed,
    ActivityTimedOut,
    ContinueAsNew,
    NonDeterminism,
    NonDeterministicCall,
    OutsideWorkflow,
    PayloadMismatch,
    PayloadTooLarge,
    StillRunning,
    TimerRefused,
    WorkflowClosed,
    WorkflowDefect,
    WorkflowFailed,
)
from elbflow.flow.logger import logger
from elbflow.flow.metrics import Metrics
from elbflow.flow.registration import register_types
from elbflow.flow.registry import ActivityRegistry
from elbflow.flow.replay import parse_history, replay
from elbflow.flow.signatures import (
    Activity,
    ActivityOptions,
    RetryPolicy,
    SignalSignature,
    WorkflowSignature,
    abstract_activity,
)

__all__ = [
    "Activity",
    "ActivityContext",
    "ActivityError",
    "ActivityFailed",
    "ActivityOptions",
    "ActivityRegistry",
    "ActivityTimedOut",
    "ActivityWorker",
    "Client",
    "Compensation",
    "ContinueAsNew",
    "DecisionWorker",
    "Metrics",
    "NonDeterminism",
    "NonDeterministicCall",
    "OutsideWorkflow",
    "PayloadMismatch",
    "PayloadTooLarge",
    "RetryPolicy",
    "SignalSignature",
    "StillRunning",
    "TimerRefused",
    "WorkflowClosed",
    "WorkflowDefect",
    "WorkflowFailed",
    "WorkflowInfo",
    "WorkflowSignature",
    "abstract_activity",
    "activity_context",
    "compensate",
    "continue_as_new",
    "decode",
    "encode",
    "info",
    "logger",
    "now",
    "parse_history",
    "patched",
    "register_types",
    "replay",
    "set_state",
    "signal",
    "sleep",
    "wait_condition",
    "workflow",
]
