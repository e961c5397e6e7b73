from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from elbflow.service import lifecycle

PROGRAM = Path(__file__).with_name("program.py")
ANSWER_S = 20.0


@dataclass
class Running:
    """A started program; ``url`` is empty when it ended before it served."""

    child: asyncio.subprocess.Process
    url: str

    async def ends(self) -> tuple[int, list[dict[str, Any]]]:
        """The exit code and all log lines; its input is closed."""
        _, errors = await asyncio.wait_for(self.child.communicate(b""), ANSWER_S)
        assert self.child.returncode is not None
        return self.child.returncode, [json.loads(line) for line in errors.splitlines()]


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    children: list[asyncio.subprocess.Process] = []

    async def start(behaviour: str, *, needed_files: int = 256, **settings: str) -> Running:
        variables = {f"ELBFLOW_{name.upper()}": value for name, value in settings.items()}
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), behaviour, str(needed_files)),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        children.append(child)
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), ANSWER_S)
        return Running(child, line.decode().strip())

    yield start
    for child in children:
        if child.returncode is None:
            child.kill()
            await child.communicate()


def named(logs: list[dict[str, Any]], event: str) -> dict[str, Any]:
    (found,) = (line for line in logs if line["event"] == event)
    return found


async def readiness(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
        return response.status


async def becomes(url: str, status: int) -> None:
    async with asyncio.timeout(ANSWER_S):
        while await readiness(url) != status:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_exits_0(start: Start, number: signal.Signals) -> None:
    running = await start("drains")
    await becomes(running.url, 200)
    running.child.send_signal(number)
    await becomes(running.url, 503)
    code, logs = await running.ends()
    assert code == lifecycle.EXIT_OK
    assert [line["event"] for line in logs] == ["starting", "admin_serving", "ready", "stopping", "stopped"]
    assert named(logs, "stopping")["source"] == number.name
    assert {line["service"] for line in logs} == {"example"}


async def test_the_second_signal_aborts(start: Start) -> None:
    running = await start("waits_for_abort")
    await becomes(running.url, 200)
    running.child.terminate()
    await becomes(running.url, 503)
    running.child.terminate()
    code, logs = await running.ends()
    assert code == lifecycle.EXIT_OK
    assert named(logs, "aborting")["source"] == "SIGTERM"


async def test_a_drain_cut_off_says_what_is_left(start: Start) -> None:
    running = await start("never_drains", drain_timeout_s="0.2")
    await becomes(running.url, 200)
    running.child.terminate()
    code, logs = await running.ends()
    assert code == lifecycle.EXIT_NOT_DRAINED
    cut_off = named(logs, "drain_timeout")
    assert cut_off["remaining"] == {"polls": 3}
    assert "main" in cut_off["task_names"]
    assert logs[-1]["event"] == "stopped"


async def test_a_main_that_cannot_be_cancelled_does_not_keep_the_process(
    start: Start,
) -> None:
    running = await start("ignores_cancellation", drain_timeout_s="0.1")
    await becomes(running.url, 200)
    running.child.terminate()
    code, logs = await running.ends()
    assert code == lifecycle.EXIT_NOT_DRAINED
    assert [line["event"] for line in logs][-2:] == ["drain_timeout", "cancel_timeout"]


async def test_a_crash_is_logged_and_exits_1(start: Start) -> None:
    code, logs = await (await start("crashes")).ends()
    assert code == lifecycle.EXIT_CRASHED
    crash = named(logs, "crashed")
    assert "RuntimeError" in crash["exception"]
    assert "0123abcd" not in crash["exception"]


async def test_a_set_up_that_cannot_be_used_is_told_in_one_line(start: Start) -> None:
    code, logs = await (await start("cannot_be_used")).ends()
    assert code == lifecycle.EXIT_UNUSABLE
    told = named(logs, "not_started")
    assert told["reason"] == "There is no profile nobody; name another one"
    assert "exception" not in told


async def test_what_fails_once_it_was_ready_is_a_crash(start: Start) -> None:
    code, logs = await (await start("cannot_go_on")).ends()
    assert code == lifecycle.EXIT_CRASHED
    assert "Permanent" in named(logs, "crashed")["exception"]


async def test_a_crash_while_draining_exits_1(start: Start) -> None:
    running = await start("crashes_while_draining")
    await becomes(running.url, 200)
    running.child.terminate()
    code, logs = await running.ends()
    assert code == lifecycle.EXIT_CRASHED
    assert "lost a task" in named(logs, "crashed")["exception"]


@pytest.mark.parametrize("behaviour", ["returns", "stops_itself"])
async def test_a_main_that_returns_exits_0(start: Start, behaviour: str) -> None:
    code, logs = await (await start(behaviour)).ends()
    assert code == lifecycle.EXIT_OK
    assert named(logs, "stopped")["code"] == 0


async def test_a_machine_with_too_few_files_is_refused_at_start(start: Start) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this machine has no limit")
    running = await start("returns", needed_files=hard + 1)
    code, logs = await running.ends()
    assert (code, running.url) == (lifecycle.EXIT_UNUSABLE, "")
    assert named(logs, "too_few_files")["needed"] == hard + 1


async def test_a_blocked_loop_is_reported_while_it_blocks(start: Start) -> None:
    running = await start("blocks", max_loop_lag_s="0.5")
    await becomes(running.url, 200)
    running.child.terminate()
    code, logs = await running.ends()
    assert code == lifecycle.EXIT_OK
    assert any(place.endswith(" blocks") for place in named(logs, "loop_blocked")["blocked_at"])
