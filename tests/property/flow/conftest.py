"""Random workflows fail on purpose; nobody wants to read about it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield
