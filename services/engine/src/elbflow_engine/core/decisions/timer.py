"""StartTimer and CancelTimer (spec/swf-semantics 7.8, 7.9)."""

from __future__ import annotations

from collections.abc import Iterator

from elbflow_engine.core import api, choices, members
from elbflow_engine.core.deadlines import Kind
from elbflow_engine.core.decisions.batch import Batch


def start(batch: Batch, attributes: api.Object) -> None:
    """Start a timer, or record why not."""
    timer_id = members.text(attributes, "timerId")
    cause = choices.first_cause(_obstacles(batch, timer_id))
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
    started_id = batch.execution.timer_ids.get(timer_id, 0)
    cause = choices.first_cause(_cancel_obstacles(batch, started_id))
    if cause is not None:
        batch.fail("CancelTimerFailed", cause, {"timerId": timer_id})
        return
    batch.append("TimerCanceled", {"timerId": timer_id, "startedEventId": started_id})


def _obstacles(batch: Batch, timer_id: str) -> Iterator[str]:
    execution = batch.execution
    yield from batch.denied("StartTimer")
    if timer_id in execution.timer_ids:
        yield "TIMER_ID_ALREADY_IN_USE"
    if len(execution.timers) >= batch.work.world.limits.open_timers:
        yield "OPEN_TIMERS_LIMIT_EXCEEDED"
    if not batch.admit("StartTimer"):
        yield "TIMER_CREATION_RATE_EXCEEDED"


def _cancel_obstacles(batch: Batch, started_id: int) -> Iterator[str]:
    yield from batch.denied("CancelTimer")
    if not started_id:
        yield "TIMER_ID_UNKNOWN"
