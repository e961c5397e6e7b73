"""Activity tasks after they were scheduled: start, heartbeat, answers, timeouts (spec/swf-semantics 3.7, 5)."""

from __future__ import annotations

from elbflow_engine.core import api, choices, closed, decision_task, faults, members, model
from elbflow_engine.core.deadlines import Kind
from elbflow_engine.core.model import ACTIVITY, Activity, Execution
from elbflow_engine.core.work import Work


def start(work: Work, execution: Execution, activity: Activity, identity: str | None) -> None:
    """The task was given to a poll."""
    attributes: dict[str, object] = {"scheduledEventId": activity.scheduled_id}
    if identity is not None:
        attributes["identity"] = identity
    work.append(execution, "ActivityTaskStarted", attributes)
    for kind in (Kind.HEARTBEAT, Kind.START_TO_CLOSE):
        work.watch(execution, kind, activity.scheduled_id)


def scheduled(work: Work, execution: Execution, activity: Activity) -> None:
    """The task was scheduled by a decision."""
    for kind in (Kind.SCHEDULE_TO_START, Kind.SCHEDULE_TO_CLOSE):
        work.watch(execution, kind, activity.scheduled_id)
    work.offer_activity(execution, activity)


def respond_completed(work: Work, account: str, params: api.Object) -> None:
    """RespondActivityTaskCompleted."""
    _respond(work, account, params, "ActivityTaskCompleted", members.given(params, "result"))


def respond_failed(work: Work, account: str, params: api.Object) -> None:
    """RespondActivityTaskFailed."""
    _respond(work, account, params, "ActivityTaskFailed", members.given(params, "reason", "details"))


def respond_canceled(work: Work, account: str, params: api.Object) -> None:
    """RespondActivityTaskCanceled."""
    _respond(work, account, params, "ActivityTaskCanceled", members.given(params, "details"))


def heartbeat(work: Work, account: str, params: api.Object) -> api.Json:
    """RecordActivityTaskHeartbeat: no event. Our choice: absent details keep the former ones (6.4: 37)."""
    execution, activity = _started(work, account, params)
    work.world.rates.demand("RecordActivityTaskHeartbeat", execution.id, work.now_ms)
    details = members.maybe_text(params, "details")
    activity.heartbeat_ms = max(work.now_ms, activity.heartbeat_ms or activity.started_ms)
    activity.heartbeat_details = activity.heartbeat_details if details is None else details
    work.put(
        "heartbeat",
        model.heartbeat_key(execution.id, activity.scheduled_id),
        {"at_ms": activity.heartbeat_ms, "details": activity.heartbeat_details},
    )
    return {"cancelRequested": bool(activity.cancel_requested_id)}


def cancel_scheduled(work: Work, execution: Execution, activity: Activity) -> None:
    """A cancel request for a task nobody has started closes it at once (7.2)."""
    _close(work, execution, activity, "ActivityTaskCanceled", {})


def time_out(work: Work, execution: Execution, activity: Activity, kind: Kind) -> None:
    """One of the four timeouts of the task expired."""
    attributes: dict[str, object] = {"timeoutType": kind.name}
    if activity.heartbeat_details is not None:
        attributes["details"] = activity.heartbeat_details
    _close(work, execution, activity, "ActivityTaskTimedOut", attributes)
    decision_task.demand(work, execution)


def _respond(work: Work, account: str, params: api.Object, event_type: str, attributes: dict[str, api.Json]) -> None:
    execution, activity = _started(work, account, params)
    _close(work, execution, activity, event_type, dict(attributes))
    decision_task.demand(work, execution)


def _close(
    work: Work, execution: Execution, activity: Activity, event_type: str, attributes: dict[str, object]
) -> None:
    attributes["scheduledEventId"] = activity.scheduled_id
    attributes["startedEventId"] = activity.started_id
    if event_type == "ActivityTaskCanceled":
        attributes |= choices.canceled_link(activity.cancel_requested_id)
    work.append(execution, event_type, attributes)
    work.withdraw(model.ACTIVITY, execution, activity.scheduled_id)
    if activity.heartbeat_ms is not None:
        work.delete("heartbeat", model.heartbeat_key(execution.id, activity.scheduled_id))


def _started(work: Work, account: str, params: api.Object) -> tuple[Execution, Activity]:
    """The started task a token stands for."""
    token = work.world.tokens.read_task(members.text(params, "taskToken"), ACTIVITY)
    execution = open_execution(work, account, token.execution_id)
    activity = execution.activities.get(token.scheduled_id)
    if activity is None or not activity.started_id or activity.started_id != token.started_id:
        raise faults.unknown_task(ACTIVITY, token.scheduled_id)
    return execution, activity


def open_execution(work: Work, account: str, execution_id: int) -> Execution:
    """The open execution a token names; raises UnknownResourceFault, or :class:`closed.Elsewhere` to say which."""
    execution = work.world.open.get(execution_id)
    if execution is None:
        raise closed.too_late(execution_id, account, work.now_ms)
    if execution.header.account != account:
        raise faults.forgotten_execution()
    return execution
