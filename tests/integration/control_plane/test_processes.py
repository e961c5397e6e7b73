"""The two services as processes: they come up, carry out a load balancer's life, and drain on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from tests.integration.control_plane.stack import KEY, Stack, stack, until

from elbflow import clock as clocks
from elbflow import swf
from elbflow.contract import names
from elbflow.contract.workflows import Outcome, OutcomeState
from elbflow_engine import embedded

READY_S = 90.0
DRAIN_S = 40.0


@asynccontextmanager
async def process(module: str, directory: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``python -m module`` once it is ready; ended with SIGKILL if it is still there."""
    log = directory / f"{module}.log"
    with log.open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        await until(lambda: _ready(started, log), READY_S)
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def _ready(started: asyncio.subprocess.Process, log: Path) -> bool:
    text = log.read_text()
    assert started.returncode is None, text
    urls = [line.split('"url":"')[1].split('"')[0] for line in text.splitlines() if '"admin_serving"' in line]
    if not urls:
        return False
    async with aiohttp.ClientSession() as session, session.get(f"{urls[0]}/readyz") as answer:
        return answer.status == 200


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    async with embedded.engine() as url:
        yield url


@pytest.mark.timeout(300)
async def test_both_services_as_processes(tmp_path: Path, endpoint: str) -> None:
    settings = swf.ClientSettings(endpoint_url=endpoint, poll_connections=64)
    async with (
        swf.Client.open(settings) as client,
        stack(tmp_path, client, clocks.SystemClock(), start=False) as running,
    ):
        environment = {
            "ELBFLOW_SWF_ENDPOINT": endpoint,
            "ELBFLOW_STORE_URL": f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}",
            "ELBFLOW_AGENT_HOST_URL": running.host.http.url,
            "ELBFLOW_AGENT_TOKEN_FILE": str(tmp_path / "token"),
            "ELBFLOW_ZONES": "a,b",
        }
        async with (
            process("elbflow_activities", tmp_path, **environment) as activities,
            process("elbflow_decider", tmp_path, **environment) as decider,
        ):
            await _life(running)
            for one in (decider, activities):
                one.send_signal(signal.SIGTERM)
            codes = await asyncio.wait_for(asyncio.gather(decider.wait(), activities.wait()), DRAIN_S)
    assert set(codes) == {0}


async def _life(running: Stack) -> None:
    assert await running.create("a") == Outcome(OutcomeState.SUCCESS)
    await running.served()
    assert await running.open_ids() == set(names.continuous_workflow_ids(KEY))
    assert await running.delete() == Outcome(OutcomeState.SUCCESS)
    assert await running.row_counts() == {}
