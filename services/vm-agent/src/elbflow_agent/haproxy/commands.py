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

from elbflow_agent.haproxy import processes


async def run(
    command: Sequence[str],
    *,
    output: int,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    own_session: bool = False,
    niceness: int = 0,
) -> int:
    """Run ``command``, which writes to the descriptor ``output``; its exit code.

    One of ``niceness``, beyond ours, gets less of a core that somebody else wants too.
    Raises TimeoutError after ``timeout_s``. Then, and after a cancellation, it has been killed.
    """

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            close_fds=False,
            start_new_session=own_session,
        )

    starting = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        _end(starting.result())
        raise
    try:
        if niceness:
            _give_way(process.pid, niceness)
        async with asyncio.timeout(timeout_s):
            await processes.exited(process.pid)
    finally:
        _end(process)
    return process.returncode


def _give_way(pid: int, niceness: int) -> None:
    with contextlib.suppress(PermissionError):  # a system that forbids it loses nothing but this courtesy
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + niceness))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it, unless it has ended, and forget it."""
    process.kill()
    process.wait()
