"""Log lines that found the pipe full, as HAProxy's workers count them (REQ-5.2)."""

from __future__ import annotations

from pathlib import Path

from elbflow_agent.haproxy import running, runtime

_ANSWER_S = 2.0


class Drops:
    """What the serving worker dropped since the last look; a new worker counts from zero."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._pid: int | None = None
        self._count = 0

    async def look(self) -> int:
        """Lines that were dropped since the last look. Raises :class:`runtime.Unreachable` or ``Unreadable``."""
        (info,) = await runtime.ask_all(self._socket, "show info", timeout_s=_ANSWER_S)
        _, pid = running.parse_info(info)
        before = self._count if pid == self._pid else 0
        self._pid, self._count = pid, count(info)
        return max(0, self._count - before)


def count(info: str) -> int:
    """``DroppedLogs`` of ``show info``."""
    for line in info.splitlines():
        name, _, value = line.partition(":")
        if name == "DroppedLogs" and value.strip().isdecimal():
            return int(value)
    return 0
