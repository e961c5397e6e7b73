"""A helper thread that a busy event loop cannot starve.

A loop that is never idle lets the interpreter lock go for microseconds and takes it back first; the waiter's switch
interval starts anew each time. Beside handlers of a quarter of a millisecond that left 8 to 60 commits per second
instead of 14,000, at every switch interval from 0.2 ms up (spec/perf-baselines 4, "busy event loop"). So while work
is under way the loop looks after it, and if the thread does not get on, stands still for a moment in which the thread
has the lock for itself.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import structlog

BUSY_S = 0.0001
"""A turn of the loop that took longer served others as well."""
GIFT_S = 0.001
"""The loop stands still for so long at most."""
FIRST_GAP_S = 0.001
LAST_GAP_S = 0.016
"""Between two gifts. Work that takes long waits for the disk rather than for the lock, so the gaps double."""

log = structlog.get_logger()

T = TypeVar("T")


class _Job(Generic[T]):
    """Work for the thread; ``ended`` is free when it is over, ``done`` runs on the loop after that."""

    def __init__(self, work: Callable[[], T], done: Callable[[_Job[T]], None]) -> None:
        self._work = work
        self._done = done
        self._value: list[T] = []
        self.error: BaseException | None = None
        self.ended = threading.Lock()
        self.ended.acquire()

    @property
    def value(self) -> T:
        """What the work returned, if it did not fail."""
        return self._value[0]

    def run(self) -> None:
        try:
            self._value.append(self._work())
        except BaseException as error:  # told to the caller through the job
            self.error = error
        finally:
            self.ended.release()

    def conclude(self) -> None:
        self._done(self)


class Helper:
    """One thread that does one thing after the other. Make it on the loop it serves; :meth:`close` it at the end."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._loop = asyncio.get_running_loop()
        self._jobs: deque[_Job[Any]] = deque()
        self._began = 0.0
        self._gap_s = FIRST_GAP_S
        self._watching = False
        self._busy = False

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises, in the thread. Cancelled, the work still happens."""
        future: asyncio.Future[T] = self._loop.create_future()

        def done(error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(job.value)
            else:
                future.set_exception(error)

        job = self._submit(work, done)
        self._attend()
        return await future

    def start(self, work: Callable[[], None], done: Callable[[BaseException | None], None]) -> None:
        """Do ``work`` in the thread and call ``done`` on the loop with the error it raised, or None."""
        self._submit(work, done)
        self._attend()

    def start_here(self, work: Callable[[], None], done: Callable[[BaseException | None], None]) -> None:
        """As :meth:`start` for work that waits for nothing: it is over when this returns, unless the thread is at work.

        Going to another thread and back costs more than such work itself.
        """
        if self._jobs:
            self.start(work, done)
            return
        job = _Job(work, lambda job: done(job.error))
        self._jobs.append(job)
        job.run()
        self._reap()

    def close(self) -> None:
        """Take no more work; what was handed in ends by itself."""
        self._thread.shutdown(wait=False)

    def _submit(self, work: Callable[[], T], done: Callable[[BaseException | None], None]) -> _Job[T]:
        job = _Job(work, lambda job: done(job.error))
        self._jobs.append(job)
        self._thread.submit(self._work, job)
        return job

    def _work(self, job: _Job[Any]) -> None:
        job.run()
        self._loop.call_soon_threadsafe(self._reap)

    def _reap(self) -> None:
        """Conclude what is over, in order."""
        while self._jobs and not self._jobs[0].ended.locked():
            try:
                self._jobs.popleft().conclude()
            except Exception as error:
                # Whoever waits for the next one must not wait for ever because of this one.
                log.error("helper_callback_failed", exc_info=error)

    def _attend(self) -> None:
        """Look after the thread until it has nothing to do; at once when the loop was busy the last time."""
        if self._watching:
            return
        self._watching = True
        self._gap_s = FIRST_GAP_S
        if self._busy:
            self._stand_still()
        self._began = time.perf_counter()
        self._loop.call_soon(self._look_first)

    def _look_first(self) -> None:
        """One turn after work was handed in: was the loop busy meanwhile?"""
        self._busy = time.perf_counter() - self._began > BUSY_S
        if self._busy:
            self._look()
        else:
            self._look_later()

    def _look(self) -> None:
        if self._jobs:
            self._stand_still()
        self._look_later()

    def _look_later(self) -> None:
        if not self._jobs:
            self._watching = False
            return
        self._loop.call_later(self._gap_s, self._look)
        self._gap_s = min(2 * self._gap_s, LAST_GAP_S)

    def _stand_still(self) -> None:
        """Let the thread have the interpreter lock until its present work is over or the gift is used up."""
        ended = self._jobs[0].ended
        if ended.acquire(timeout=GIFT_S):
            ended.release()
            self._reap()
