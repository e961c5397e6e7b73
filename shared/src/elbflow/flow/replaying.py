"""Replaying recorded histories against today's code: in tests, before a deployment, under a debugger."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from elbflow import swf
from elbflow.flow import definition, errors, guards
from elbflow.flow.core import decide
from elbflow.flow.core import events as core_events
from elbflow.flow.core.instance import Instance
from elbflow.flow.recordings import History, read_history


def replay(
    workflow_class: type, events: Sequence[swf.HistoryEvent], *, execution: swf.Execution = decide.UNKNOWN
) -> None:
    """Check that ``workflow_class`` repeats every decision of a whole history; open executions are welcome.

    Raises :class:`errors.NonDeterminism` with both columns and the source line, or the defect that the code ran into.
    ``execution`` matters to workflows that pass their own ids on.
    """
    _walk(workflow_class, events, execution, lambda number, batch: None)


# --- many of them --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one history. ``error`` is what the code ran into; ``known`` that this build has its workflow."""

    name: str
    workflow: str = ""
    version: str = ""
    events: int = 0
    decisions: int = 0
    known: bool = True
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """It was replayed, and all is as recorded."""
        return self.known and self.error is None

    @property
    def breaks(self) -> bool:
        """This build has its workflow, and would not go on with it."""
        return self.known and self.error is not None

    def __str__(self) -> str:
        what = f"{self.workflow} {self.version}".strip() or "no history"
        head = f"{self.name}: {what}, {self.events} events, {self.decisions} decisions"
        if not self.known:
            return f"{head}: no workflow of this build has that type"
        return f"{head}: same" if self.error is None else f"{head}: {type(self.error).__name__}\n{self.error}"


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts of several histories."""

    verdicts: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        """There were histories, and each one was replayed as recorded."""
        return bool(self.verdicts) and all(verdict.ok for verdict in self.verdicts)

    @property
    def failures(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if not verdict.ok)

    def __str__(self) -> str:
        lines = [str(verdict) for verdict in self.failures]
        good = len(self.verdicts) - len(lines)
        return "\n".join([f"{good} of {len(self.verdicts)} histories are replayed as recorded", *lines])


def examine(workflow_classes: Iterable[type], history: History, name: str) -> Verdict:
    """Replay one history with the class of its type."""
    try:
        kind = history.type
    except errors.PayloadMismatch as error:
        return Verdict(name, events=len(history.events), error=error)
    found = definition.by_type(workflow_classes).get(kind)
    if found is None:
        return _verdict(name, history, known=False)
    return judge(found.cls, history, name)


def judge(workflow_class: type, history: History, name: str) -> Verdict:
    """Replay one history with this class, whatever type it names."""
    try:
        replay(workflow_class, history.events, execution=history.execution)
    except Exception as error:
        return _verdict(name, history, error=error)
    return _verdict(name, history)


def _verdict(name: str, history: History, *, known: bool = True, error: Exception | None = None) -> Verdict:
    kind = history.type
    return Verdict(name, kind.name, kind.version, len(history.events), history.decisions, known=known, error=error)


def replay_histories(workflow_classes: Iterable[type], directory: pathlib.Path | str) -> Report:
    """Replay every ``*.json`` below ``directory``: for tests, ``assert report.ok, report``.

    A file that is no history, and one whose workflow is not among the classes, count as failures.
    """
    root, classes = pathlib.Path(directory), list(workflow_classes)
    return Report(tuple(_of_file(classes, path, str(path.relative_to(root))) for path in sorted(root.rglob("*.json"))))


def _of_file(classes: list[type], path: pathlib.Path, name: str) -> Verdict:
    try:
        history = read_history(path.read_text())
    except (errors.PayloadMismatch, OSError, UnicodeDecodeError) as error:
        return Verdict(name, error=error)
    return examine(classes, history, name)


# --- one decision at a time ------------------------------------------------------------------------------------------


def walk(workflow_class: type, history: History, before: Callable[[int, core_events.Batch], None]) -> None:
    """Replay, with a call before each decision, counted from 1. Raises as :func:`replay` does."""
    _walk(workflow_class, history.events, history.execution, before)


def _walk(
    workflow_class: type,
    events: Sequence[swf.HistoryEvent],
    execution: swf.Execution,
    before: Callable[[int, core_events.Batch], None],
) -> None:
    instance = Instance(definition.definition(workflow_class), execution, core_events.patches(events))
    try:
        answered = (batch for batch in core_events.batches(events) if batch.recorded is not None)
        for number, batch in enumerate(answered, start=1):
            before(number, batch)
            with guards.guarded(), instance.loop.entered():
                instance.advance(batch)
    finally:
        with guards.guarded():  # cleanup is workflow code, too
            instance.close()
