"""Groups, timeouts and cancellations take the course in a workflow that they take on Python 3.13's own asyncio."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.flow import cancel_programs, loops, record_counting

OFTEN = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RECORDED = record_counting.read()


@pytest.mark.parametrize("part", range(10))
def test_recorded_programs_take_the_course_of_python_3_13(part: int) -> None:
    assert len(RECORDED) > 200
    for program, course in RECORDED[part::10]:
        assert loops.counted(program) == course, program


def test_the_record_is_what_asyncio_itself_makes_of_it() -> None:
    """Of Python 3.13 and newer; older ones make something else of many programs."""
    courses = [loops.on_asyncio(cancel_programs.player(program)) for program, _ in RECORDED]
    different = [program for (program, course), own in zip(RECORDED, courses, strict=True) if own != course]
    if sys.version_info >= (3, 13):
        assert different == []
    else:
        assert len(different) > 100


@OFTEN
@given(st.randoms(use_true_random=False))
def test_a_program_takes_the_same_course_as_on_asyncio(rng: random.Random) -> None:
    program = cancel_programs.draw(rng)
    assert loops.counted(program) == loops.on_newer_asyncio(cancel_programs.player(program))
