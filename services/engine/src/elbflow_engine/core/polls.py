"""Giving tasks to polls, and taking them back when nobody received them (spec/swf-semantics 4)."""

from __future__ import annotations

from elbflow_engine.core import activities, api, decision_task, evolution, faults, history, members, model
from elbflow_engine.core.deadlines import ACTIVITY_KINDS, Kind
from elbflow_engine.core.matching import ListKey
from elbflow_engine.core.model import ACTIVITY, DECISION, Execution
from elbflow_engine.core.tokens import TaskToken
from elbflow_engine.core.work import Work
from elbflow_engine.core.world import World

KINDS = {"PollForDecisionTask": DECISION, "PollForActivityTask": ACTIVITY}


def list_key(world: World, account: str, kind: str, params: api.Object) -> ListKey:
    """The list a request names; raises UnknownResourceFault for an unknown domain."""
    domain = world.domain(account, members.text(params, "domain"))
    name = members.list_name(params)
    if name is None:
        raise members.missing("taskList")
    return ListKey(account, domain.name, kind, name)


def check_room(world: World, key: ListKey) -> None:
    """Raises when no further poll may park on this list, in its domain or account, or at all (6.8)."""
    matching, limits = world.matching, world.limits
    if matching.parked_on(key) >= limits.parked_polls_per_list:
        raise faults.Fault("LimitExceededFault", f"Too many polls are waiting on task list {key.name}")
    if (
        matching.parked >= limits.parked_polls
        or matching.parked_in(key.account) >= limits.parked_polls_per_account
        or matching.parked_in(key.account, key.domain) >= limits.parked_polls_per_domain
    ):
        raise faults.throttled()


def take(world: World, key: ListKey) -> api.TaskRef | None:
    """The first task of a list that may still be handed out."""
    while (task := world.matching.take(key)) is not None:
        if world.pollable(task) is not None:
            return task
    return None


def start(world: World, task: api.TaskRef, params: api.Object, now_ms: int) -> api.Transition:
    """Append the Started event and build the answer of the poll."""
    work = Work(world, now_ms)
    execution = world.open[task.execution_id]
    identity = members.maybe_text(params, "identity")
    result: api.Answer
    if task.kind == DECISION:
        decision_task.start(work, execution, identity)
        token = TaskToken(DECISION, execution.id, task.scheduled_id, execution.decision.started_id)
        result = history.of_decision_task(world, execution.header, token, params, now_ms)
    else:
        activities.start(work, execution, execution.activities[task.scheduled_id], identity)
        result = _activity_answer(world, execution, task)
    return work.transition(result, started=task)


def unstart(world: World, task: api.TaskRef, now_ms: int) -> api.Transition | None:
    """Take the Started event back if it is still the last one; None when it is too late."""
    execution = world.open.get(task.execution_id)
    if execution is None or _started_id(execution, task) != len(execution.events):
        return None
    work = Work(world, now_ms)
    execution.events.pop()
    work.truncate(execution.id, len(execution.events))
    evolution.unstart(execution, task.kind, task.scheduled_id)
    evolution.recall_times(execution)
    kinds = (Kind.DECISION_SCHEDULE_TO_START,) if task.kind == DECISION else ACTIVITY_KINDS
    for kind in kinds:
        work.watch(execution, kind, task.scheduled_id)
    for withdrawn in execution.tasks():  # all of them, for the history may have been full
        work.reoffer(withdrawn)
    return work.transition()


def count_pending(world: World, account: str, kind: str, params: api.Object) -> api.Answer:
    """CountPendingActivityTasks, CountPendingDecisionTasks."""
    count = world.matching.backlog(list_key(world, account, kind, params))
    cap = world.limits.pending_count_cap
    return {"count": min(count, cap), "truncated": count > cap}


def backlog(world: World, key: ListKey, now_ms: int) -> tuple[int, int]:
    """Ready tasks on a list, and for how many milliseconds the next one has been ready."""
    task = world.matching.next_on(key)
    if task is None:
        return 0, 0
    return world.matching.backlog(key), max(0, now_ms - pollable_ms(world, task))


def pollable_ms(world: World, task: api.TaskRef) -> int:
    """Since when a ready task has been so."""
    execution = world.open[task.execution_id]
    if task.kind == DECISION:
        return execution.decision.pollable_ms
    return execution.activities[task.scheduled_id].scheduled_ms


def place(world: World, task: api.TaskRef) -> tuple[int, int]:
    """Priority and sequence of a pollable task."""
    execution = world.open[task.execution_id]
    if task.kind == DECISION:
        return int(execution.header.settings.task_priority or "0"), execution.decision.sequence
    activity = execution.activities[task.scheduled_id]
    return activity.priority, activity.sequence


def _started_id(execution: Execution, task: api.TaskRef) -> int:
    if task.kind == DECISION:
        decision = execution.decision
        return decision.started_id if decision.scheduled_id == task.scheduled_id else -1
    activity = execution.activities.get(task.scheduled_id)
    return -1 if activity is None or activity.heartbeat_ms is not None else activity.started_id


def _activity_answer(world: World, execution: Execution, task: api.TaskRef) -> dict[str, api.Json]:
    activity = execution.activities[task.scheduled_id]
    token = TaskToken(ACTIVITY, execution.id, task.scheduled_id, activity.started_id)
    answer: dict[str, api.Json] = {
        "taskToken": world.tokens.task(token),
        "activityId": activity.activity_id,
        "startedEventId": activity.started_id,
        "workflowExecution": model.workflow_execution(execution.header.run),
        "activityType": model.type_structure(activity.activity_type),
    }
    return answer if activity.input is None else answer | {"input": activity.input}
