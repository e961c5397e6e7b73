"""The whole of deciding: a workflow class and a history in, decisions out. Pure (spec/anchors 3.8 rule 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elbflow import swf
from elbflow.flow import definition, errors
from elbflow.flow.core import events as histories
from elbflow.flow.core.instance import Instance

UNKNOWN = swf.Execution("unknown", "unknown")


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to a decision task, and what is worth a log line.

    ``dropped_signals`` are signals that the workflow cannot receive; ``unobserved`` are errors of background tasks
    that nobody awaited.
    """

    decisions: tuple[swf.Decision, ...]
    execution_context: str | None = None
    dropped_signals: tuple[str, ...] = ()
    unobserved: tuple[str, ...] = ()


def decide(workflow_class: type, events: Sequence[swf.HistoryEvent], *, execution: swf.Execution = UNKNOWN) -> Decided:
    """Replay a history that ends with DecisionTaskStarted, and answer that task.

    Raises :class:`errors.NonDeterminism` when the code does not repeat what history recorded, and other defects of the
    workflow's code. Either way the task must stay unanswered.
    """
    instance = Instance(definition.definition(workflow_class), execution, histories.patches(events))
    try:
        answered = True
        for batch in histories.batches(events):
            dropped = len(instance.dropped_signals)
            taken = instance.advance(batch)
            answered = batch.recorded is not None
        if answered:
            raise errors.WorkflowDefect("the history does not end with a started decision task")
        return Decided(
            decisions=tuple(command.decision for command in taken),
            execution_context=instance.state,
            dropped_signals=tuple(instance.dropped_signals[dropped:]),
            unobserved=tuple(repr(error) for error in instance.loop.unobserved()),
        )
    finally:
        instance.close()


def check(workflow_class: type, events: Sequence[swf.HistoryEvent], *, execution: swf.Execution = UNKNOWN) -> None:
    """Replay every answered decision of a history. Raises like :func:`decide`; returns when all is as recorded."""
    instance = Instance(definition.definition(workflow_class), execution, histories.patches(events))
    try:
        for batch in histories.batches(events):
            if batch.recorded is not None:
                instance.advance(batch)
    finally:
        instance.close()
