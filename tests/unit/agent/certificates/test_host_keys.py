"""Directories of keys whose VMs are no more."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import prometheus_client
import pytest

from elbflow import clock
from elbflow_agent.certificates import private
from elbflow_agent.host import credentials
from elbflow_agent.settings import HostSettings

pytestmark = pytest.mark.usefixtures("may_block")


@pytest.fixture
def chosen() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="elbflow-test-"))
    yield path
    shutil.rmtree(path)


async def left(run_dir: Path, keys_dir: Path | None) -> list[str]:
    """VMs that still have keys when a host starts; the one called ``i-1`` is still there."""
    found = private.directory(run_dir, keys_dir)
    for name in ("i-1", "i-2"):
        (found / name / "listeners").mkdir(parents=True)
    (run_dir / "i-1").mkdir(parents=True)
    nowhere = "http://127.0.0.1:1/"
    settings = HostSettings(
        agent_run_dir=run_dir,
        agent_redis_socket=run_dir / "redis.sock",
        agent_haproxy="true",
        agent_token_file=run_dir / "token",
        agent_iam_endpoint=nowhere,
        agent_sts_endpoint=nowhere,
        agent_keys_dir=keys_dir,
    )
    async with credentials.opened(settings, prometheus_client.CollectorRegistry(), clock.SystemClock()):
        names = sorted(path.name for path in found.iterdir())
    if keys_dir is None:
        shutil.rmtree(found)
    return names


async def test_keys_do_not_stay_in_shared_memory_when_the_vm_and_its_directory_are_gone(tmp_path: Path) -> None:
    assert await left(tmp_path, None) == ["i-1"]


async def test_a_directory_that_was_chosen_may_be_other_hosts_too(tmp_path: Path, chosen: Path) -> None:
    assert await left(tmp_path, chosen) == ["i-1", "i-2"]
