"""systemd hears what it asks for, and a process whose event loop stands still ends."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing

from elbflow_agent import supervision

HANGING = """
import asyncio, time
from elbflow_agent import supervision

async def main():
    async with supervision.watched(0.3):
        await asyncio.sleep(0.6)  # longer than it may stand still
        print("alive", flush=True)
        time.sleep(20)

asyncio.run(main())
"""


DONE = """
import asyncio, time
from elbflow_agent import supervision

async def main():
    async with supervision.watched(0.2):
        await asyncio.sleep(0)

asyncio.run(main())
time.sleep(0.5)
print("alive", flush=True)
"""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd listens. A process that it does not watch has no variable of that."""
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_systemd_is_told(systemd: socket.socket) -> None:
    supervision.ready()
    assert systemd.recv(100) == b"READY=1"


def test_a_systemd_that_is_busy_hears_that_the_process_is_ready(systemd: socket.socket) -> None:
    """Who boots starts many services at once; what did not fit into the queue was lost, and the unit never up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as others:
        others.connect(systemd.getsockname())
        with contextlib.suppress(BlockingIOError):
            while True:
                others.send(b"STATUS=x")
    heard: list[bytes] = []

    def listen() -> None:
        time.sleep(0.1)
        while b"READY=1" not in heard:
            heard.append(systemd.recv(100))

    listening = threading.Thread(target=listen)
    listening.start()
    supervision.ready()
    listening.join(10)
    assert heard[-1] == b"READY=1"


def test_systemd_is_told_in_the_abstract_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0elbflow-{os.getpid()}")
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@elbflow-{os.getpid()}")
        supervision.notify("STATUS=x")
        assert listening.recv(100) == b"STATUS=x"


@pytest.mark.parametrize(("where", "said"), [("", []), ("/nowhere/at/all", ["systemd_not_notified"])])
def test_a_systemd_that_is_not_there_does_no_harm(where: str, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", where)
    with structlog.testing.capture_logs() as logs:
        supervision.ready()
    assert [line["event"] for line in logs] == said


@pytest.mark.parametrize(
    ("process", "hears"), [(None, True), (os.getpid(), True), (1, False)], ids=["anyone", "itself", "another"]
)
async def test_signs_of_life_for_whom_systemd_watches(
    process: int | None, hears: bool, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    if process is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(process))
    async with supervision.watched(60.0):
        await asyncio.sleep(0.1)
    systemd.setblocking(False)
    heard = []
    while True:
        try:
            heard.append(systemd.recv(100))
        except BlockingIOError:
            break
    assert set(heard) == ({b"WATCHDOG=1"} if hears else set())
    assert (len(heard) > 1) == hears


async def test_a_process_that_got_no_thread_for_a_moment_is_watched_afterwards(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither systemd nor the process itself would have noticed that it hangs, or systemd would have ended it."""
    genuine, watched = faulthandler.dump_traceback_later, asyncio.Event()
    refusals = [RuntimeError("unable to start watchdog thread")] * 2

    def later(timeout_s: float, *, exit: bool) -> None:
        if refusals:
            raise refusals.pop()
        genuine(timeout_s, exit=exit)
        watched.set()

    monkeypatch.setattr(faulthandler, "dump_traceback_later", later)
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    with structlog.testing.capture_logs() as logs:
        async with supervision.watched(60.0), asyncio.timeout(10):
            await watched.wait()
    assert [line["event"] for line in logs] == ["stall_not_watched"] * 2
    systemd.setblocking(False)
    assert systemd.recv(100) == b"WATCHDOG=1"


def test_a_process_that_hangs_ends_with_its_stacks() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=15)
    assert (ended.returncode, ended.stdout) == (1, "alive\n")
    assert "Timeout (0:00:00.3" in ended.stderr
    assert 'File "<string>", line 9 in main' in ended.stderr


def test_who_is_not_watched_any_more_may_take_its_time() -> None:
    ended = subprocess.run([sys.executable, "-c", DONE], capture_output=True, text=True, timeout=15)
    assert (ended.returncode, ended.stdout) == (0, "alive\n")
