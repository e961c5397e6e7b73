"""Holding replayed commands against recorded events: by type, id and attributes (spec/anchors 3.8 rule 3)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from elbflow import swf
from elbflow.flow import codec, difference, errors
from elbflow.flow.core import commands, events, forms

_PAYLOADS = ("input", "result", "details")


def match(
    replayed: Sequence[commands.Command],
    batch: events.Batch,
    entities: dict[int, commands.Entity],
    where: Callable[[], str],
) -> None:
    """Pair each replayed command with the event that recorded it, under whose id its entity goes into ``entities``.

    Raises :class:`errors.NonDeterminism`. ``where`` gives the source line at which the workflow waits now, for the
    case that it asked for less than recorded.
    """
    recorded = [event for event in batch.recorded or () if not events.is_patch(event)]
    for index, (command, event) in enumerate(itertools.zip_longest(replayed, recorded)):
        if command is None or event is None or not _same(command.decision, event):
            line = (command.location if command is not None else "") or where()
            asked = [command.decision for command in replayed]
            between = f"{batch.started.id}..{batch.completed_id}"
            raise errors.NonDeterminism(difference.shown(recorded, asked, index, between, line))
        if command.entity is not None:
            entities[event.id], command.entity = command.entity, None  # no circle of references: memory is free at once


def _same(decision: swf.Decision, event: swf.HistoryEvent) -> bool:
    form = forms.FORMS[decision.type]
    if event.type in form.success:
        foreign = decision.type == "ContinueAsNewWorkflowExecution" and event.type == "WorkflowExecutionCompleted"
        compared = [] if foreign else form.attributes
    elif event.type == f"{decision.type}Failed":
        compared = form.names
    else:
        return False
    asked, found = decision.attributes.get, event.attributes.get
    if list(map(asked, compared)) == list(map(found, compared)):
        return True
    return all(asked(name) == found(name) or _alike(name, asked(name), found(name)) for name in compared)


def _alike(name: str, replayed: swf.Json, recorded: swf.Json) -> bool:
    if name == "taskList" and replayed is None:
        return True  # left to the type's default; the event shows what that was
    if name == "tagList":
        return list(_sequence(replayed)) == list(_sequence(recorded))
    if name in _PAYLOADS and isinstance(replayed, str) and isinstance(recorded, str):
        # Compressed text may differ between builds of zlib; what it holds may not.
        return codec.unpack(replayed) == codec.unpack(recorded)
    return False


def _sequence(value: swf.Json) -> Sequence[swf.Json]:
    return value if isinstance(value, (list, tuple)) else ()
