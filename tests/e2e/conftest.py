"""A real one-machine stack per test module, started as users start it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.stacks import START_S, RunningStack

STARTED_S = START_S + 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(STARTED_S))  # the first of a module starts the stack


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """``elbflow up`` on free ports; its logs are kept when a test failed to stop it."""
    data_dir = Path(tempfile.mkdtemp(prefix="elbflow-e2e-"))
    running = RunningStack(data_dir)
    try:
        running.start()
        yield running
    finally:
        running.close()
    shutil.rmtree(data_dir)
