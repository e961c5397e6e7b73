"""A VM without its packet filter shows in the metrics."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from elbflow_agent import firewall


@pytest.mark.parametrize(
    ("said", "missing"), [("on\n", False), ("", False), ("off: nft is not installed\n", True), ("nonsense", True)]
)
def test_what_the_program_says(said: str, missing: bool, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text(said)
    assert firewall.is_missing(state) is missing


def test_a_program_that_does_not_run(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert firewall.is_missing(state)
    state.write_text("on\n")
    os.utime(state, (1.0, 1.0))
    assert firewall.is_missing(state)


def test_a_program_that_does_not_run_since_the_clock_went_back(tmp_path: Path) -> None:
    """What it wrote last counted as fresh until the clock was there again."""
    state = tmp_path / "state"
    state.write_text("on\n")
    later = time.time() + 3600
    os.utime(state, (later, later))
    assert firewall.is_missing(state)
