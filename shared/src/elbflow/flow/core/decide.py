"""The whole of deciding: a workflow class and a history in, decisions out. Pure (spec/anchors 3.8 rule 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elbflow import swf
from elbflow.flow import definition, errors
from elbflow.flow.core import commands, forms, matching
from elbflow.flow.core import events as histories
from elbflow.flow.core.instance import Instance

UNKNOWN = swf.Execution("unknown", "unknown")


class Unfit(Exception):
    """The events do not continue what a :class:`Run` knows: replay the whole history in a new one."""


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

    @property
    def closes(self) -> bool:
        """Whether it asks SWF to close the execution."""
        return any(decision.type in forms.CLOSES for decision in self.decisions)


class Run:
    """A run of a workflow that stays in memory from decision to decision (spec/swf-semantics 3.4, 3.6).

    The first :meth:`decide` replays a whole history, every further one continues where the last one ended. That holds
    only as long as SWF has accepted the last answer and no other: whoever keeps a run sees to that. After an exception
    a run is of no use. :meth:`close` it in any case.
    """

    def __init__(self, workflow_class: type, execution: swf.Execution = UNKNOWN) -> None:
        self.started_id = 0
        """The DecisionTaskStarted that was answered last."""
        self.instance: Instance | None = None
        self._definition = definition.definition(workflow_class)
        self._execution = execution
        self._cutter = histories.Cutter()
        self._given: Sequence[commands.Command] | None = None

    @property
    def task_list(self) -> str:
        """The list of decision tasks that the execution was started with."""
        return "" if self.instance is None else self.instance.task_list

    def decide(self, events: Sequence[swf.HistoryEvent]) -> Decided:
        """Answer the decision task with which ``events`` end; those that the run has seen are passed over.

        Raises :class:`Unfit` when they do not continue this run, :class:`errors.NonDeterminism` when the code does not
        repeat what history recorded, and other defects of the workflow's code: the task must stay unanswered then.
        """
        if self.instance is None:
            self.instance = Instance(self._definition, self._execution, histories.patches(events))
        elif not events or events[0].id > self.started_id + 1 or events[-1].id - events[0].id != len(events) - 1:
            raise Unfit(f"events after {self.started_id} are missing")
        seen = self.started_id
        with self.instance.loop.entered():
            for ended in self._cutter.feed([event for event in events if event.id > seen]):
                self._repeat(self.instance, ended)
            return self._answer(self.instance)

    def close(self) -> None:
        """Unwind the workflow without effect."""
        if self.instance is not None:
            self.instance.close()

    def _repeat(self, instance: Instance, batch: histories.Batch) -> None:
        """Carry on over a recorded decision: our own answer is there already and only held against the record."""
        given, self._given = self._given, None
        if given is None:
            instance.advance(batch)
        elif batch.started.id != self.started_id or any(e.type == "RecordMarkerFailed" for e in batch.recorded or ()):
            raise Unfit(f"the answer to {self.started_id} is not in the history as it was given")
        else:
            patch = histories.PATCH_MARKER  # a patch is asked for once: replay does not ask again
            told = [command for command in given if command.decision.attributes.get("markerName") != patch]
            matching.match(told, batch, instance.entities, lambda: "")

    def _answer(self, instance: Instance) -> Decided:
        batch = self._cutter.open
        if batch is None or batch.recorded is not None:
            raise errors.WorkflowDefect("the history does not end with a started decision task")
        if self._given is not None:
            raise Unfit(f"the answer to {self.started_id} is not in the history")
        instance.dropped_signals.clear()
        self._given = instance.advance(batch)
        self.started_id = batch.started.id
        batch.news = []
        return Decided(
            decisions=tuple(command.decision for command in self._given),
            execution_context=instance.state,
            dropped_signals=tuple(instance.dropped_signals),
            unobserved=tuple(repr(error) for error in instance.loop.unobserved()),
        )


def decide(workflow_class: type, events: Sequence[swf.HistoryEvent], *, execution: swf.Execution = UNKNOWN) -> Decided:
    """Replay a history that ends with DecisionTaskStarted, and answer that task.

    Raises :class:`errors.NonDeterminism` when the code does not repeat what history recorded, and other defects of the
    workflow's code. Either way the task must stay unanswered.
    """
    run = Run(workflow_class, execution)
    try:
        return run.decide(events)
    finally:
        run.close()
