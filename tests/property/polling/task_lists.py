"""An endpoint with real task lists on virtual time: tasks queue, polls park in order, and the account has a rate."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field

from elbflow import clock as clocks
from elbflow import swf
from elbflow.polling.testing import activity_task


@dataclass
class TaskLists:
    """``rtt_s`` passes on the way to the endpoint and back. ``rate`` polls per second are admitted, ``burst`` at once.

    With ``hints`` it advises like our engine (spec/swf-long-poll-scale 6.12). ``longest_unpolled_s`` is by list.
    """

    clock: clocks.Clock
    hold_s: float
    rtt_s: float
    rate: float = float("inf")
    burst: float = 1e9
    hints: bool = False
    calls: list[float] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    parked: Counter[str] = field(default_factory=Counter)
    delivered: int = 0
    longest_unpolled_s: dict[str, float] = field(default_factory=dict)
    _tasks: dict[str, deque[float]] = field(default_factory=dict)
    _polls: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    _left_at: dict[str, float] = field(default_factory=dict)
    _tokens: float = 0.0
    _filled_at: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def put(self, name: str, tasks: int = 1) -> None:
        """Schedule tasks; each wakes the poll that has been parked longest."""
        queue = self._tasks.setdefault(name, deque())
        for _ in range(tasks):
            queue.append(self.clock.monotonic())
        for _ in range(tasks):
            self._wake(name)

    def pending(self, name: str) -> int:
        return len(self._tasks.get(name, ()))

    async def poll_for_activity_task(
        self, task_list: swf.TaskList, *, identity: str, hold_s: float | None = None, hints: swf.Hints | None = None
    ) -> swf.ActivityTask | None:
        name = task_list.name
        await self.clock.sleep(self.rtt_s / 2)
        self._admit()
        began = self.clock.monotonic()
        self._arrived(name)
        got = await self._park(name, self.hold_s)
        self.parked[name] -= 1
        self._left_at[name] = self.clock.monotonic()
        if self.hints and hints is not None:
            self._advise(name, hints, self.clock.monotonic() - began)
        await self.clock.sleep(self.rtt_s / 2)
        self.delivered += got
        return activity_task(f"task-{self.delivered}") if got else None

    async def poll_for_decision_task(
        self,
        task_list: swf.TaskList,
        *,
        identity: str,
        start_at_previous: bool = False,
        hold_s: float | None = None,
        hints: swf.Hints | None = None,
    ) -> swf.DecisionTask | None:
        raise AssertionError("these lists have activities only")

    def _admit(self) -> None:
        now = self.clock.monotonic()
        self.calls.append(now)
        if self.rate == float("inf"):
            return
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1.0:
            self.throttled.append(now)
            raise swf.Throttled
        self._tokens -= 1.0

    def _arrived(self, name: str) -> None:
        if not self.parked[name]:
            unpolled_s = self.clock.monotonic() - self._left_at.get(name, 0.0)
            self.longest_unpolled_s[name] = max(self.longest_unpolled_s.get(name, 0.0), unpolled_s)
        self.parked[name] += 1

    async def _park(self, name: str, for_s: float) -> bool:
        tasks = self._tasks.setdefault(name, deque())
        if not tasks:
            woken = asyncio.get_running_loop().create_future()
            self._polls.setdefault(name, deque()).append(woken)
            await asyncio.wait({woken}, timeout=for_s)
            if not woken.done():
                self._polls[name].remove(woken)
                return False
        tasks.popleft()
        return True

    def _wake(self, name: str) -> None:
        waiting = self._polls.get(name)
        if waiting:
            waiting.popleft().set_result(None)

    def _advise(self, name: str, hints: swf.Hints, waited_s: float) -> None:
        queue = self._tasks[name]
        hints.backlog = len(queue)
        hints.oldest_s = self.clock.monotonic() - queue[0] if queue else 0.0
        hints.scale = 1 if queue and hints.oldest_s > 0.2 else -1 if waited_s >= 1.0 else 0
