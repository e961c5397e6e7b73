from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.integration.engine import rig

from elbflow_engine import embedded


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as opened:
        yield opened


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    async with embedded.engine(hold_s=20) as url:
        yield url


@pytest.fixture
async def wire(session: aiohttp.ClientSession, endpoint: str) -> rig.Wire:
    return rig.Wire(session, endpoint)


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[rig.Launch]:
    running: list[rig.EngineProcess] = []

    async def start(*options: str, data_dir: Path | None = None) -> rig.EngineProcess:
        chosen = data_dir or tmp_path / "engine"
        command = [sys.executable, "-m", "elbflow_engine", "serve", "--port", "0", "--admin-port", "0"]
        command += ["--max-polls", "500", "--data-dir", str(chosen), *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ELBFLOW_")}
        process = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, env=environment, limit=2**20
        )
        engine = rig.EngineProcess(process)
        running.append(engine)
        await engine.serving()
        return engine

    yield start
    for engine in running:
        with contextlib.suppress(ProcessLookupError):
            await engine.kill()
