"""Plain asyncio takes the same course in a workflow as on asyncio's own loop."""

from __future__ import annotations

import asyncio
import sys

import pytest
from tests.property.flow import loops, scenarios

# Old releases of asyncio do not wake another waiter when one is cancelled, and make a task for wait_for.
OLDER = {
    "condition_wait_cancelled": "_notify" not in asyncio.Condition.wait.__code__.co_names,
    "wait_for_takes_no_turn_of_its_own": sys.version_info < (3, 12),
}


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_a_scenario_takes_the_same_course(name: str) -> None:
    found, _ = loops.on_flow(name)
    assert len(found) >= 2
    if OLDER.get(name):
        assert found == scenarios.NEWER[name]
        return
    expected = loops.on_asyncio(scenarios.SCENARIOS[name])
    assert found == expected
