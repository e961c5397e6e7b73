"""Sessions that departed servers still have in workers that a reload replaced end at their deadline too (REQ-3.2).

The serving worker does not know these servers any more. What else an old worker has to finish, it may, until HAProxy's
``hard-stop-after``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import structlog

from elbflow import clock
from elbflow_agent.haproxy import master, running, runtime

_log = structlog.get_logger(__name__)


class OldWorkers:
    """The deadlines of departed servers, by the worker that was left with them; one caller at a time."""

    def __init__(self, process: master.Master, time: clock.Clock) -> None:
        self._master = process
        self._clock = time
        self._deadlines: dict[int, dict[running.ServerKey, float]] = {}

    def left(self, pid: int, deadlines: Mapping[running.ServerKey, float]) -> None:
        """Worker ``pid`` was replaced while these servers drained; their sessions end at these monotonic instants."""
        if deadlines:
            self._deadlines[pid] = dict(deadlines)

    async def end_overdue(self) -> float | None:
        """End what is overdue; seconds until something else is, None when nothing will be."""
        if not self._deadlines:
            return None
        alive = (await self._master.processes()).old_workers
        self._deadlines = {pid: due for pid, due in self._deadlines.items() if pid in alive}
        now = self._clock.monotonic()
        for pid, due in self._deadlines.items():
            keys = [key for key, deadline in due.items() if deadline <= now]
            if keys:
                await self._end(pid, keys)
            for key in keys:
                del due[key]
        left = [deadline for due in self._deadlines.values() for deadline in due.values()]
        return min(left) - now if left else None

    async def _end(self, pid: int, keys: Collection[running.ServerKey]) -> None:
        # A worker that stops says of its proxies that they are disabled, and will not look up their servers.
        try:
            sessions = running.parse_sessions(await self._master.old_worker_sessions(pid))
            overdue = [each for each, key in sessions.items() if key in keys]
            for session in overdue:
                await self._master.tell_old_worker(pid, f"shutdown session {session}")
        except runtime.Unreachable:
            return  # it has just ended, and its sessions with it
        if overdue:
            _log.info("old_worker_sessions_ended", worker=pid, count=len(overdue))
