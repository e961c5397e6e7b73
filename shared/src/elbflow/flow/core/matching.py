"""Holding replayed commands against recorded events: by type, id and attributes (spec/anchors 3.8 rule 3).

Time limits of activities are not compared: they tune a run and may change under it; what was decided stays the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from elbflow import swf
from elbflow.flow import codec, errors
from elbflow.flow.core import commands, events


@dataclass(frozen=True, slots=True)
class _Form:
    """Events that record a decision type, and the attributes that must be equal; the first ones name the entity."""

    success: tuple[str, ...]
    failure: str
    names: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()


_FORMS = {
    "ScheduleActivityTask": _Form(
        ("ActivityTaskScheduled",), "ScheduleActivityTaskFailed", ("activityType", "activityId"), ("input", "taskList")
    ),
    "RequestCancelActivityTask": _Form(
        ("ActivityTaskCancelRequested",), "RequestCancelActivityTaskFailed", ("activityId",)
    ),
    "StartTimer": _Form(("TimerStarted",), "StartTimerFailed", ("timerId",), ("startToFireTimeout",)),
    "CancelTimer": _Form(("TimerCanceled",), "CancelTimerFailed", ("timerId",)),
    "RecordMarker": _Form(("MarkerRecorded",), "RecordMarkerFailed", ("markerName",), ("details",)),
    "CompleteWorkflowExecution": _Form(
        ("WorkflowExecutionCompleted",), "CompleteWorkflowExecutionFailed", (), ("result",)
    ),
    "FailWorkflowExecution": _Form(
        ("WorkflowExecutionFailed",), "FailWorkflowExecutionFailed", (), ("reason", "details")
    ),
    "CancelWorkflowExecution": _Form(("WorkflowExecutionCanceled",), "CancelWorkflowExecutionFailed", (), ("details",)),
    # Eucalyptus records a completion where AWS records the continuation (spec/swf-semantics 9.1).
    "ContinueAsNewWorkflowExecution": _Form(
        ("WorkflowExecutionContinuedAsNew", "WorkflowExecutionCompleted"),
        "ContinueAsNewWorkflowExecutionFailed",
        (),
        ("input", "tagList"),
    ),
}
_PAYLOADS = ("input", "result")


def match(replayed: Sequence[commands.Command], batch: events.Batch, where: Callable[[], str]) -> None:
    """Pair each replayed command with the event that recorded it. Raises :class:`errors.NonDeterminism`.

    ``where`` gives the source line at which the workflow waits now, for the case that it asked for less than recorded.
    """
    recorded = [event for event in batch.recorded or () if not events.is_patch(event)]
    for index, (command, event) in enumerate(itertools.zip_longest(replayed, recorded)):
        if command is None or event is None or not _same(command.decision, event):
            line = where() if command is None else command.location
            raise errors.NonDeterminism(_difference(replayed, recorded, index, batch, line))
        if command.recorded is not None:
            command.recorded(event)


def _same(decision: swf.Decision, event: swf.HistoryEvent) -> bool:
    form = _FORMS[decision.type]
    if event.type == form.failure:
        compared = form.names
    elif event.type in form.success:
        foreign = decision.type == "ContinueAsNewWorkflowExecution" and event.type == "WorkflowExecutionCompleted"
        compared = () if foreign else form.names + form.attributes
    else:
        return False
    return all(_equal(name, decision.attributes.get(name), event.attributes.get(name)) for name in compared)


def _equal(name: str, replayed: swf.Json, recorded: swf.Json) -> bool:
    if name == "taskList" and replayed is None:
        return True  # left to the type's default; the event shows what that was
    if name == "tagList":
        return list(_sequence(replayed)) == list(_sequence(recorded))
    if replayed == recorded:
        return True
    if name in _PAYLOADS and isinstance(replayed, str) and isinstance(recorded, str):
        # Compressed text may differ between builds of zlib; what it holds may not.
        return codec.unpack(replayed) == codec.unpack(recorded)
    return False


def _sequence(value: swf.Json) -> Sequence[swf.Json]:
    return value if isinstance(value, (list, tuple)) else ()


def _difference(
    replayed: Sequence[commands.Command],
    recorded: Sequence[swf.HistoryEvent],
    wrong: int,
    batch: events.Batch,
    line: str,
) -> str:
    left = [_show(event.type, event.attributes) for event in recorded]
    right = [_show(command.decision.type, command.decision.attributes) for command in replayed]
    rows = [
        f"{'!' if index == wrong else ' '} {a:<58} | {b}"
        for index, (a, b) in enumerate(itertools.zip_longest(left, right, fillvalue="(nothing)"))
        if wrong - 3 <= index <= wrong + 3
    ]
    head = f"the decision of events {batch.started.id}..{batch.completed_id} differs at command {wrong + 1}"
    return "\n".join([head, f"  {'recorded in history':<58} | replayed by the code", *rows, f"at {line}"])


def _show(kind: str, attributes: swf.Attributes) -> str:
    form = next((form for name, form in _FORMS.items() if kind in (name, form.failure, *form.success)), None)
    parts = [kind]
    if form is not None:
        parts += [_text(attributes[name]) for name in form.names + form.attributes if attributes.get(name) is not None]
    text = " ".join(parts)
    return text if len(text) <= 120 else text[:117] + "..."


def _text(value: swf.Json) -> str:
    if isinstance(value, dict):
        return "/".join(str(member) for member in value.values())
    return str(value)
