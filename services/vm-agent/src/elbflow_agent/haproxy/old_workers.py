"""Workers that reloads replaced: until when they may finish, and how many of them there may be (spec/vm-agent REQ-3.2).

An old worker keeps what was promised to its connections: the draining timeout, and the silence that the idle timeout
allows. Servers that left while it served are gone sooner; sessions with them end at their own deadline. HAProxy's
``hard-stop-after`` is only for agents that are down, so changing a promise is no reload.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog

from elbflow import clock
from elbflow_agent import meters
from elbflow_agent.haproxy import master, place, processes, running, runtime

_log = structlog.get_logger(__name__)
_FAREWELL_S = 2.0
"""A worker whose sessions have been ended, with log lines and farewells, ends within this time or is ended."""


@dataclass(slots=True)
class _Old:
    """Monotonic instants. ``departing`` are servers that were to leave when the worker was replaced."""

    ends_at: float
    departing: dict[running.ServerKey, float] = field(default_factory=dict)
    is_told: bool = False


class OldWorkers:
    """Those of one HAProxy, also ones that another agent left; one caller at a time.

    ``count`` takes their counters; what one has counted since is lost with it.
    """

    def __init__(
        self,
        process: master.Master,
        limits: place.Limits,
        count: Callable[[], Awaitable[object]],
        *,
        time: clock.Clock,
        instruments: meters.Meters,
    ) -> None:
        self._master = process
        self._most = limits.old_workers
        self._count = count
        self._clock = time
        self._meters = instruments
        self._promised_s = 0.0
        self._departing: dict[int, dict[running.ServerKey, float]] = {}
        self._known: dict[int, _Old] = {}
        self._counted = 0

    def left(self, pid: int, deadlines: Mapping[running.ServerKey, float]) -> None:
        """Worker ``pid`` is being replaced while these servers drain; their sessions end at these instants."""
        self._departing = {pid: dict(deadlines)}

    def seen(self, pids: Collection[int]) -> None:
        """These are left now."""
        self._known = {pid: old for pid, old in self._known.items() if pid in pids}
        self._meters.old_workers.inc(len(pids) - self._counted)
        self._counted = len(pids)

    async def look(self, found: running.Processes, promised_s: float) -> float | None:
        """End what is overdue, and the oldest when there are too many; seconds until something else is due, or None.

        ``promised_s`` is how long connections may take from now on. A worker was replaced under that promise or the
        one before, and has the longer of both.
        """
        longest_s, self._promised_s = max(promised_s, self._promised_s), promised_s
        self.seen(found.old_workers)
        now = self._clock.monotonic()
        for pid in found.old_workers:
            if pid not in self._known:
                ends_at = now + longest_s - found.replaced_s.get(pid, 0)
                self._known[pid] = _Old(ends_at, self._departing.pop(pid, {}))
        for number, (pid, old) in enumerate([(pid, self._known[pid]) for pid in found.old_workers]):
            await self._look_at(pid, old, now, is_too_many=number >= self._most)
        due = [at for old in self._known.values() for at in (old.ends_at, *old.departing.values())]
        return max(0.0, min(due) - now) if due else None

    async def _look_at(self, pid: int, old: _Old, now: float, *, is_too_many: bool) -> None:
        if old.is_told and old.ends_at <= now:
            await self._terminate(pid)
            old.ends_at = now + _FAREWELL_S
        elif not old.is_told and (is_too_many or old.ends_at <= now):
            old.ends_at, old.is_told, reason = now + _FAREWELL_S, True, "number" if is_too_many else "time"
            ended = await self._end(pid)
            self._meters.old_workers_ended.labels(reason).inc()
            (_log.warning if is_too_many else _log.info)("old_worker_ended", worker=pid, reason=reason, sessions=ended)
        keys = [key for key, deadline in old.departing.items() if deadline <= now]
        if keys and not old.is_told and (ended := await self._end(pid, keys)):
            _log.info("old_worker_sessions_ended", worker=pid, count=ended)
        for key in keys:
            del old.departing[key]

    async def _end(self, pid: int, servers: Collection[running.ServerKey] | None = None) -> int:
        """End the worker's sessions, or those with some servers; how many there were."""
        # A worker that stops says of its proxies that they are disabled, and will not look up their servers.
        try:
            sessions = running.parse_sessions(await self._master.old_worker_sessions(pid))
            overdue = [each for each, key in sessions.items() if servers is None or key in servers]
            await self._master.tell_old_worker(pid, *(f"shutdown session {each}" for each in overdue))
        except runtime.Unreachable:
            return 0  # it has just ended, and its sessions with it
        return len(overdue)

    async def _terminate(self, pid: int) -> None:
        """It may yet have clients that say nothing. The master is asked again, for pids are reused."""
        try:
            await self._count()
            if pid in (await self._master.processes()).old_workers:
                processes.send(pid, signal.SIGTERM)
        except runtime.Unreachable as reason:
            _log.warning("old_worker_not_ended", worker=pid, reason=str(reason))  # the next look tries again
