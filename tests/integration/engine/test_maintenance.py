"""Backup and check as an operator runs them, beside an engine that works."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
from tests.integration.engine import rig

from elbflow_engine import journal


async def command(*words: str) -> tuple[int, str]:
    """Exit code and everything said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ELBFLOW_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "elbflow_engine", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_a_backup_of_a_working_engine_is_another_engine(
    launch: rig.Launch, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    data_dir, restored = tmp_path / "engine", tmp_path / "restored"
    engine = await launch()
    wire = rig.Wire(session, engine.url)
    await wire.prepare()
    runs = {name: await wire.start(name) for name in ("one", "two")}
    token = (await wire.poll_decision())["taskToken"]
    started: list[str] = []

    async def work() -> None:
        while True:
            started.append(await wire.start(f"later-{len(started)}"))

    working = asyncio.create_task(work())
    restored.mkdir()
    code, said = await command("backup", str(restored / journal.FILE_NAME), "--data-dir", str(data_dir))
    assert (code, "examined" in said) == (0, True), said
    code, said = await command("check", "--data-dir", str(data_dir))
    assert (code, said.rstrip().endswith(": ok")) == (0, True), said
    assert not working.done()
    working.cancel()
    assert started
    await engine.kill()
    again = rig.Wire(session, (await launch(data_dir=restored)).url)
    for name, run_id in runs.items():
        assert len(await again.history(name, run_id)) >= 2
    await again.decide(token, {"decisionType": "CompleteWorkflowExecution"})
    code, said = await command("check", str(restored / journal.FILE_NAME))
    assert (code, "1 closed" in said) == (0, True), said
