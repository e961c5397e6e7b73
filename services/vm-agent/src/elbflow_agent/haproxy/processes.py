"""Processes that are not our children: is this pid still that HAProxy, and when does it end?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from elbflow import flag


async def exited(pid: int) -> None:
    """Return when process ``pid`` has ended, at once when there is none.

    A pidfd works for adopted processes too and costs no polling. Cancellation closes the descriptor.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = flag.Flag()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def exited_within(pid: int, timeout_s: float) -> bool:
    """Wait at most ``timeout_s`` for ``pid`` to end; whether it did."""
    try:
        async with asyncio.timeout(timeout_s):
            await exited(pid)
    except TimeoutError:
        return False
    return True


def send(pid: int, number: signal.Signals, *, group: bool = False) -> None:
    """Signal a process or its whole session; a process that is already gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def recorded(pid_file: Path, argument: Path) -> int | None:
    """The pid in ``pid_file``, if that process lives and was started with ``argument``. Blocking.

    Pids are reused, command lines with our private paths are not.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return None
    return pid if str(argument).encode() in command.split(b"\0") else None
