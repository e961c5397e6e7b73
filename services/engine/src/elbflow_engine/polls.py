"""Parked polls: futures that wait for a task without a thread or a timer of their own (spec/swf-semantics 4).

A task goes to exactly one live connection. Whoever goes away before his answer is written gives the task back.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from elbflow_engine import core, driver, holds, meters

log = structlog.get_logger()

DRAIN_SPREAD_S = 0.7
DRAIN_SLICE = 200
_NO_ROOM = frozenset({"LimitExceededFault", "ThrottlingException"})


@dataclass(frozen=True, slots=True)
class HoldTime:
    """How long a poll without a task is held: uniformly ``seconds`` ± ``jitter_s``, never above 60."""

    seconds: float = 58.0
    jitter_s: float = 1.0

    def draw(self, chance: random.Random) -> float:
        spread = min(self.jitter_s, self.seconds / 2)
        return min(60.0, chance.uniform(self.seconds - spread, self.seconds + spread))


class Outcome(NamedTuple):
    """How a poll ended: with the ``started`` task's transition or, at the end of its hold, with none.

    ``met`` is the instant (:func:`meters.instant`) from which both the task was pollable and the poll was there, or at
    which the hold ended; ``waited_s`` the time parked.
    """

    started: core.Transition | None
    met: float
    waited_s: float


@dataclass(eq=False, slots=True)
class _Poll:
    """One poll under way; its ``future`` is resolved once, by whoever ends the poll first."""

    waiter: int
    account: str
    operation: str
    params: core.Object
    alive: Callable[[], bool]
    arrived: float
    ends: float
    parked_since: float | None = None
    future: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def waited_s(self) -> float:
        """Seconds since it was parked, 0 if it never was."""
        return 0.0 if self.parked_since is None else meters.instant() - self.parked_since


class Polls:
    """All polls of one engine."""

    def __init__(self, engine: driver.Driver, hold: HoldTime, meter: meters.Meters, chance: random.Random) -> None:
        self._driver = engine
        self._hold = hold
        self._meter = meter
        self._chance = chance
        self._waiters = itertools.count(1)
        self._parked: dict[int, _Poll] = {}
        self._holds = holds.Holds(self._hold_ended)
        self._draining = False
        self._owed: list[Outcome] = []
        """Tasks that could not be taken back because the journal could not be written."""
        engine.on_handoff = self._met
        engine.on_reload = self._offer_again

    @property
    def parked(self) -> int:
        """Polls that wait for a task now."""
        return len(self._parked)

    @property
    def draining(self) -> bool:
        return self._draining

    async def poll(
        self,
        account: str,
        operation: str,
        params: core.Object,
        alive: Callable[[], bool],
        *,
        hold_s: float = math.inf,
    ) -> Outcome:
        """Wait for a task until the hold ends. ``alive`` tells whether the client's connection still stands;
        ``hold_s`` may shorten the hold, never prolong it.

        The answer must be written next; when that fails, give the outcome to :meth:`take_back`. Cancelled, the poll
        leaves its place at once, and a task on its way to it goes back to its list.
        Raises :class:`core.Fault` and :class:`driver.Unavailable`.
        """
        arrived = meters.instant()
        self._check_serving()
        rank = await self._driver.enter(account, operation, params)
        durable: asyncio.Future[None] | None = None
        try:
            self._check_serving()
            ends = arrived + min(hold_s, self._hold.draw(self._chance))
            poll = _Poll(next(self._waiters), account, operation, params, alive, arrived, ends)
            durable = self._begin(poll)
        finally:
            self._driver.leave(rank, durable)
        try:
            return await poll.future
        except asyncio.CancelledError:
            self._abandon(poll)
            raise

    def take_back(self, outcome: Outcome) -> None:
        """The answer could not be written: offer its task to the next poll, if nobody can have seen it."""
        if outcome.started is None:
            return
        if self._driver.recovering:
            self._owed.append(outcome)
            return
        try:
            undone = self._driver.engine.undo_handoff(outcome.started, self._driver.now())
        except Exception as error:
            self._driver.distrust(error)
            return
        if undone is not None:
            self._meter.unstarted()
            self._driver.commit(undone).add_done_callback(lambda done: self._taken_back(done, outcome))

    def _taken_back(self, done: asyncio.Future[None], outcome: Outcome) -> None:
        if not done.cancelled() and done.exception() is not None:
            self._owed.append(outcome)

    async def drain(self) -> None:
        """Refuse new polls and answer the parked ones empty, within a second."""
        self._draining = True
        waiting = list(self._parked.values())
        log.info("engine_draining", parked_polls=len(waiting))
        slices = math.ceil(len(waiting) / DRAIN_SLICE)
        for number in range(slices):
            for poll in waiting[number * DRAIN_SLICE : (number + 1) * DRAIN_SLICE]:
                if poll.waiter in self._parked:
                    self._end_empty(poll, "empty_drain")
            if number + 1 < slices:
                await asyncio.sleep(DRAIN_SPREAD_S / slices)

    def close(self) -> None:
        """Stop the timer of the holds."""
        self._holds.close()

    def _check_serving(self) -> None:
        self._driver.check_serving()
        if self._draining:
            raise driver.Unavailable("The service is shutting down")

    def _begin(self, poll: _Poll) -> asyncio.Future[None] | None:
        """Put a new poll to the core; the commit of the task it got, if it got one."""
        try:
            return self._offer(poll)
        except core.Fault as fault:
            if fault.code in _NO_ROOM:
                self._meter.poll_ended("limit")
            raise
        except Exception as error:
            self._driver.distrust(error)
            raise

    def _offer(self, poll: _Poll, *, admitted: bool = False) -> asyncio.Future[None] | None:
        now = self._driver.now()
        outcome = self._driver.engine.poll(
            poll.account, poll.operation, poll.params, now, poll.waiter, admitted=admitted
        )
        if isinstance(outcome, core.Parked):
            self._park(poll)
            return None
        return self._start(poll, outcome, poll.arrived)

    def _park(self, poll: _Poll) -> None:
        if poll.parked_since is None:
            poll.parked_since = meters.instant()
        self._parked[poll.waiter] = poll
        self._holds.add(poll.waiter, poll.ends - meters.instant())

    def _unpark(self, waiter: int) -> _Poll:
        self._holds.discard(waiter)
        return self._parked.pop(waiter)

    def _met(self, handoff: core.Handoff, pollable_since: float) -> None:
        poll = self._unpark(handoff.waiter)
        self._start(poll, handoff.transition, max(poll.arrived, pollable_since))

    def _start(self, poll: _Poll, transition: core.Transition, met: float) -> asyncio.Future[None]:
        outcome = Outcome(transition, met, poll.waited_s())
        durable = self._driver.commit(transition)
        durable.add_done_callback(lambda done: self._started(done, poll, outcome))
        return durable

    def _started(self, done: asyncio.Future[None], poll: _Poll, outcome: Outcome) -> None:
        if done.cancelled() or done.exception() is not None:
            self._park_again(poll)
        elif poll.future.done() or not poll.alive():
            self._meter.dead_waiter()
            self.take_back(outcome)
            poll.future.cancel()
        else:
            poll.future.set_result(outcome)

    def _park_again(self, poll: _Poll) -> None:
        """The task was not started after all. The driver reloads the core and then offers this poll again."""
        if poll.future.done():
            return
        self._park(poll)
        if self._draining:
            self._end_empty(poll, "empty_drain")

    def _abandon(self, poll: _Poll) -> None:
        self._meter.poll_ended("disconnect")
        if poll.waiter in self._parked:
            self._unpark(poll.waiter)
            self._driver.engine.drop_waiter(poll.waiter)
        elif poll.future.done() and not poll.future.cancelled() and poll.future.exception() is None:
            self.take_back(poll.future.result())

    def _hold_ended(self, waiter: int) -> None:
        self._end_empty(self._parked[waiter], "empty_full")

    def _end_empty(self, poll: _Poll, result: meters.PollResult) -> None:
        self._unpark(poll.waiter)
        self._driver.engine.drop_waiter(poll.waiter)
        self._meter.poll_ended(result)
        if not poll.future.done():
            poll.future.set_result(Outcome(None, meters.instant(), poll.waited_s()))

    def _offer_again(self) -> None:
        """A new core knows none of the parked polls: register them, oldest first, behind the tasks owed to it."""
        owed, self._owed = self._owed, []
        for outcome in owed:
            self.take_back(outcome)
        for waiter in sorted(self._parked):
            poll = self._unpark(waiter)
            try:
                self._offer(poll, admitted=True)
            except core.Fault as fault:
                poll.future.set_exception(fault)
            except Exception as error:
                # Only this poll may be lost by it: the others are offered again after the next reload.
                poll.future.set_exception(error)
                self._driver.distrust(error)
                return
