"""Servers that are out of service but stay members: their sessions end within the drain limit (spec/vm-agent 3.4).

New requests stay away from such a server from the first moment; this is about those that were on their way.
"""

from __future__ import annotations

from elbflow import clock
from elbflow_agent.haproxy import diff, model, running, steps


class Benched:
    """Knows since when servers of the serving worker have been out of service; one caller at a time."""

    def __init__(self, time: clock.Clock) -> None:
        self._clock = time
        self._pid: int | None = None
        self._deadlines: dict[running.ServerKey, float] = {}

    def look(
        self, actual: running.Running, wanted: model.Model, drain_s: float, *, is_new: bool
    ) -> tuple[diff.Change, ...]:
        """What has to end now. ``actual`` is from before ``wanted`` was reached; a new worker has no sessions.

        The servers of a worker that another agent left may have been out of service for long: it is not known.
        """
        return steps.at_once(self.looking(actual, wanted, drain_s, is_new=is_new))

    def looking(
        self, actual: running.Running, wanted: model.Model, drain_s: float, *, is_new: bool
    ) -> steps.Steps[tuple[diff.Change, ...]]:
        """:meth:`look` in steps; nothing is noted before the last one."""
        now, ready = self._clock.monotonic(), model.Admin.READY
        is_adopted = actual.pid != self._pid and not is_new
        before = {} if is_new else self._deadlines
        kept: dict[running.ServerKey, float] = {}
        for listener in wanted.listeners:
            backend = listener.backend
            for server in listener.servers:
                if server.admin is ready:
                    continue
                key = (backend, server.name)
                deadline, found = before.get(key), actual.servers.get(key)
                if deadline is None and found is not None and (is_adopted or found.admin is ready):
                    deadline = now + drain_s
                if deadline is not None:
                    kept[key] = deadline
            yield len(listener.servers)
        self._pid = actual.pid
        due = sorted(key for key, deadline in kept.items() if now >= deadline)
        self._deadlines = {key: deadline for key, deadline in kept.items() if now < deadline}
        return tuple(diff.ShutdownSessions(key) for key in due)

    @property
    def look_again_s(self) -> float | None:
        """When the next deadline is; None without any."""
        if not self._deadlines:
            return None
        return max(0.0, min(self._deadlines.values()) - self._clock.monotonic())
