"""I1 to I5 and I7 of spec/swf-long-poll-scale 5.1 hold under every fault schedule. (I6 is tested over real HTTP.)"""

from __future__ import annotations

import asyncio

import structlog
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.property.polling.fleet import Fleet, Plan

SEEDS = st.integers(min_value=0, max_value=2**32 - 1)


def run(plan: Plan) -> Fleet:
    """One run; its plan is the reproduction."""
    note(f"reproduce with {plan}")
    fleet = Fleet(plan)
    with structlog.testing.capture_logs():
        asyncio.run(fleet.run())
    return fleet


@settings(max_examples=300, print_blob=True)
@given(
    seed=SEEDS,
    lanes=st.integers(min_value=1, max_value=12),
    budget=st.integers(min_value=1, max_value=20),
    slots=st.integers(min_value=1, max_value=5),
    safe_abort=st.booleans(),
)
def test_few_lanes(seed: int, lanes: int, budget: int, slots: int, safe_abort: bool) -> None:
    run(Plan(seed, lanes, budget, slots, safe_abort))


@settings(max_examples=12, print_blob=True)
@given(seed=SEEDS, lanes=st.integers(min_value=200, max_value=400), budget=st.sampled_from([150, 400, 1000]))
def test_hundreds_of_lanes(seed: int, lanes: int, budget: int) -> None:
    run(Plan(seed, lanes, budget, slots=2, safe_abort=seed % 2 == 0, chaos_s=30.0))
