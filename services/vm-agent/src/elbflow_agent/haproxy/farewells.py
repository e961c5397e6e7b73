"""The end of what a HAProxy serves yet that was told to stop (spec/vm-agent-data-plane 3.4)."""

from __future__ import annotations

from elbflow_agent.haproxy import master, running, runtime


def workers(found: running.Processes) -> tuple[int, ...]:
    """All that serve anything yet."""
    return found.old_workers if found.worker is None else (*found.old_workers, found.worker)


async def end_sessions(process: master.Master) -> int:
    """End all sessions of all workers; how many there were. HAProxy counts them and writes their lines as ever."""
    try:
        left = workers(await process.processes())
    except runtime.Unreachable:
        return 0  # it has ended, and its sessions with it
    return sum([await _end(process, pid) for pid in left])


async def _end(process: master.Master, pid: int) -> int:
    try:
        sessions = running.parse_sessions(await process.old_worker_sessions(pid))
        await process.tell_old_worker(pid, *(f"shutdown session {each}" for each in sessions))
    except runtime.Unreachable:
        return 0
    return len(sessions)
