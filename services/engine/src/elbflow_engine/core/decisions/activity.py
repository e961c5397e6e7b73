"""ScheduleActivityTask and RequestCancelActivityTask (spec/swf-semantics 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import activities, api, choices, members, model
from elbflow_engine.core.decisions.batch import Batch
from elbflow_engine.core.world import DEPRECATED, RegisteredType

# Decision member, default of the type, cause when neither is given; in the order of the checks.
_REQUIRED = (
    ("taskList", "defaultTaskList", "DEFAULT_TASK_LIST_UNDEFINED"),
    (
        "scheduleToStartTimeout",
        "defaultTaskScheduleToStartTimeout",
        "DEFAULT_SCHEDULE_TO_START_TIMEOUT_UNDEFINED",
    ),
    (
        "scheduleToCloseTimeout",
        "defaultTaskScheduleToCloseTimeout",
        "DEFAULT_SCHEDULE_TO_CLOSE_TIMEOUT_UNDEFINED",
    ),
    ("startToCloseTimeout", "defaultTaskStartToCloseTimeout", "DEFAULT_START_TO_CLOSE_TIMEOUT_UNDEFINED"),
    ("heartbeatTimeout", "defaultTaskHeartbeatTimeout", "DEFAULT_HEARTBEAT_TIMEOUT_UNDEFINED"),
)


def schedule(batch: Batch, attributes: api.Object) -> None:
    """Schedule an activity with resolved values, or record why not."""
    key = members.type_key(attributes, "activityType")
    activity_id = members.text(attributes, "activityId")
    registered = batch.domain.activity_types.get(key)
    resolved = _resolve(attributes, {} if registered is None else registered.configuration)
    event: dict[str, object] = {"activityType": model.type_structure(key), "activityId": activity_id}
    cause = choices.first_cause(_obstacles(batch, activity_id, registered, resolved))
    if cause is not None:
        batch.fail("ScheduleActivityTaskFailed", cause, event)
        return
    event |= members.given(attributes, "input", "control")
    scheduled_id = batch.append("ActivityTaskScheduled", event | resolved)
    activities.scheduled(batch.work, batch.execution, batch.execution.activities[scheduled_id])


def request_cancel(batch: Batch, attributes: api.Object) -> None:
    """Ask a started activity to stop; one nobody has started is canceled at once."""
    activity_id = members.text(attributes, "activityId")
    scheduled_id = batch.execution.activity_ids.get(activity_id, 0)
    cause = choices.first_cause(_cancel_obstacles(batch, scheduled_id))
    if cause is not None:
        batch.fail("RequestCancelActivityTaskFailed", cause, {"activityId": activity_id})
        return
    batch.append("ActivityTaskCancelRequested", {"activityId": activity_id})
    activity = batch.execution.activities[scheduled_id]
    if not activity.started_id:
        activities.cancel_scheduled(batch.work, batch.execution, activity)
        batch.demanded = True


def _resolve(attributes: api.Object, defaults: api.Object) -> dict[str, object]:
    """Each value from the decision, else from the type; what neither gives is missing."""
    resolved: dict[str, object] = {}
    task_list = members.list_name(attributes) or members.list_name(defaults, "defaultTaskList")
    if task_list is not None:
        resolved["taskList"] = {"name": task_list}
    for name, default, _ in _REQUIRED[1:]:
        value = members.filled(attributes, name) or members.filled(defaults, default)
        if value is not None:
            resolved[name] = value
    priority = members.filled(attributes, "taskPriority") or members.filled(defaults, "defaultTaskPriority")
    if priority is not None:
        resolved["taskPriority"] = priority
    return resolved


def _obstacles(
    batch: Batch, activity_id: str, registered: RegisteredType | None, resolved: dict[str, object]
) -> Iterator[str]:
    execution, world = batch.execution, batch.work.world
    yield from batch.denied("ScheduleActivityTask")
    if registered is None:
        yield "ACTIVITY_TYPE_DOES_NOT_EXIST"
    elif registered.status == DEPRECATED:
        yield "ACTIVITY_TYPE_DEPRECATED"
    for name, _, cause in _REQUIRED:
        if name not in resolved:
            yield cause
    if activity_id in execution.activity_ids:
        yield "ACTIVITY_ID_ALREADY_IN_USE"
    if len(execution.activities) >= world.limits.open_activities:
        yield "OPEN_ACTIVITIES_LIMIT_EXCEEDED"
    task_list = (execution.header.account, execution.header.domain, str(resolved["taskList"]))
    if not batch.admit("ScheduleActivityTask") or not world.rates.admit("TaskList", task_list, batch.work.now_ms):
        yield "ACTIVITY_CREATION_RATE_EXCEEDED"


def _cancel_obstacles(batch: Batch, scheduled_id: int) -> Iterator[str]:
    yield from batch.denied("RequestCancelActivityTask")
    if not scheduled_id:
        yield "ACTIVITY_ID_UNKNOWN"
