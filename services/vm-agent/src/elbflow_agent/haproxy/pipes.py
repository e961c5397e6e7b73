"""Whether the HAProxy that serves can write log lines at all."""

from __future__ import annotations

from elbflow_agent.haproxy import logs, place, processes


def mute(where: place.Place) -> int | None:
    """Pid of a running HAProxy that was started without the pipe; None when it has it or none runs. Blocking."""
    pid = processes.recorded(where.pid_file, where.configuration)
    return pid if pid is not None and not logs.connected(pid, where.log_pipe) else None
