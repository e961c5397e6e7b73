"""Taking a run's decisions as a worker does that keeps it in memory, and again by replaying it from the start."""

from __future__ import annotations

from elbflow import swf
from elbflow.flow import debugging, errors, guards
from elbflow.flow.core import decide, markers
from elbflow.flow.core.instance import Instance
from elbflow.flow.replaying import replay
from elbflow.flow.testing.swf_run import SwfRun

_ALL_OF_THE_FIRST = 16
_GROWTH = 1.5
"""Long histories are replayed each time they have grown by half: that compares every decision at linear cost."""


class Decider:
    """Answers the decision tasks of one run. Raises what is wrong with the workflow, non-determinism included."""

    def __init__(self, workflow_class: type, run: SwfRun) -> None:
        self._class = workflow_class
        self._swf = run
        self._live = decide.Run(workflow_class, run.execution)
        self._decisions = 0
        self._next_check = 0.0
        self._sound = True

    @property
    def instance(self) -> Instance | None:
        """The workflow as it stands in memory."""
        return self._live.instance

    def answer(self) -> None:
        """Take the waiting decision."""
        self._sound = False
        self._decide(self._swf.poll())
        self._sound = True

    def check(self) -> None:
        """Replay the whole history and hold every decision against it, unless a decision has failed already."""
        if self._sound:
            self._replay()

    def close(self) -> None:
        """Unwind the workflow without effect; its cleanup is guarded as all workflow code."""
        with debugging.passed_over(), guards.guarded():
            self._live.close()

    def _decide(self, history: tuple[swf.HistoryEvent, ...]) -> None:
        with debugging.breakpoints(), guards.guarded():
            decided = self._live.decide(history[self._live.started_id :])
        self._decisions += 1
        replayed = False
        if self._decisions <= _ALL_OF_THE_FIRST or len(history) >= self._next_check:
            self._next_check = len(history) * _GROWTH
            replayed = _draws(decided)
            if not replayed:
                self._take_again(history, decided)
        self._swf.respond(decided.decisions, decided.execution_context)
        if replayed or self._swf.closed is not None:
            self._replay()

    def _replay(self) -> None:
        with debugging.passed_over():
            replay(self._class, self._swf.events, execution=self._swf.execution)

    def _take_again(self, history: tuple[swf.HistoryEvent, ...], decided: decide.Decided) -> None:
        with debugging.passed_over(), guards.guarded():
            again = decide.decide(self._class, history, execution=self._swf.execution)
        if (again.decisions, again.execution_context) == (decided.decisions, decided.execution_context):
            return
        self._swf.respond(decided.decisions, decided.execution_context)
        self._replay()  # says more, if it differs there too
        takes = f"  first {_said(decided)}\n  then  {_said(again)}"
        raise errors.NonDeterminism(f"taken twice, the decision of event {history[-1].id} differs:\n{takes}")


def _draws(decided: decide.Decided) -> bool:
    """Whether it records what ``flow.side_effect`` gave, which only a replay of that record gives again."""
    return any(one.attributes.get("markerName") == markers.SIDE_EFFECT_MARKER for one in decided.decisions)


def _said(decided: decide.Decided) -> str:
    what = ", ".join(f"{one.type} {dict(one.attributes)}" for one in decided.decisions) or "(nothing)"
    return f"{what}; state {decided.execution_context}"
