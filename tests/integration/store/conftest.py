"""The store on PostgreSQL."""

from __future__ import annotations

import pytest
from tests.integration import postgresql
from tests.unit.store import conftest as plain

backend, db, make, vm = plain.backend, plain.db, plain.make, plain.vm


@pytest.fixture
async def empty_url(postgresql_server: postgresql.Server) -> str:
    """A database of its own, without tables."""
    return await postgresql_server.new_database()


@pytest.fixture
async def url(postgresql_server: postgresql.Server) -> str:
    return await postgresql_server.emptied_database()
