"""The decision task state machine: coalescing, overrides, timeouts (spec/swf-semantics 3.2, 3.6)."""

from __future__ import annotations

from elbflow_engine.core import times
from elbflow_engine.core.deadlines import Kind
from elbflow_engine.core.model import DECISION, Execution
from elbflow_engine.core.work import Work


def demand(work: Work, execution: Execution) -> None:
    """Something happened that the decider must see: make sure a decision task follows it."""
    decision = execution.decision
    if not decision.scheduled_id:
        _schedule(work, execution)
        work.offer_decision(execution)
    elif decision.started_id and not decision.queued_id:
        _schedule(work, execution)


def start(work: Work, execution: Execution, identity: str | None) -> None:
    """The pollable decision task was given to a poll."""
    attributes: dict[str, object] = {"scheduledEventId": execution.decision.scheduled_id}
    if identity is not None:
        attributes["identity"] = identity
    work.append(execution, "DecisionTaskStarted", attributes)
    work.watch(execution, Kind.DECISION_START_TO_CLOSE, execution.decision.scheduled_id)


def settle(work: Work, execution: Execution, demanded: bool) -> None:
    """A decision task was closed: let the queued one out, or schedule one if something demands it."""
    if execution.closed:
        return
    if execution.decision.scheduled_id:
        work.offer_decision(execution)
    elif demanded:
        demand(work, execution)


def time_out(work: Work, execution: Execution, kind: Kind) -> None:
    """The started task took too long, or the override list did not fetch it in time."""
    decision = execution.decision
    scheduled_id, started_id = decision.scheduled_id, decision.started_id
    work.withdraw(DECISION, execution, scheduled_id)
    timeout = "START_TO_CLOSE" if kind is Kind.DECISION_START_TO_CLOSE else "SCHEDULE_TO_START"
    work.append(
        execution,
        "DecisionTaskTimedOut",
        {"timeoutType": timeout, "scheduledEventId": scheduled_id, "startedEventId": started_id},
    )
    settle(work, execution, demanded=True)


def _schedule(work: Work, execution: Execution) -> None:
    settings, override = execution.header.settings, execution.decision.override
    attributes: dict[str, object] = {
        "taskList": {"name": settings.task_list if override is None else override.task_list},
        "startToCloseTimeout": settings.task_timeout,
        "scheduleToStartTimeout": times.NONE,
    }
    if override is not None and override.schedule_to_start is not None:
        attributes["scheduleToStartTimeout"] = override.schedule_to_start
    if settings.task_priority is not None:
        attributes["taskPriority"] = settings.task_priority
    work.append(execution, "DecisionTaskScheduled", attributes)
