"""The demo, as users run it."""

from __future__ import annotations

import subprocess

import pytest
from tests.e2e.stacks import SCRIPTS


@pytest.mark.timeout(150)
def test_demo_plays_the_tour_and_leaves_nothing_running() -> None:
    finished = subprocess.run(
        [str(SCRIPTS / "elbflow"), "demo"], capture_output=True, text=True, timeout=140, stdin=subprocess.DEVNULL
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "All steps passed" in finished.stdout
    assert "CreateLoadBalancer: " in finished.stdout
