"""Workflows as plain asyncio, replayed deterministically over SWF histories (design section 4).

Workflow code awaits activities, sleeps, takes signals and compensates; the runtime turns that into SWF decisions and
repeats it from the history whenever SWF asks again. Everything a workflow may use is named here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from elbflow import lazily
from elbflow.flow.activity_context import ActivityContext, activity_context
from elbflow.flow.activity_worker import ActivityWorker
from elbflow.flow.client import Client
from elbflow.flow.codec import decode, encode
from elbflow.flow.declaration import activity
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
    ForeignFailure,
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
from elbflow.flow.metrics import Metrics
from elbflow.flow.registration import register_types
from elbflow.flow.registry import ActivityRegistry
from elbflow.flow.signatures import (
    Activity,
    ActivityOptions,
    RetryPolicy,
    SignalSignature,
    WorkflowSignature,
    abstract_activity,
)

if TYPE_CHECKING:
    from elbflow.flow.deciders import (
        Cancellation,
        ChildHandle,
        Compensation,
        DecisionWorker,
        ExternalHandle,
        SignalQueue,
        Sticky,
        WorkflowInfo,
        compensate,
        continue_as_new,
        continue_when_long,
        external,
        info,
        lint,
        logger,
        now,
        parse_history,
        patched,
        query,
        record_marker,
        replay,
        replay_histories,
        run_child,
        set_state,
        side_effect,
        signal,
        signals,
        sleep,
        start_child,
        wait_condition,
        workers,
        workflow,
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
    "ForeignFailure",
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

if not TYPE_CHECKING:  # processes that only carry out activities need none of it
    __getattr__ = lazily.forward(__name__, __all__, "elbflow.flow.deciders")
