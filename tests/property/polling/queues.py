"""Task lists that exist only in a test: tasks wait on them until a poll comes, polls until a task comes."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict, deque
from typing import Any

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling.testing import activity_task, decision_task


class QueuedPolls:
    """Implements :class:`elbflow.swf.Polls` on any clock.

    An empty poll parks ``hold_s`` seconds; with ``hold-hint`` among ``capabilities``, or the time it asks for if that
    is shorter. ``latencies_s`` are the times from :meth:`offer` to the hand-over of each task.
    """

    def __init__(self, clock: clocks.Clock, hold_s: float, capabilities: frozenset[str] = frozenset()) -> None:
        self._clock = clock
        self._hold_s = hold_s
        self._capabilities = capabilities
        self._numbers = itertools.count(1)
        self._waiting: defaultdict[swf.TaskList, deque[asyncio.Future[float]]] = defaultdict(deque)
        self._ready: defaultdict[swf.TaskList, deque[float]] = defaultdict(deque)
        self._ended_at: dict[swf.TaskList, float] = {}
        self.parked: Counter[swf.TaskList] = Counter()
        self.most_parked = 0
        self.polls = 0
        self.latencies_s: list[float] = []
        self.unpolled_s: defaultdict[swf.TaskList, float] = defaultdict(float)

    def offer(self, task_list: swf.TaskList) -> None:
        """A task is scheduled on ``task_list`` now."""
        waiting = self._waiting[task_list]
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(self._clock.monotonic())
                return
        self._ready[task_list].append(self._clock.monotonic())

    def has_task(self, task_list: swf.TaskList) -> bool:
        """Whether a task waits on ``task_list``."""
        return bool(self._ready[task_list])

    def watch(self, task_list: swf.TaskList) -> None:
        """Note from now on how long ``task_list`` is without a poll."""
        self._ended_at[task_list] = self._clock.monotonic()

    @property
    def left(self) -> int:
        """Tasks that nobody has taken."""
        return sum(map(len, self._ready.values()))

    async def poll_for_decision_task(
        self,
        task_list: swf.TaskList,
        *,
        identity: str,
        start_at_previous: bool = False,
        hold_s: float | None = None,
        hints: swf.Hints | None = None,
    ) -> swf.DecisionTask | None:
        token = await self._poll(task_list, hold_s, hints)
        return None if token is None else decision_task(token, scheduled_at=self._clock.now())

    async def poll_for_activity_task(
        self, task_list: swf.TaskList, *, identity: str, hold_s: float | None = None, hints: swf.Hints | None = None
    ) -> swf.ActivityTask | None:
        token = await self._poll(task_list, hold_s, hints)
        return None if token is None else activity_task(token)

    async def _poll(self, task_list: swf.TaskList, hold_s: float | None, hints: swf.Hints | None) -> str | None:
        now = self._clock.monotonic()
        if not self.parked[task_list]:
            gap_s = now - self._ended_at.get(task_list, now)
            self.unpolled_s[task_list] = max(self.unpolled_s[task_list], gap_s)
        self.polls += 1
        self.parked[task_list] += 1
        self.most_parked = max(self.most_parked, self.parked.total())
        try:
            offered_at = await self._task(task_list, self._hold(hold_s, hints))
        finally:
            self.parked[task_list] -= 1
            self._ended_at[task_list] = self._clock.monotonic()
        if hints is not None and self._capabilities:
            hints.backlog = len(self._ready[task_list])
        if offered_at is None:
            return None
        self.latencies_s.append(self._clock.monotonic() - offered_at)
        return f"token-{next(self._numbers)}"

    def _hold(self, wanted_s: float | None, hints: swf.Hints | None) -> float:
        if hints is not None:
            hints.capabilities = self._capabilities
        if wanted_s is None or swf.HOLD_HINT not in self._capabilities:
            return self._hold_s
        asked_s = swf.askable_hold_s(wanted_s)
        if hints is not None:
            hints.asked_s = asked_s
        return min(self._hold_s, asked_s)

    async def _task(self, task_list: swf.TaskList, hold_s: float) -> float | None:
        """When the task was offered; None when none came."""
        if self._ready[task_list]:
            return self._ready[task_list].popleft()
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[task_list].append(future)
        hold = asyncio.ensure_future(self._clock.sleep(hold_s))
        ends: tuple[asyncio.Future[Any], ...] = (future, hold)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hold.cancel()
        if not future.done():
            future.cancel()
            self._waiting[task_list].remove(future)
            return None
        return future.result()


class CountedQueues(QueuedPolls):
    """Implements :class:`elbflow.swf.Countable` as well.

    ``counted_at`` are the instants at which pending tasks were counted; ``fault`` is what every count raises while it
    is set.
    """

    def __init__(self, clock: clocks.Clock, hold_s: float, capabilities: frozenset[str] = frozenset()) -> None:
        super().__init__(clock, hold_s, capabilities)
        self.counted_at: list[float] = []
        self.fault: swf.SwfError | None = None

    async def count_pending_tasks(self, task_list: swf.TaskList) -> int:
        self.counted_at.append(self._clock.monotonic())
        if self.fault is not None:
            raise self.fault
        return len(self._ready[task_list])
