"""What workflows and their deciders use of :mod:`elbflow.flow`, which has all of it by the same names."""

from __future__ import annotations

from elbflow.flow.cancelling import Cancellation
from elbflow.flow.children import ChildHandle, run_child, start_child
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
from elbflow.flow.definition import query, signal, workflow
from elbflow.flow.hosting import workers
from elbflow.flow.inspection import lint
from elbflow.flow.messages import ExternalHandle, external
from elbflow.flow.recordings import parse_history
from elbflow.flow.replaying import replay, replay_histories
from elbflow.flow.signal_queue import SignalQueue, signals
from elbflow.flow.sticky import Sticky
from elbflow.flow.workflow_logger import logger

__all__ = [
    "Cancellation",
    "ChildHandle",
    "Compensation",
    "DecisionWorker",
    "ExternalHandle",
    "SignalQueue",
    "Sticky",
    "WorkflowInfo",
    "compensate",
    "continue_as_new",
    "continue_when_long",
    "external",
    "info",
    "lint",
    "logger",
    "now",
    "parse_history",
    "patched",
    "query",
    "record_marker",
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
