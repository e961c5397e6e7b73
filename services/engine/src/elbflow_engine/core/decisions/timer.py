"""StartTimer and CancelTimer (spec/swf-semantics 7.8, 7.9)."""

from __future__ import annotations

from elbflow_engine.core import api, members
from elbflow_engine.core.deadlines import Kind
from elbflow_engine.core.decisions.batch import Batch


def start(batch: Batch, attributes: api.Object) -> None:
    """Start a timer, or record why not."""
    timer_id = members.text(attributes, "timerId")
    cause = _refusal(batch, timer_id)
    if cause is not None:
        batch.fail("StartTimerFailed", cause, {"timerId": timer_id})
        return
    event: dict[str, object] = {
        "timerId": timer_id,
        "startToFireTimeout": members.text(attributes, "startToFireTimeout"),
        **members.given(attributes, "control"),
    }
    started_id = batch.append("TimerStarted", event)
    batch.work.watch(batch.execution, Kind.TIMER, started_id)


def cancel(batch: Batch, attributes: api.Object) -> None:
    """Cancel an open timer; one that fired already is unknown."""
    timer_id = members.text(attributes, "timerId")
    started_id = batch.execution.timer_ids.get(timer_id)
    if started_id is None:
        batch.fail("CancelTimerFailed", "TIMER_ID_UNKNOWN", {"timerId": timer_id})
        return
    batch.append("TimerCanceled", {"timerId": timer_id, "startedEventId": started_id})


def _refusal(batch: Batch, timer_id: str) -> str | None:
    execution = batch.execution
    if timer_id in execution.timer_ids:
        return "TIMER_ID_ALREADY_IN_USE"
    if len(execution.timers) >= batch.work.world.limits.open_timers:
        return "OPEN_TIMERS_LIMIT_EXCEEDED"
    return None if batch.admit("StartTimer") else "TIMER_CREATION_RATE_EXCEEDED"
