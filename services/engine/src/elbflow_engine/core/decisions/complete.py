"""The procedure of RespondDecisionTaskCompleted (spec/swf-semantics 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from elbflow_engine.core import activities, api, decision_task, faults, members
from elbflow_engine.core.decisions import activity, child, closing, external, lambdas, marker, rules, timer
from elbflow_engine.core.decisions.batch import Batch
from elbflow_engine.core.model import DECISION, Execution
from elbflow_engine.core.work import Work

_Apply: TypeAlias = Callable[[Batch, api.Object], None]

_FAMILIES: dict[str, _Apply] = {
    "ScheduleActivityTask": activity.schedule,
    "RequestCancelActivityTask": activity.request_cancel,
    "CompleteWorkflowExecution": closing.complete,
    "FailWorkflowExecution": closing.fail,
    "CancelWorkflowExecution": closing.cancel,
    "ContinueAsNewWorkflowExecution": closing.continue_as_new,
    "RecordMarker": marker.record,
    "StartTimer": timer.start,
    "CancelTimer": timer.cancel,
    "SignalExternalWorkflowExecution": external.signal,
    "RequestCancelExternalWorkflowExecution": external.request_cancel,
    "StartChildWorkflowExecution": child.start,
    "ScheduleLambdaFunction": lambdas.schedule,
}


def respond_completed(work: Work, account: str, params: api.Object) -> None:
    """RespondDecisionTaskCompleted. Everything is checked before the first event is appended."""
    decisions = rules.check(members.objects(params, "decisions"))
    execution = _started(work, account, params)
    unhandled = bool(execution.decision.queued_id)
    completed_id = work.append(execution, "DecisionTaskCompleted", _completed_attributes(execution, params))
    batch = Batch(work, execution, completed_id, unhandled)
    for decision_type, attributes in decisions:
        _FAMILIES[decision_type](batch, attributes)
    decision_task.settle(work, execution, batch.demanded)


def _started(work: Work, account: str, params: api.Object) -> Execution:
    token = work.world.tokens.read_task(members.text(params, "taskToken"), DECISION)
    execution = activities.open_execution(work, account, token.execution_id)
    decision = execution.decision
    if not decision.started_id or (decision.scheduled_id, decision.started_id) != (
        token.scheduled_id,
        token.started_id,
    ):
        raise faults.unknown_task(DECISION, token.scheduled_id)
    return execution


def _completed_attributes(execution: Execution, params: api.Object) -> dict[str, object]:
    attributes: dict[str, object] = {
        "scheduledEventId": execution.decision.scheduled_id,
        "startedEventId": execution.decision.started_id,
        **members.given(params, "executionContext"),
    }
    task_list = members.list_name(params)
    if task_list is not None:
        attributes["taskList"] = {"name": task_list}
        timeout = members.filled(params, "taskListScheduleToStartTimeout")
        if timeout is not None:
            attributes["taskListScheduleToStartTimeout"] = timeout
    return attributes
