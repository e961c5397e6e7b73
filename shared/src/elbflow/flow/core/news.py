"""What each event of a history means to a running workflow (spec/swf-semantics 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from elbflow import swf
from elbflow.flow import errors
from elbflow.flow.core import forms
from elbflow.flow.core.events import text

if TYPE_CHECKING:
    from elbflow.flow.core.instance import Instance


def apply(instance: Instance, events: Iterable[swf.HistoryEvent]) -> None:
    """Let ``instance`` know of ``events``. Futures are resolved and signal methods called; nothing awaited runs yet."""
    for event in events:
        if (handler := HANDLERS.get(event.type)) is not None:
            handler(instance, event)


def _signaled(instance: Instance, event: swf.HistoryEvent) -> None:
    instance.signaled(str(event.attributes.get("signalName")), text(event, "input"))


def _cancel_requested(instance: Instance, _event: swf.HistoryEvent) -> None:
    if not instance.cancel_requested and instance.main is not None:
        instance.main.cancel()
    instance.cancel_requested = True  # asked again, it does not disturb the cleanup


def _of_entity(instance: Instance, event: swf.HistoryEvent) -> None:
    """Pass the event to the activity, child or request that it is about; a refusal may be its first and last."""
    link = event.attributes.get("scheduledEventId") or event.attributes.get("initiatedEventId") or event.id
    entity = instance.entities.pop(link, None) if isinstance(link, int) else None
    if entity is None or not isinstance(link, int):
        raise errors.NonDeterminism(f"event {event.id} {event.type} is about something this code never asked for")
    if entity.news(event):
        instance.entities[link] = entity


def _timer_fired(instance: Instance, event: swf.HistoryEvent) -> None:
    timer = instance.timers.pop(str(event.attributes.get("timerId")), None)
    if timer is not None:  # else it only forced the next decision, or fired while it was being cancelled
        timer.fire()


def _start_timer_failed(instance: Instance, event: swf.HistoryEvent) -> None:
    timer = instance.timers.get(str(event.attributes.get("timerId")))
    cause = str(event.attributes.get("cause"))
    if timer is None or instance.main is None or timer.refused(cause):
        return
    if instance.main.done():
        instance.close_retry_refused = True  # neither close nor timer: the next stimulus will try again
    else:
        instance.refuse(errors.TimerRefused(cause))


def _marker_refused(instance: Instance, event: swf.HistoryEvent) -> None:
    instance.refuse(errors.MarkerRefused(str(event.attributes.get("markerName")), str(event.attributes.get("cause"))))


def _close_refused(instance: Instance, event: swf.HistoryEvent) -> None:
    if event.attributes.get("cause") != "UNHANDLED_DECISION":
        instance.close_refused = True


_ENTITY_EVENTS = """
    ActivityTaskCompleted ActivityTaskFailed ActivityTaskTimedOut ActivityTaskCanceled ScheduleActivityTaskFailed
    StartChildWorkflowExecutionFailed ChildWorkflowExecutionStarted ChildWorkflowExecutionCompleted
    ChildWorkflowExecutionFailed ChildWorkflowExecutionTimedOut ChildWorkflowExecutionCanceled
    ChildWorkflowExecutionTerminated SignalExternalWorkflowExecutionFailed ExternalWorkflowExecutionSignaled
    RequestCancelExternalWorkflowExecutionFailed ExternalWorkflowExecutionCancelRequested
"""
HANDLERS: dict[str, Callable[[Instance, swf.HistoryEvent], None]] = {
    "WorkflowExecutionStarted": lambda instance, event: instance.start(event),
    "WorkflowExecutionSignaled": _signaled,
    "WorkflowExecutionCancelRequested": _cancel_requested,
    **dict.fromkeys(_ENTITY_EVENTS.split(), _of_entity),
    "TimerFired": _timer_fired,
    "StartTimerFailed": _start_timer_failed,
    "RecordMarkerFailed": _marker_refused,
    **dict.fromkeys(forms.REFUSED_CLOSES, _close_refused),
}
"""What is not here says nothing new: work began; the other side was faster, as its own event tells; the execution is
over; a function was called, which workflows here never do (``matching`` finds foreign ones).
"""
