"""Drives the core in process: commits to memory, answers parked polls, fires deadlines as the clock moves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
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


_HANDED = 64  # answers of polls that can still be taken back


class EngineDied(Exception):
    """The engine was killed: what it was doing for this caller may or may not have been carried out."""


class EngineDown(Exception):
    """No engine runs at present."""


@dataclass(frozen=True, slots=True)
class _Doom:
    durable: bool
    polls_survive: bool


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
        self.skew_s = 0.0
        self._clock = clock
        self._rng = rng
        self._account = account
        self._limits = limits or core.Limits()
        self.hold_s = hold_s
        self._engine = core.Engine(self._limits, SECRET)
        self._waiters = itertools.count(1)
        self._parked: dict[int, _Poll] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._armed_for: float | None = None
        self._doom: _Doom | None = None
        self._down = False
        self._handed: dict[str, core.Transition] = {}

    def now(self) -> float:
        """The engine's wall clock."""
        return self._clock.now() + self.skew_s

    def call(self, operation: str, params: core.Object) -> dict[str, Any]:
        """Any operation but a fresh poll. Raises :class:`core.Fault`, :class:`EngineDied`, :class:`EngineDown`."""
        self._check()
        entropy = self._rng.randbytes(32)
        transition = self._engine.call(self._account, operation, params, self.now(), entropy)
        self._commit(transition)
        return self._answer(transition)

    async def poll(self, operation: str, params: core.Object, *, hold_s: float = math.inf) -> dict[str, Any]:
        """A long poll; raises as :meth:`call`. Cancelled, it leaves its place; a task already on its way goes back.

        ``hold_s`` may shorten the hold, never prolong it.
        """
        self._check()
        waiter = next(self._waiters)
        outcome = self._engine.poll(self._account, operation, params, self.now(), waiter)
        if isinstance(outcome, core.Transition):
            self._commit(outcome)
            return self._handed_out(outcome)
        met = await self._wait(waiter, operation, params, hold_s)
        return dict(core.empty_poll(operation)) if met is None else self._handed_out(met)

    def backlog(self, operation: str, params: core.Object) -> tuple[int, float]:
        """Tasks left on the list of a poll, and for how many seconds the next one has been. Raises as :meth:`call`."""
        self._check()
        return self._engine.backlog(self._account, operation, params, self.now())

    def take_back(self, token: str) -> bool:
        """Nobody received the task of this recent answer: un-start it. False when it is too late for that."""
        transition = self._handed.pop(token, None)
        undone = None if transition is None or self._down else self._engine.undo_handoff(transition, self.now())
        if undone is not None:
            with contextlib.suppress(EngineDied):
                self._commit(undone)
        return undone is not None

    # --- kills and clock steps -----------------------------------------------------------------------------

    @property
    def down(self) -> bool:
        """No engine runs; :meth:`restart` starts one."""
        return self._down

    def doom(self, *, durable: bool, polls_survive: bool) -> None:
        """Kill the engine with its next transition, before or after that is durable; see :meth:`kill`."""
        self._doom = _Doom(durable, polls_survive)

    @property
    def doomed(self) -> bool:
        """A kill is still to come."""
        return self._doom is not None

    def kill(self, *, polls_survive: bool) -> None:
        """The engine is gone, with all that is not durable.

        Its parked polls either move to a new engine at once, or break, and then the engine stays down.
        """
        self._doom = None
        if polls_survive:
            self.restart()
            return
        self._down = True
        self._disarm()
        parked, self._parked = self._parked, {}
        for poll in parked.values():
            if not poll.future.done():
                poll.future.set_exception(EngineDied())

    def step_wall_clock(self, by_s: float) -> None:
        """Step the engine's wall clock. It notices at its next transition, or by :meth:`look_at_the_clock`."""
        self.skew_s += by_s

    def look_at_the_clock(self) -> None:
        """Reckon anew how long it is until the next deadline."""
        self._disarm()
        self._arm()

    def restart(self) -> None:
        """Lose everything in memory, as a crash would, and load the journal. Parked polls keep their order."""
        self._down = False
        self._disarm()
        self._engine = core.Engine(self._limits, SECRET)
        self._engine.load(self.journal.rows(), self.journal.history)
        parked, self._parked = self._parked, {}
        for waiter, poll in parked.items():
            outcome = self._engine.poll(self._account, poll.operation, poll.params, self.now(), waiter)
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
        self._down = False
        self._check()

    async def _wait(self, waiter: int, operation: str, params: core.Object, most_s: float) -> core.Transition | None:
        future: asyncio.Future[core.Transition | None] = asyncio.get_running_loop().create_future()
        self._parked[waiter] = _Poll(operation, params, future)
        hold_s = max(0.0, self.hold_s + self._rng.uniform(-HOLD_JITTER_S, HOLD_JITTER_S))
        hold = self._spawn(self._end_hold(waiter, min(hold_s, most_s)))
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
        elif future.done() and not future.cancelled() and future.exception() is None:
            met = future.result()
            undone = None if met is None or self._down else self._engine.undo_handoff(met, self.now())
            if undone is not None:
                with contextlib.suppress(EngineDied):
                    self._commit(undone)

    async def _end_hold(self, waiter: int, hold_s: float) -> None:
        await self._clock.sleep(hold_s)
        poll = self._parked.pop(waiter, None)
        if poll is not None:
            self._engine.drop_waiter(waiter)
            poll.future.set_result(None)

    def _commit(self, *transitions: core.Transition) -> None:
        """All of them are durable, in their order, before the first is published."""
        doom = self._doom
        if doom is not None and transitions:
            if doom.durable:
                self._keep(transitions)
            self.kill(polls_survive=doom.polls_survive)
            raise EngineDied
        self._keep(transitions)
        for transition in transitions:
            handoffs = self._engine.publish(transition, self.now())
            self._commit(*(handoff.transition for handoff in handoffs))
            for handoff in handoffs:
                self._parked.pop(handoff.waiter).future.set_result(handoff.transition)
        self._arm()

    def _keep(self, transitions: tuple[core.Transition, ...]) -> None:
        for transition in transitions:
            self.journal.apply(transition.changes)

    def _handed_out(self, transition: core.Transition) -> dict[str, Any]:
        answer = self._answer(transition)
        self._handed[answer["taskToken"]] = transition
        if len(self._handed) > _HANDED:
            del self._handed[next(iter(self._handed))]
        return answer

    def _answer(self, transition: core.Transition) -> dict[str, Any]:
        result = transition.result
        while isinstance(result, core.Read):
            result = result.resume(self.journal.read(result.query))
        body = core.render(result)
        answer: dict[str, Any] = orjson.loads(body) if body else {}
        return answer

    def _arm(self) -> None:
        """Keep exactly one alarm, for the next deadline or the next end of a retention."""
        if self._down:
            return
        instants = [self._engine.next_deadline(), self._engine.next_purge()]
        deadline = min((instant for instant in instants if instant is not None), default=None)
        if deadline == self._armed_for:
            return
        self._disarm()
        self._armed_for = deadline
        if deadline is not None:
            self._alarm = self._spawn(self._ring(deadline))

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._armed_for = None

    async def _ring(self, deadline: float) -> None:
        await self._clock.sleep(max(0.0, deadline - self.now()))
        self._alarm = self._armed_for = None
        with contextlib.suppress(EngineDied):  # What was not durable is due again in the next engine.
            self._fire(self.now())

    def _fire(self, now: float) -> None:
        self._commit(*self._engine.expire(now))
        while (question := self._engine.retention_over(now)) is not None:
            self._commit(self._engine.purge(self.journal.read(question)))

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
        if self._down:
            raise EngineDown
