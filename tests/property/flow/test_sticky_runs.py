"""A run kept in memory, fed with windows, answers as a full replay does: under any program and any misfortune."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.flow.adversary import Adversary, Interpreter, Program, programs

from elbflow import flow, swf
from elbflow.flow import guards
from elbflow.flow.core import decide

seeds = st.integers(min_value=0, max_value=2**32)


@dataclass
class Deciders(Adversary):
    """Two deciders take turns as chance wills; each may remember its run, lose it, and get whole histories or news.

    ``fates`` counts what happened; ``ignorant`` deciders drop nothing when an answer is lost, so that only the run
    itself can find out.
    """

    ignorant: bool = False
    fates: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._runs: dict[int, decide.Run] = {}
        self._previous = 0

    def _decide(self) -> decide.Decided:
        whole = super()._decide()
        who = self._who = self.rng.randrange(2)
        run = self._runs.pop(who, None)
        self._fresh = None
        if run is not None and run.started_id == self._previous and self.rng.random() < 0.9:
            remembered = self._continue(run)
            if remembered is not None:
                assert (remembered.decisions, remembered.execution_context) == (
                    whole.decisions,
                    whole.execution_context,
                )
                self._fresh = run
                return whole
        elif run is not None:
            self.fates["missed"] += 1
            self._close(run)
        self._fresh = decide.Run(Interpreter, self.swf.execution)
        with guards.guarded():
            assert self._fresh.decide(self._task) == whole
        return whole

    def _continue(self, run: decide.Run) -> decide.Decided | None:
        events = self._task if self.rng.random() < 0.3 else self._task[run.started_id - 1 :]
        if self.rng.random() < 0.05:
            events = events[len(events) // 2 :]  # half of the news: never believed, unless nothing new was left out
        try:
            with guards.guarded():
                decided = run.decide(events)
        except (decide.Unfit, flow.NonDeterminism) as error:
            self.fates[type(error).__name__] += 1
            self._close(run)
            return None
        self.fates["continued"] += 1
        return decided

    def _deliver_again(self) -> None:
        self._forget()
        super()._deliver_again()

    def _answer(self) -> None:
        super()._answer()
        self._previous = self._task[-1].id
        assert self._pending is not None
        if self._fresh is not None and not (self._pending.closes and not self.ignorant):
            self._runs[self._who] = self._fresh
        else:
            self._forget()

    def _lose(self) -> None:
        super()._lose()
        if self.ignorant and self._fresh is not None:
            self._fresh.started_id, answered = self._previous, self._fresh.started_id
            assert answered > self._previous
            self._runs[self._who] = self._fresh
        else:
            self._forget()

    def _forget(self) -> None:
        if self._fresh is not None:
            self._close(self._fresh)
        self._fresh = None

    def _close(self, run: decide.Run) -> None:
        with guards.guarded():
            run.close()

    def finish(self) -> swf.HistoryEvent:
        self.drive()
        for run in self._runs.values():
            self._close(run)
        return self.swf.close_event


@settings(max_examples=300)
@given(programs, seeds)
def test_runs_in_memory_answer_as_a_full_replay_does(program: Program, seed: int) -> None:
    deciders = Deciders(program, random.Random(seed))
    deciders.finish()
    assert deciders.fates["NonDeterminism"] == 0
    flow.replay(Interpreter, deciders.swf.events, execution=deciders.swf.execution)


@settings(max_examples=100)
@given(programs, seeds)
def test_a_run_whose_answer_was_not_the_last_finds_out_by_itself(program: Program, seed: int) -> None:
    """Nobody drops runs whose answer was lost or whose close was refused: the windows never fit them."""
    deciders = Deciders(program, random.Random(seed), ignorant=True)
    deciders.finish()
    flow.replay(Interpreter, deciders.swf.events, execution=deciders.swf.execution)


def test_all_of_it_happens() -> None:
    total: Counter[str] = Counter()
    for seed in range(60):
        rng = random.Random(seed)
        program = ["seq", ["newer", ["act", 1]], ["gather", ["sleep", 3], ["retried", 2], ["poked", 1, 5]], ["act", 3]]
        deciders = Deciders(program, rng, ignorant=seed % 2 == 0)
        deciders.finish()
        total += deciders.fates
    assert total["continued"] > 100
    assert total["missed"] > 5
    assert total["Unfit"] > 5
