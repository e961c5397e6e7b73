"""A service with a thread per request, without the threads (spec/swf-long-poll-scale 2.1, 2.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class Workers:
    """At most ``limit`` jobs are under way; the rest waits in line. A job is under way until :meth:`done` is called."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._line: deque[Job] = deque()
        self._is_starting = False
        self.busy = 0

    @property
    def queued(self) -> int:
        return len(self._line)

    def run(self, job: Job) -> None:
        """Start ``job`` now, or when a worker is free."""
        self._line.append(job)
        self._start()

    def done(self) -> None:
        """A job has ended; the next in line starts."""
        self.busy -= 1
        self._start()

    def resize(self, limit: int | None) -> None:
        """Change the number of workers; those under way go on."""
        self._limit = limit
        self._start()

    def _start(self) -> None:
        """A job may be done at once: the loop goes on with the next one, instead of calling itself for it."""
        if self._is_starting:
            return
        self._is_starting = True
        while self._line and (self._limit is None or self.busy < self._limit):
            self.busy += 1
            self._line.popleft()()
        self._is_starting = False
