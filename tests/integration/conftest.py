"""What integration tests of several packages share: one PostgreSQL server, and botocore's models, read once."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from botocore import loaders
from tests.integration import postgresql


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    """Started when the first test asks for it; tests are skipped where PostgreSQL is not installed."""
    if not postgresql.is_installed():
        pytest.skip(postgresql.MISSING)
    with postgresql.running() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def models_read_once() -> Iterator[None]:
    """A process has one botocore session and reads its models once; here every test has some, and reading took longest.

    botocore itself shares what it has read among a session's clients, and changes nothing of it.
    """
    loader = loaders.Loader()
    read, services = (
        functools.cache(loaders.JSONFileLoader().load_file),
        functools.cache(loader.list_available_services),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders.JSONFileLoader, "load_file", lambda _, path: read(path))
        patch.setattr(loaders.Loader, "list_available_services", lambda _, type_name: services(type_name))
        yield
