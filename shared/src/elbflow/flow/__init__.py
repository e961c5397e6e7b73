"""Workflows as plain asyncio, replayed deterministically over SWF histories (design section 4).

Workflow code awaits activities, sleeps, takes signals and compensates; the runtime turns that into SWF decisions and
repeats it from the history whenever SWF asks again. Everything a workflow may use is named here.
"""

from __future__ import annotations

from elbflow.flow.activity_context import ActivityContext, activity_context
from elbflow.flow.activity_worker import ActivityWorker
from elbflow.flow.cancelling import Cancellation
from elbflow.flow.children import ChildHandle, run_child, start_child
from elbflow.flow.client import Client
from elbflow.flow.codec import decode, encode
from elbflow.flow.compensation import Compensation, compensate
from elbflow.flow.context import (
    WorkflowInfo,
    continue_as_new,
    continue_when_long,
    info,
    now,
    patched,
    record_marker,
    set_state,
    side_effect,
    sleep,
    wait_condition,
)
from elbflow.flow.decision_worker import DecisionWorker
from elbflow.flow.declaration import activity
from elbflow.flow.definition import query, signal, workflow
from elbflow.flow.errors import (
    ActivityError,
    ActivityFailed,
    ActivityTimedOut,
    ChildCanceled,
    ChildError,
    ChildFailed,
    ChildNotStarted,
    ChildTerminated,
    ChildTimedOut,
    ContinueAsNew,
    ExternalRefused,
    MarkerRefused,
    NonDeterminism,
    NonDeterministicCall,
    NothingPublished,
    OutsideWorkflow,
    PayloadMismatch,
    PayloadTooLarge,
    StillRunning,
    TimerRefused,
    WorkflowClosed,
    WorkflowDefect,
    WorkflowFailed,
)
from elbflow.flow.hosting import workers
from elbflow.flow.inspection import lint
from elbflow.flow.logger import logger
from elbflow.flow.messages import ExternalHandle, external
from elbflow.flow.metrics import Metrics
from elbflow.flow.recordings import parse_history
from elbflow.flow.registration import register_types
from elbflow.flow.registry import ActivityRegistry
from elbflow.flow.replay import replay, replay_histories
from elbflow.flow.signal_queue import SignalQueue, signals
from elbflow.flow.signatures import (
    Activity,
    ActivityOptions,
    RetryPolicy,
    SignalSignature,
    WorkflowSignature,
    abstract_activity,
)
from elbflow.flow.sticky import Sticky

__all__ = [
    "Activity",
    "ActivityContext",
    "ActivityError",
    "ActivityFailed",
    "ActivityOptions",
    "ActivityRegistry",
    "ActivityTimedOut",
    "ActivityWorker",
    "Cancellation",
    "ChildCanceled",
    "ChildError",
    "ChildFailed",
    "ChildHandle",
    "ChildNotStarted",
    "ChildTerminated",
    "ChildTimedOut",
    "Client",
    "Compensation",
    "ContinueAsNew",
    "DecisionWorker",
    "ExternalHandle",
    "ExternalRefused",
    "MarkerRefused",
    "Metrics",
    "NonDeterminism",
    "NonDeterministicCall",
    "NothingPublished",
    "OutsideWorkflow",
    "PayloadMismatch",
    "PayloadTooLarge",
    "RetryPolicy",
    "SignalQueue",
    "SignalSignature",
    "Sticky",
    "StillRunning",
    "TimerRefused",
    "WorkflowClosed",
    "WorkflowDefect",
    "WorkflowFailed",
    "WorkflowInfo",
    "WorkflowSignature",
    "abstract_activity",
    "activity",
    "activity_context",
    "compensate",
    "continue_as_new",
    "continue_when_long",
    "decode",
    "encode",
    "external",
    "info",
    "lint",
    "logger",
    "now",
    "parse_history",
    "patched",
    "query",
    "record_marker",
    "register_types",
    "replay",
    "replay_histories",
    "run_child",
    "set_state",
    "side_effect",
    "signal",
    "signals",
    "sleep",
    "start_child",
    "wait_condition",
    "workers",
    "workflow",
]
