from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from elbflow import service
from elbflow.service import limits


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = min(hard, 1024) - 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowered, hard))
    try:
        raised = service.ensure_files(256)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, hard)
        assert raised == min(hard, limits.CEILING)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_hard_limit_below_the_need_is_refused_with_both_numbers() -> None:
    with pytest.raises(service.TooFewFiles) as caught:
        limits.soft_target(soft=256, hard=4096, needed=5000)
    assert (caught.value.needed, caught.value.available) == (5000, 4096)
    assert "5000" in str(caught.value)
    assert "4096" in str(caught.value)


def test_a_crash_leaves_no_memory_image_unless_somebody_allows_it_again() -> None:
    """Neither of the process nor of what it starts: keys are in it."""
    code = """
import resource
from elbflow.service import limits
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
limits.forbid_cores()
print(resource.getrlimit(resource.RLIMIT_CORE))
"""
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == f"(0, {resource.getrlimit(resource.RLIMIT_CORE)[1]})"


UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "needed", "expected"),
    [
        (1024, 20_000, 256, 20_000),
        (20_000, 20_000, 256, 20_000),
        (1024, UNLIMITED, 256, limits.CEILING),
        (1024, 2**30, 256, limits.CEILING),
        (1024, 2**30, 2**21, 2**21),
        (2**22, 2**30, 256, 2**22),
        (UNLIMITED, UNLIMITED, 256, limits.CEILING),
    ],
)
def test_the_target_is_bounded_but_never_lowers_a_finite_limit(
    soft: int, hard: int, needed: int, expected: int
) -> None:
    assert limits.soft_target(soft, hard, needed) == expected
