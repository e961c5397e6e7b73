"""Random programs of plain asyncio: the course that asyncio takes, the same whenever garbage is collected."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.flow import loops, scenarios
from tests.property.flow.random_asyncio import Program, player, programs

from elbflow import flow

PLAYED = flow.WorkflowSignature("Played", "1", list[Any], list[str], timedelta(days=300), timedelta(seconds=60))
CALM = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@flow.workflow(PLAYED)
class Played:
    """Plays a program; the first item of its input seeds the collector's whims."""

    async def run(self, given: list[Any]) -> list[str]:
        seed, program = given
        return await scenarios.observe(player(program, seed))


@pytest.fixture(autouse=True, scope="module")
def small_heap() -> Iterator[None]:
    """Nothing but the test's own objects for the collector to look at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@CALM
@given(programs)
def test_a_program_takes_the_same_course_as_on_asyncio(program: Program) -> None:
    found, _ = loops.as_workflow(Played, PLAYED, [None, program])
    assert found == loops.on_newer_asyncio(player(program))


@CALM
@given(programs, st.integers(0, 2**32))
def test_decisions_do_not_depend_on_the_collector(program: Program, seed: int) -> None:
    calm = loops.as_workflow(Played, PLAYED, [None, program])
    whimsical = loops.as_workflow(Played, PLAYED, [seed, program])
    gc.disable()
    try:
        never = loops.as_workflow(Played, PLAYED, [None, program])
    finally:
        gc.enable()
    assert whimsical == calm
    assert never == calm
