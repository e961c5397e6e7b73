"""I1 to I7 of spec/swf-long-poll-scale 5.1 hold under every fault schedule. (I6 over real HTTP: tests/integration/swf.)

A failing run prints its plan and story; the same seed sails the same course again. More of them:
``python -m tests.soak.polling_invariants``.
"""

from __future__ import annotations

import pytest
from tests.property.polling.fleet import Plan, sail

SEEDS = 2000
CHUNKS = 8


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_few_lanes(chunk: int) -> None:
    polls = tasks = 0
    for seed in range(chunk, SEEDS, CHUNKS):
        fleet = sail(Plan.small(seed))
        polls += len(fleet.polls.records)
        tasks += len(fleet.answered)
    assert polls > 20 * SEEDS / CHUNKS, "hardly anything was polled: these fleets prove nothing"
    assert tasks > SEEDS / CHUNKS


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_lanes(seed: int) -> None:
    fleet = sail(Plan.large(seed, lanes=1000))
    assert len(fleet.polls.records) > 2000


def test_ten_thousand_lanes() -> None:
    fleet = sail(Plan.large(3))
    assert len({record.task_list for record in fleet.polls.records}) > 9_990


def test_the_same_seed_sails_the_same_course() -> None:
    first, second = (sail(Plan.small(7)) for _ in range(2))
    assert first.story == second.story
    courses = [
        [(record.task_list, record.begun, record.ended) for record in one.polls.records] for one in (first, second)
    ]
    assert courses[0] == courses[1]
