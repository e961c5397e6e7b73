"""Plain asyncio takes the same course in a workflow as on asyncio's own loop."""

from __future__ import annotations

import asyncio
import sys

import pytest
from tests.property.flow import loops, scenarios

# Old releases of asyncio do not wake another waiter when one is cancelled, make a task for wait_for, and take one more
# turn for what is done already.
OLDER = {
    "condition_wait_cancelled": "_notify" not in asyncio.Condition.wait.__code__.co_names,
    "gather_takes_no_turn_for_what_is_done": sys.version_info < (3, 12),
    "wait_for_takes_no_turn_of_its_own": sys.version_info < (3, 12),
}


@pytest.mark.parametrize("name", scenarios.NEWER)
def test_newer_pythons_are_followed(name: str) -> None:
    found, _ = loops.on_flow(name)
    assert found == scenarios.NEWER[name]


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_a_scenario_takes_the_same_course(name: str) -> None:
    found, _ = loops.on_flow(name)
    assert len(found) >= 2
    if OLDER.get(name):
        assert found == scenarios.NEWER[name]
        assert found != loops.on_asyncio(scenarios.SCENARIOS[name])
        return
    expected = loops.on_newer_asyncio(scenarios.SCENARIOS[name])
    assert found == expected
