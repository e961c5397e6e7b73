"""Signals, cancel requests and termination from outside (spec/swf-semantics 6.3: 22-24)."""

from __future__ import annotations

from elbflow_engine.core import api, choices, decision_task, evolution, faults, lifecycle, members
from elbflow_engine.core.model import Execution
from elbflow_engine.core.work import Work


def signal(work: Work, execution: Execution, attributes: evolution.Attributes) -> None:
    """Append a signal, from the API or from another execution."""
    work.append(execution, "WorkflowExecutionSignaled", attributes)
    decision_task.demand(work, execution)


def request_cancel(work: Work, execution: Execution, attributes: evolution.Attributes) -> None:
    """Append a cancel request, whatever its origin."""
    work.append(execution, "WorkflowExecutionCancelRequested", attributes)
    decision_task.demand(work, execution)


def signal_execution(work: Work, account: str, params: api.Object) -> None:
    """SignalWorkflowExecution."""
    execution = _target(work, account, params)
    work.world.rates.demand("SignalWorkflowExecution", execution.id, work.now_ms)
    attributes: dict[str, object] = {
        "signalName": members.text(params, "signalName"),
        "externalInitiatedEventId": 0,
    }
    signal(work, execution, attributes | members.given(params, "input"))


def request_cancel_execution(work: Work, account: str, params: api.Object) -> None:
    """RequestCancelWorkflowExecution."""
    execution = _target(work, account, params)
    work.world.rates.demand("RequestCancelWorkflowExecution", execution.id, work.now_ms)
    if choices.records_cancel_request(already_requested=execution.header.cancel_requested):
        request_cancel(work, execution, {"externalInitiatedEventId": 0})


def terminate_execution(work: Work, account: str, params: api.Object) -> None:
    """TerminateWorkflowExecution; effective at once, even while a decision task is started."""
    lifecycle.terminate(
        work,
        _target(work, account, params),
        "OPERATOR_INITIATED",
        child_policy=members.maybe_text(params, "childPolicy"),
        reason=members.maybe_text(params, "reason"),
        details=members.maybe_text(params, "details"),
    )


def _target(work: Work, account: str, params: api.Object) -> Execution:
    domain = work.world.domain(account, members.text(params, "domain"))
    workflow_id, run_id = members.text(params, "workflowId"), members.filled(params, "runId")
    execution = work.world.find_open(account, domain.name, workflow_id, run_id)
    if execution is None:
        raise faults.unknown_execution(workflow_id, run_id)
    return execution
