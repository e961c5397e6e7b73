"""Hints for pollers that scale themselves; never needed for correctness (spec/swf-long-poll-scale 6.12)."""

from __future__ import annotations

import math
from typing import NamedTuple

MAX_HOLD_HEADER = "x-swf-max-hold"
BACKLOG_HEADER = "x-swf-backlog"
SCALE_HEADER = "x-swf-scale"
SHORTEST_HOLD_S = 5.0
LONGEST_HOLD_S = 58.0
IDLE_S = 1.0
LATE_S = 0.2
HINTS_PER_S = 10
MOST_LISTS = 10_000


class Backlog(NamedTuple):
    """What is left on a task list: tasks nobody took yet, and how long the oldest of them has been waiting."""

    tasks: int
    age_s: float

    def __str__(self) -> str:
        return f"{self.tasks};age={round(self.age_s * 1000)}"


def hold_s(header: str | None) -> float:
    """How long a client wants its poll to be held at most; what makes no sense is no wish."""
    if header is None or not (header.isascii() and header.isdigit() and len(header) <= 3):
        return math.inf
    return min(LONGEST_HOLD_S, max(SHORTEST_HOLD_S, float(header)))


class Scaling:
    """Advises at most :data:`HINTS_PER_S` polls of each list per second, so that a herd does not answer as one."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, ...], tuple[int, int]] = {}

    def headers(self, task_list: tuple[str, ...], waited_s: float, backlog: Backlog, now: float) -> dict[str, str]:
        """The hints for one poll as headers; see :meth:`advice`."""
        told = {BACKLOG_HEADER: str(backlog)}
        scale = self.advice(task_list, waited_s, backlog, now)
        return told if scale is None else told | {SCALE_HEADER: f"{scale:+d}" if scale else "0"}

    def advice(self, task_list: tuple[str, ...], waited_s: float, backlog: Backlog, now: float) -> int | None:
        """+1 for more polls, -1 for fewer, 0 for as many as there are; None for no hint.

        ``waited_s`` is the time the poll was parked, ``now`` monotonic seconds.
        """
        second = math.floor(now)
        since, given = self._given.get(task_list, (second, 0))
        if since != second:
            given = 0
        if given >= HINTS_PER_S:
            return None
        if task_list not in self._given and len(self._given) >= MOST_LISTS:
            self._given = {name: one for name, one in self._given.items() if one[0] == second}
        self._given[task_list] = (second, given + 1)
        if backlog.tasks and backlog.age_s > LATE_S:
            return 1
        return -1 if waited_s >= IDLE_S else 0
