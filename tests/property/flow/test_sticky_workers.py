"""Sticky workers in bad weather: never a wrong decision, no execution stuck."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.flow.adversary import POKE, Interpreter, Program, act, programs
from tests.property.flow.sticky_fleet import DOMAIN, fleet

from elbflow import flow, swf

WEATHER: dict[str, Any] = {
    "lost": 0.06,
    "duplicated": 0.05,
    "redelivered": 0.1,
    "throttled": 0.02,
    "refused": 0.02,
    "failed": 0.02,
    "noticed": 0.5,
    "max_delay_s": 0.3,
    "kill_every_s": 60.0,
}


Counts = Counter[str]


async def live(several: list[Program], seed: int, cache_bytes: int, counts: Counts) -> None:
    """A fleet's life, from the start of its executions to the close of the last; then all histories replay."""
    sticky = flow.Sticky(bytes=cache_bytes, schedule_to_start=timedelta(seconds=5), audit_share=1.0)
    async with fleet(seed, sticky, sticky, **WEATHER) as made:
        executions = await made.start(several)
        made.faults.active = True
        for _ in range(20):
            await made.clock.advance(made.rng.choice([0.01, 0.5, 3.0]))
        if seed % 3 == 0:
            await made.soon(made.deciders.pop().aclose())
        made.faults.active = seed % 2 == 0
        await made.until_closed(executions, 6_000.0)
        made.faults.active = False
        for name in ("lookups", "audits"):
            for result in ("hit", "miss", "ok", "different"):
                counts[result] += int(made.count(f"flow_cache_{name}_total", result=result))
        counts["evicted"] += int(made.count("flow_cache_evictions_total"))
        counts["stale"] += int(made.count("flow_decisions_stale_total", workflow_type="Interpreter"))
        counts["defects"] += int(made.count("flow_decision_defects_total", workflow_type="Interpreter"))
        for execution in executions:
            history = await made.soon(made.service.get_workflow_execution_history(DOMAIN, execution))
            flow.replay(Interpreter, history, execution=execution)
            counts.update(event.type for event in history)


@settings(max_examples=40)
@given(st.lists(programs, min_size=3, max_size=6), st.integers(0, 2**32), st.sampled_from([20_000, 60_000, 1 << 30]))
async def test_two_deciders_in_bad_weather(several: list[Program], seed: int, cache_bytes: int) -> None:
    counts = Counts()
    await live(several, seed, cache_bytes, counts)
    assert (counts["different"], counts["defects"], counts["WorkflowExecutionTimedOut"]) == (0, 0, 0)


async def test_all_of_it_happens() -> None:
    counts = Counts()
    branch = ["seq", ["newer", ["act", 1]], ["gather", ["sleep", 3], ["retried", 2], ["poked", 1, 5]], ["act", 3]]
    for seed in range(6):
        await live([["guarded", branch, ["guarded", branch, ["act", 5]]]] * 6, seed, 60_000, counts)
    assert (counts["different"], counts["defects"], counts["WorkflowExecutionTimedOut"]) == (0, 0, 0)
    assert counts["hit"] > 100
    for once in ("miss", "evicted", "stale", "DecisionTaskTimedOut", "ActivityTaskFailed"):
        assert counts[once] > 0, (once, counts)


PARENT = flow.WorkflowSignature("Parent", "1", int, list[str], timedelta(hours=1), timedelta(seconds=60))
CHILD = flow.WorkflowSignature("Child", "1", int, int, timedelta(hours=1), timedelta(seconds=60))
DRAWN = itertools.count(1)


@flow.workflow(CHILD)
class Child:
    """Sleeps, and continues as new twice."""

    async def run(self, left: int) -> int:
        await flow.sleep(1)
        if left:
            raise flow.continue_as_new(left - 1)
        return 7


@flow.workflow(PARENT)
class Parent:
    """A bit of everything that a run keeps in mind between decisions."""

    async def run(self, rounds: int) -> list[str]:
        seen: list[str] = []
        pokes = flow.signals(POKE)
        for number in range(rounds):
            drawn = flow.side_effect(lambda: next(DRAWN), int)
            flow.record_marker("round", f"{number} {drawn}")
            await flow.external(flow.info().workflow_id).signal(POKE, drawn)
            seen.append(f"{drawn} {await pokes.get()}")
            name = f"{flow.info().workflow_id}-child-{number}"
            grown = await flow.run_child(CHILD, 2, workflow_id=name)
            seen.append(str(grown))
            if flow.patched(f"patch-{number % 2}"):
                seen.append(str(await act(number)))
            flow.set_state(seen)
        return seen


async def test_children_messages_and_side_effects_are_remembered() -> None:
    sticky = flow.Sticky(audit_share=1.0)
    async with fleet(5, sticky, sticky, workflows=(Parent, Child)) as made:
        executions = [swf.Execution(f"p{n}", await made.soon(made.client.start(PARENT, f"p{n}", 3))) for n in range(4)]
        await made.until_closed(executions, 600.0)
        assert made.count("flow_cache_audits_total", result="different") == 0
        assert made.count("flow_cache_audits_total", result="ok") > 50
        assert made.count("flow_cache_lookups_total", result="miss") == 0
        for execution in executions:
            history = await made.soon(made.service.get_workflow_execution_history(DOMAIN, execution))
            assert history[-1].type == "WorkflowExecutionCompleted"
            flow.replay(Parent, history, execution=execution)
