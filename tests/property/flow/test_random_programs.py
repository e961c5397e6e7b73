"""Any program, any interleaving: every decision ever answered is repeated from its history, and workflows end."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.flow.adversary import Adversary, Interpreter, Program, World, programs

from elbflow import flow
from elbflow.flow import guards
from elbflow.flow.core import decide

seeds = st.integers(min_value=0, max_value=2**32)

calm_leaves = st.one_of(
    st.tuples(st.just("act"), st.integers(1, 9)).map(list), st.tuples(st.just("sleep"), st.integers(1, 9)).map(list)
)
calm_programs = st.recursive(
    calm_leaves,
    lambda parts: st.tuples(
        st.sampled_from(["seq", "gather", "group", "ordered"]), st.lists(parts, min_size=1, max_size=4)
    ).map(lambda drawn: [drawn[0], *drawn[1]]),
    max_leaves=12,
)


@settings(max_examples=400)
@given(programs, seeds)
def test_every_answered_decision_is_repeated_from_every_prefix(program: Program, seed: int) -> None:
    adversary = Adversary(program, random.Random(seed))
    run = adversary.drive()
    for started_id, answer in adversary.answers:
        World.now = started_id
        with guards.guarded():
            again = decide.decide(Interpreter, run.events[:started_id], execution=run.execution)
        assert again == answer
    World.now = -1  # side effects do not happen again
    flow.replay(Interpreter, run.events, execution=run.execution)


@settings(max_examples=400)
@given(programs, seeds)
def test_commands_are_such_that_swf_accepts_them(program: Program, seed: int) -> None:
    run = Adversary(program, random.Random(seed)).drive()
    causes = Counter(event.attributes.get("cause") for event in run.events if event.type.endswith("Failed"))
    assert causes["ACTIVITY_ID_ALREADY_IN_USE"] == 0
    assert causes["TIMER_ID_ALREADY_IN_USE"] == 0
    assert run.closed is not None
    if run.closed == "WorkflowExecutionCanceled":
        assert any(event.type == "WorkflowExecutionCancelRequested" for event in run.events)


@settings(max_examples=400)
@given(calm_programs, seeds)
def test_calm_programs_give_what_a_plain_reading_gives(program: Program, seed: int) -> None:
    run = Adversary(program, random.Random(seed), calm=True).drive()
    assert run.closed == "WorkflowExecutionCompleted"
    log = flow.decode(str(run.close_event.attributes["result"]), list[int])
    expected = plain(program)
    assert Counter(log) == Counter(expected)
    if ordered(program):
        assert log == expected
    scheduled = [event for event in run.events if event.type == "ActivityTaskScheduled"]
    assert len(scheduled) == len(expected)


def plain(program: Program) -> list[int]:
    """What the program logs, read from top to bottom."""
    kind, *operands = program
    if kind == "act":
        return [2 * operands[0]]
    if kind == "sleep":
        return []
    return [value for part in operands for value in plain(part)]


def ordered(program: Program) -> bool:
    """Whether nothing runs beside anything else."""
    kind, *operands = program
    if kind in ("act", "sleep"):
        return True
    return (kind == "seq" or len(operands) == 1) and all(ordered(part) for part in operands)
