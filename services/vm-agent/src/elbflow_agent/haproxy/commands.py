"""Short-lived programs, started without holding up the loop.

The loop's own way to start a program forks this process and waits for the fork to execute: 20 to 40 ms in which no VM
of a host is served, growing with its memory and with the limit of open files. ``Popen`` that leaves descriptors alone
starts by vfork in a quarter of a millisecond. All of this process's descriptors are close-on-exec already.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from elbflow_agent.haproxy import processes


async def run(
    command: Sequence[str],
    *,
    output: int,
    errors: int | None = None,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    own_session: bool = False,
    niceness: int = 0,
) -> int:
    """Run ``command``, which writes to the descriptor ``output``, and errors to ``errors`` if given; its exit code.

    One of ``niceness``, beyond ours, gets less of a core that somebody else wants too. Linux may compare sessions
    first, and niceness within one alone; one of its ``own_session`` is of that niceness as a session too.
    Raises TimeoutError after ``timeout_s``. Then, and after a cancellation, it has been killed.
    """

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output if errors is None else errors,
            env=environment,
            close_fds=False,
            start_new_session=own_session,
        )
        if niceness:
            _give_way(process.pid, niceness, own_session=own_session)
        return process

    starting = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        _end(starting.result())
        raise
    try:
        async with asyncio.timeout(timeout_s):
            await processes.exited(process.pid)
    finally:
        _end(process)
    return process.returncode


def _give_way(pid: int, niceness: int, *, own_session: bool) -> None:
    wanted = min(19, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
    with contextlib.suppress(PermissionError):  # a system that forbids it loses nothing but this courtesy
        os.setpriority(os.PRIO_PROCESS, pid, wanted)
    with contextlib.suppress(OSError):  # or it does not group sessions, or took such an order a moment ago
        if own_session:
            Path(f"/proc/{pid}/autogroup").write_text(str(wanted))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it, unless it has ended, and forget it."""
    process.kill()
    process.wait()
