"""What the tests of the activities share."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stamina
from tests.unit.activities import world as worlds

from elbflow import store
from elbflow_activities.cloud import host_client


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store without rows; migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("template") / "store.sqlite"
    asyncio.run(store.migrate(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture(autouse=True)
def _repeated_at_once() -> Iterator[None]:
    """Requests to the agent host are repeated as often as ever, but without pauses."""
    with stamina.set_testing(True, attempts=host_client.ATTEMPTS):
        yield


@pytest.fixture
async def world(tmp_path: Path, empty_store: Path) -> AsyncIterator[worlds.World]:
    file = tmp_path / "store.sqlite"
    shutil.copyfile(empty_store, file)
    async with worlds.world(file) as made:
        yield made
