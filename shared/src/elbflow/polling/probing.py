"""Finding the lanes that have work by asking, where lanes outnumber connections (spec/swf-long-poll-scale 5.11).

``CountPending*`` answers at once and uses a short-call connection, so asking costs no lane its turn. It is rationed
hard on AWS (6 per second for the whole account), so every process has a rate of its own, and a failure stops all
asking for a while. A count that is truncated, or out of date by a moment, is good enough: it only says who is next.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling.lane import LaneState
from elbflow.tasks import Supervisor

_log = structlog.get_logger(__name__)

PROBE_WITHIN_S = 2.0
MOST_AT_ONCE = 8
_BACKOFF_BASE_S = 1.0
_BACKOFF_CAP_S = 60.0
_MAX_DOUBLINGS = 6


class Sweep:
    """Which lane to ask next, and when: the lane about which nothing has been heard for longest. Pure.

    A poll that ended without a task tells as much as a count of nothing, so both count as hearing.
    """

    def __init__(self, rate: float) -> None:
        self._gap_s = 1.0 / rate
        self._next_at = 0.0
        self._failures = 0
        self._order: list[tuple[float, int, LaneState]] = []
        self._queued: set[int] = set()

    def add(self, lane: LaneState) -> None:
        """``lane`` waits for a connection. Harmless when it is known already."""
        if lane.serial not in self._queued:
            self._queued.add(lane.serial)
            heapq.heappush(self._order, (_heard_at(lane), lane.serial, lane))

    def next_at(self) -> float | None:
        """Instant from which the next lane may be asked; None while no lane waits."""
        return self._next_at if self._order else None

    def take(self, now: float) -> LaneState | None:
        """The lane to ask at ``now``; None when it is too early, or when no lane still waits."""
        if now < self._next_at:
            return None
        lane = self._first()
        if lane is not None:
            lane.asked_at = now
            self._next_at = now + self._gap_s
        return lane

    def answered(self) -> None:
        """The endpoint answered a count."""
        self._failures = 0

    def failed(self, now: float, rng: random.Random) -> None:
        """The endpoint did not: ask nothing for a while that grows up to a minute."""
        self._failures += 1
        longest_s = min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2.0 ** min(self._failures, _MAX_DOUBLINGS))
        self._next_at = max(self._next_at, now + rng.uniform(self._gap_s, self._gap_s + longest_s))

    @property
    def failures(self) -> int:
        """Counts in a row that failed."""
        return self._failures

    def _first(self) -> LaneState | None:
        while self._order:
            heard_at, serial, lane = self._order[0]
            if heard_at == _heard_at(lane) or not may_be_asked(lane):
                heapq.heappop(self._order)
                self._queued.discard(serial)
                if may_be_asked(lane):
                    return lane
            else:
                heapq.heapreplace(self._order, (_heard_at(lane), serial, lane))
        return None


def may_be_asked(lane: LaneState) -> bool:
    """Whether a count could bring forward the turn of ``lane``: it waits, and nobody knows of work yet."""
    return lane.ticket != 0 and lane.parked == 0 and not lane.has_work


def _heard_at(lane: LaneState) -> float:
    return max(lane.unpolled_since, lane.asked_at)


@dataclass(slots=True)
class Tally:
    """How many counts were asked for, failed, and found work."""

    asked: int = 0
    failed: int = 0
    found: int = 0


class Prober:
    """Asks as :class:`Sweep` says and reports lanes with work to ``found``. Belongs to one event loop."""

    def __init__(
        self,
        service: swf.Countable,
        rate: float,
        *,
        clock: clocks.Clock,
        rng: random.Random,
        supervisor: Supervisor,
        results: Counter,
        found: Callable[[LaneState, int], None],
        wake: Callable[[], None],
    ) -> None:
        self._service = service
        self._clock = clock
        self._rng = rng
        self._supervisor = supervisor
        self._results = results
        self._found = found
        self._wake = wake
        self._asking = 0
        self.sweep = Sweep(rate)
        self.rate = rate
        self.tally = Tally()

    def step(self, now: float) -> float | None:
        """Ask what may be asked now; returns when to call again, None to wait for a lane or an answer."""
        while self._asking < MOST_AT_ONCE and (lane := self.sweep.take(now)) is not None:
            self._asking += 1
            self.tally.asked += 1
            self._start(lane)
        return self.sweep.next_at() if self._asking < MOST_AT_ONCE else None

    def _start(self, lane: LaneState) -> None:
        self._supervisor.start(
            self._ask(lane.task_list), f"probe-{lane.task_list.name}", lambda ended: self._ended(lane, ended)
        )

    def _answered(self, lane: LaneState, pending: int) -> None:
        if self.sweep.failures:
            _log.info("pending_tasks_counted_again")
        self.sweep.answered()
        self._results.labels("work" if pending else "nothing").inc()
        lane.backlog = pending
        if pending > 0 and may_be_asked(lane):
            self.tally.found += 1
            self._found(lane, pending)

    def _failed(self, error: BaseException | None) -> None:
        """One log line when counting begins to fail, and whenever it fails as no call should."""
        expected = error is None or isinstance(error, swf.SwfError | TimeoutError)
        if not expected:
            _log.error("pending_tasks_not_counted", exc_info=error)
        elif not self.sweep.failures:
            _log.warning("pending_tasks_not_counted", error=repr(error))
        self.tally.failed += 1
        self._results.labels("failed").inc()
        self.sweep.failed(self._clock.monotonic(), self._rng)

    async def _ask(self, task_list: swf.TaskList) -> int:
        async with asyncio.timeout(PROBE_WITHIN_S):
            return await self._service.count_pending_tasks(task_list)

    def _ended(self, lane: LaneState, ended: asyncio.Task[int]) -> None:
        self._asking -= 1
        error = None if ended.cancelled() else ended.exception()
        if ended.cancelled() or error is not None:
            self._failed(error)
        else:
            self._answered(lane, ended.result())
        if may_be_asked(lane):
            self.sweep.add(lane)
        self._wake()
