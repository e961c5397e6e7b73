"""What integration tests of several packages share: one PostgreSQL server for all tests of a pytest process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration import postgresql


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    """Started when the first test asks for it; tests are skipped where PostgreSQL is not installed."""
    if not postgresql.is_installed():
        pytest.skip(postgresql.MISSING)
    with postgresql.running() as server:
        yield server
