"""Drives the core in process: commits to memory, answers parked polls, fires deadlines as the clock moves."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import orjson

from elbflow import clock as clocks
from elbflow_engine import core
from elbflow_engine.testing.memory import MemoryJournal

HOLD_S = 58.0
HOLD_JITTER_S = 1.0
SECRET = b"secret of tests"


@dataclass(slots=True, eq=False)
class _Poll:
    operation: str
    params: core.Object
    future: asyncio.Future[core.Transition | None]


class EngineHost:
    """One engine with its journal and clock. Close it with :meth:`aclose` when the test is over."""

    def __init__(
        self,
        clock: clocks.Clock,
        rng: random.Random,
        *,
        account: str = "000000000000",
        limits: core.Limits | None = None,
        hold_s: float = HOLD_S,
    ) -> None:
        self.journal = MemoryJournal()
        self._clock = clock
        self._rng = rng
        self._account = account
        self._limits = limits or core.Limits()
        self._hold_s = hold_s
        self._engine = core.Engine(self._limits, SECRET)
        self._waiters = itertools.count(1)
        self._parked: dict[int, _Poll] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._armed_for: float | None = None

    def call(self, operation: str, params: core.Object) -> dict[str, Any]:
        """Any operation but a fresh poll. Raises :class:`core.Fault`."""
        self._check()
        entropy = self._rng.randbytes(32)
        transition = self._engine.call(self._account, operation, params, self._clock.now(), entropy)
        self._commit(transition)
        return self._answer(transition)

    async def poll(self, operation: str, params: core.Object) -> dict[str, Any]:
        """A long poll. Cancelled, it leaves its place; a task already on its way goes back to its list."""
        self._check()
        waiter = next(self._waiters)
        outcome = self._engine.poll(self._account, operation, params, self._clock.now(), waiter)
        if isinstance(outcome, core.Transition):
            self._commit(outcome)
            return self._answer(outcome)
        met = await self._wait(waiter, operation, params)
        return dict(core.empty_poll(operation)) if met is None else self._answer(met)

    def restart(self) -> None:
        """Lose everything in memory, as a crash would, and load the journal. Parked polls keep their order."""
        self._engine = core.Engine(self._limits, SECRET)
        self._engine.load(self.journal.rows(), self.journal.history)
        parked, self._parked = self._parked, {}
        for waiter, poll in parked.items():
            outcome = self._engine.poll(self._account, poll.operation, poll.params, self._clock.now(), waiter)
            if isinstance(outcome, core.Transition):
                self._commit(outcome)
                poll.future.set_result(outcome)
            else:
                self._parked[waiter] = poll
        self._arm()

    def statistics(self) -> core.Statistics:
        return self._engine.statistics()

    async def aclose(self) -> None:
        """Stop the timers and answer what is parked empty. Raises what a timer may have failed with."""
        for poll in self._parked.values():
            if not poll.future.done():
                poll.future.set_result(None)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._check()

    async def _wait(self, waiter: int, operation: str, params: core.Object) -> core.Transition | None:
        future: asyncio.Future[core.Transition | None] = asyncio.get_running_loop().create_future()
        self._parked[waiter] = _Poll(operation, params, future)
        hold_s = max(0.0, self._hold_s + self._rng.uniform(-HOLD_JITTER_S, HOLD_JITTER_S))
        hold = self._spawn(self._end_hold(waiter, hold_s))
        try:
            return await future
        except asyncio.CancelledError:
            self._abandon(waiter, future)
            raise
        finally:
            hold.cancel()

    def _abandon(self, waiter: int, future: asyncio.Future[core.Transition | None]) -> None:
        if self._parked.pop(waiter, None) is not None:
            self._engine.drop_waiter(waiter)
        elif future.done() and not future.cancelled() and (met := future.result()) is not None:
            undone = self._engine.undo_handoff(met, self._clock.now())
            if undone is not None:
                self._commit(undone)

    async def _end_hold(self, waiter: int, hold_s: float) -> None:
        await self._clock.sleep(hold_s)
        poll = self._parked.pop(waiter, None)
        if poll is not None:
            self._engine.drop_waiter(waiter)
            poll.future.set_result(None)

    def _commit(self, *transitions: core.Transition) -> None:
        """All of them are durable, in their order, before the first is published."""
        for transition in transitions:
            self.journal.apply(transition.changes)
        for transition in transitions:
            handoffs = self._engine.publish(transition, self._clock.now())
            self._commit(*(handoff.transition for handoff in handoffs))
            for handoff in handoffs:
                self._parked.pop(handoff.waiter).future.set_result(handoff.transition)
        self._arm()

    def _answer(self, transition: core.Transition) -> dict[str, Any]:
        result = transition.result
        if isinstance(result, core.HistoryWindow):
            result = self._engine.fill(result, self.journal.read(result))
        body = core.render(result)
        answer: dict[str, Any] = orjson.loads(body) if body else {}
        return answer

    def _arm(self) -> None:
        """Keep exactly one alarm, for the next deadline."""
        deadline = self._engine.next_deadline()
        if deadline == self._armed_for:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._armed_for = deadline
        if deadline is not None:
            self._alarm = self._spawn(self._ring(deadline))

    async def _ring(self, deadline: float) -> None:
        await self._clock.sleep(max(0.0, deadline - self._clock.now()))
        self._alarm = self._armed_for = None
        self._commit(*self._engine.expire(self._clock.now()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()

    def _check(self) -> None:
        """A failed timer must not go unnoticed: whoever comes next gets its error."""
        if self._failure is not None:
            raise self._failure
