"""Signals and cancel requests from one execution to another of its domain (spec/swf-semantics 3.10)."""

from __future__ import annotations

from elbflow_engine.core import decision_task, evolution, model, signals
from elbflow_engine.core.model import Execution, Run
from elbflow_engine.core.work import Delivery, Work

_FAILURES = {
    "ExternalWorkflowExecutionSignaled": "SignalExternalWorkflowExecutionFailed",
    "ExternalWorkflowExecutionCancelRequested": "RequestCancelExternalWorkflowExecutionFailed",
}


def signal_delivery(
    source: Execution,
    target: tuple[str, str | None],
    signal: evolution.Attributes,
    initiated_id: int,
    failure: evolution.Attributes,
) -> Delivery:
    """Deliver the signal and tell the source, if it is still open. ``failure`` lacks only its cause."""

    def deliver(work: Work) -> None:
        execution = _find(work, source, target)
        run = None if execution is None else execution.header.run
        work.deliveries.append(_report(source, run, initiated_id, "ExternalWorkflowExecutionSignaled", failure))
        if execution is not None:
            signals.signal(work, execution, signal | _origin(source, initiated_id))

    return deliver


def cancel_delivery(
    source: Execution, target: tuple[str, str | None], initiated_id: int, failure: evolution.Attributes
) -> Delivery:
    """Deliver the cancel request and tell the source, if it is still open. ``failure`` lacks only its cause."""

    def deliver(work: Work) -> None:
        execution = _find(work, source, target)
        run = None if execution is None else execution.header.run
        work.deliveries.append(_report(source, run, initiated_id, "ExternalWorkflowExecutionCancelRequested", failure))
        if execution is not None:
            signals.request_cancel(work, execution, _origin(source, initiated_id))

    return deliver


def _find(work: Work, source: Execution, target: tuple[str, str | None]) -> Execution | None:
    return work.world.find_open(source.header.account, source.header.domain, *target)


def _origin(source: Execution, initiated_id: int) -> dict[str, object]:
    return {
        "externalWorkflowExecution": model.workflow_execution(source.header.run),
        "externalInitiatedEventId": initiated_id,
    }


def _report(
    source: Execution, reached: Run | None, initiated_id: int, success: str, failure: evolution.Attributes
) -> Delivery:
    """Its own delivery, queued before the target is touched: it must arrive even if the target has no room."""

    def deliver(work: Work) -> None:
        if source.closed:
            return
        if reached is None:
            cause = {"cause": "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION", "initiatedEventId": initiated_id}
            work.append(source, _FAILURES[success], failure | cause)
        else:
            run = model.workflow_execution(reached)
            work.append(source, success, {"workflowExecution": run, "initiatedEventId": initiated_id})
        decision_task.demand(work, source)

    return deliver
