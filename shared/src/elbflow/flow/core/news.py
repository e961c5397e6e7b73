"""What each event of a history means to a running workflow (spec/swf-semantics 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow import codec, errors, failures

if TYPE_CHECKING:
    from elbflow.flow.core import commands
    from elbflow.flow.core.instance import Instance

_WORTH_RETRYING = ("OPEN_ACTIVITIES_LIMIT_EXCEEDED", "ACTIVITY_CREATION_RATE_EXCEEDED", "ACTIVITY_TYPE_DOES_NOT_EXIST")
"""Causes of ScheduleActivityTaskFailed that may pass: two limits, and a worker that has yet to register its types."""


def apply(instance: Instance, event: swf.HistoryEvent) -> None:
    """Let ``instance`` know of ``event``. Futures are resolved and signal methods called; nothing awaited runs yet."""
    handler = _HANDLERS.get(event.type)
    if handler is not None:
        handler(instance, event)


def _started(instance: Instance, event: swf.HistoryEvent) -> None:
    instance.start(event)


def _signaled(instance: Instance, event: swf.HistoryEvent) -> None:
    # Anybody may send a signal: what this code cannot read must not stop it, so it is dropped and reported.
    name = str(event.attributes.get("signalName"))
    receiver = instance.definition.signals.get(name)
    if receiver is None:
        instance.dropped_signals.append(f"{name}: no method receives it")
        return
    method, signature = receiver
    try:
        value = codec.decode(text(event, "input"), signature.input_type)
    except errors.PayloadMismatch as error:
        instance.dropped_signals.append(f"{name}: {error}")
        return
    getattr(instance.workflow, method)(value)


def _cancel_requested(instance: Instance, _event: swf.HistoryEvent) -> None:
    if not instance.cancel_requested and instance.main is not None:
        instance.main.cancel()
    instance.cancel_requested = True  # asked again, it does not disturb the cleanup


def _activity_completed(instance: Instance, event: swf.HistoryEvent) -> None:
    _activity(instance, event).complete(text(event, "result"))


def _activity_failed(instance: Instance, event: swf.HistoryEvent) -> None:
    activity = _activity(instance, event)
    activity.fail(failures.decode(activity.name, text(event, "reason"), text(event, "details")))


def _activity_timed_out(instance: Instance, event: swf.HistoryEvent) -> None:
    activity = _activity(instance, event)
    timeout_type = str(event.attributes.get("timeoutType"))
    activity.fail(errors.ActivityTimedOut(activity.name, timeout_type, text(event, "details")))


def _activity_canceled(instance: Instance, event: swf.HistoryEvent) -> None:
    # Still awaited means: nobody here asked for it, the worker gave the activity up on its own.
    activity = _activity(instance, event)
    activity.fail(errors.ActivityFailed(activity.name, "CANCELED", details=text(event, "details")))


def _schedule_failed(instance: Instance, event: swf.HistoryEvent) -> None:
    activity = instance.scheduled.pop(event.id, None)
    if activity is None:
        raise _foreign(event)
    cause = str(event.attributes.get("cause"))
    activity.fail(
        errors.ActivityFailed(
            activity.name, cause, "SWF refused to schedule it", permanent=cause not in _WORTH_RETRYING
        )
    )


def _timer_fired(instance: Instance, event: swf.HistoryEvent) -> None:
    timer = instance.timers.pop(str(event.attributes.get("timerId")), None)
    if timer is not None:  # else it only forced the next decision, or fired while it was being cancelled
        timer.fired()


def _timer_canceled(instance: Instance, event: swf.HistoryEvent) -> None:
    instance.timers.pop(str(event.attributes.get("timerId")), None)


def _start_timer_failed(instance: Instance, event: swf.HistoryEvent) -> None:
    timer = instance.timers.get(str(event.attributes.get("timerId")))
    cause = str(event.attributes.get("cause"))
    if timer is None or instance.main is None:
        return
    if cause == "TIMER_CREATION_RATE_EXCEEDED":
        timer.refused()
    elif instance.main.done():
        instance.close_retry_refused = True  # neither close nor timer: the next stimulus will try again
    elif instance.refusal is None:
        instance.refusal = errors.TimerRefused(cause)
        instance.main.cancel()


def _close_failed(instance: Instance, event: swf.HistoryEvent) -> None:
    if event.attributes.get("cause") != "UNHANDLED_DECISION":
        instance.close_refused = True


_HANDLERS: dict[str, Callable[[Instance, swf.HistoryEvent], None]] = {
    "WorkflowExecutionStarted": _started,
    "WorkflowExecutionSignaled": _signaled,
    "WorkflowExecutionCancelRequested": _cancel_requested,
    "ActivityTaskCompleted": _activity_completed,
    "ActivityTaskFailed": _activity_failed,
    "ActivityTaskTimedOut": _activity_timed_out,
    "ActivityTaskCanceled": _activity_canceled,
    "ScheduleActivityTaskFailed": _schedule_failed,
    "TimerFired": _timer_fired,
    "TimerCanceled": _timer_canceled,
    "StartTimerFailed": _start_timer_failed,
    "CompleteWorkflowExecutionFailed": _close_failed,
    "FailWorkflowExecutionFailed": _close_failed,
    "CancelWorkflowExecutionFailed": _close_failed,
    "ContinueAsNewWorkflowExecutionFailed": _close_failed,
}
"""CancelTimerFailed and RequestCancelActivityTaskFailed mean that the other side was faster: its event says so."""


def text(event: swf.HistoryEvent, name: str) -> str | None:
    value = event.attributes.get(name)
    return value if isinstance(value, str) else None


def _activity(instance: Instance, event: swf.HistoryEvent) -> commands.Activity:
    scheduled = event.attributes.get("scheduledEventId")
    activity = instance.scheduled.pop(scheduled, None) if isinstance(scheduled, int) else None
    if activity is None:
        raise _foreign(event)
    return activity


def _foreign(event: swf.HistoryEvent) -> errors.NonDeterminism:
    return errors.NonDeterminism(f"event {event.id} {event.type} is about an activity this code never asked for")
