"""ScheduleActivityTask and RequestCancelActivityTask (spec/swf-semantics 7.1, 7.2)."""

from __future__ import annotations

from elbflow_engine.core import activities, api, members, model
from elbflow_engine.core.decisions.batch import Batch
from elbflow_engine.core.world import DEPRECATED, RegisteredType

# Decision member, default of the type, cause when neither is given; in the order of the checks.
_TIMEOUTS = (
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


class _Refused(Exception):
    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def schedule(batch: Batch, attributes: api.Object) -> None:
    """Schedule an activity with resolved values, or record why not."""
    key = members.type_key(attributes, "activityType")
    activity_id = members.text(attributes, "activityId")
    named: dict[str, object] = {"activityType": model.type_structure(key), "activityId": activity_id}
    try:
        resolved = _resolve(batch, key, attributes)
        _admit(batch, activity_id, resolved)
    except _Refused as refused:
        batch.fail("ScheduleActivityTaskFailed", refused.cause, named)
        return
    echoed = members.given(attributes, "input", "control")
    scheduled_id = batch.append("ActivityTaskScheduled", {**named, **echoed, **resolved})
    activities.scheduled(batch.work, batch.execution, batch.execution.activities[scheduled_id])


def request_cancel(batch: Batch, attributes: api.Object) -> None:
    """Ask a started activity to stop; one nobody has started is canceled at once."""
    activity_id = members.text(attributes, "activityId")
    scheduled_id = batch.execution.activity_ids.get(activity_id)
    if scheduled_id is None:
        batch.fail("RequestCancelActivityTaskFailed", "ACTIVITY_ID_UNKNOWN", {"activityId": activity_id})
        return
    batch.append("ActivityTaskCancelRequested", {"activityId": activity_id})
    activity = batch.execution.activities[scheduled_id]
    if not activity.started_id:
        activities.cancel_scheduled(batch.work, batch.execution, activity)
        batch.demanded = True


def _resolve(batch: Batch, key: model.TypeKey, attributes: api.Object) -> dict[str, object]:
    """Each value from the decision, else from the type, else a cause to refuse."""
    registered = batch.domain.activity_types.get(key)
    if registered is None:
        raise _Refused("ACTIVITY_TYPE_DOES_NOT_EXIST")
    if registered.status == DEPRECATED:
        raise _Refused("ACTIVITY_TYPE_DEPRECATED")
    defaults = registered.configuration
    task_list = members.list_name(attributes) or members.list_name(defaults, "defaultTaskList")
    if task_list is None:
        raise _Refused("DEFAULT_TASK_LIST_UNDEFINED")
    resolved: dict[str, object] = {"taskList": {"name": task_list}}
    for name, default, cause in _TIMEOUTS:
        value = members.filled(attributes, name) or members.filled(defaults, default)
        if value is None:
            raise _Refused(cause)
        resolved[name] = value
    priority = _priority(attributes, registered)
    return resolved if priority is None else resolved | {"taskPriority": priority}


def _priority(attributes: api.Object, registered: RegisteredType) -> str | None:
    return members.filled(attributes, "taskPriority") or members.filled(registered.configuration, "defaultTaskPriority")


def _admit(batch: Batch, activity_id: str, resolved: dict[str, object]) -> None:
    execution, world = batch.execution, batch.work.world
    if activity_id in execution.activity_ids:
        raise _Refused("ACTIVITY_ID_ALREADY_IN_USE")
    if len(execution.activities) >= world.limits.open_activities:
        raise _Refused("OPEN_ACTIVITIES_LIMIT_EXCEEDED")
    task_list = (execution.header.account, execution.header.domain, str(resolved["taskList"]))
    if not batch.admit("ScheduleActivityTask") or not world.rates.admit("TaskList", task_list, batch.work.now_ms):
        raise _Refused("ACTIVITY_CREATION_RATE_EXCEEDED")
