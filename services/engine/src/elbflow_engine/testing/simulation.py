"""The bare core on virtual time: no event loop, no wire, an event heap in their place.

A script (a decider, a worker, an operator) calls :meth:`Simulation.call`, parks polls with :meth:`Simulation.poll` and
asks to be woken with :meth:`Simulation.at`. Everything happens in the order of virtual time; whoever draws from the
simulation's ``rng`` only is repeated exactly by the same seed.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from elbflow_engine import core
from elbflow_engine.testing.host import EngineDied
from elbflow_engine.testing.memory import MemoryJournal

ACCOUNT = "000000000000"
START = 1_700_000_000.0

_SECRET = b"secret of simulations"

Action: TypeAlias = Callable[[], object]
Receive: TypeAlias = Callable[[core.Transition], None]


@dataclass(frozen=True, slots=True)
class _Poll:
    operation: str
    params: core.Object
    receive: Receive


@dataclass(slots=True)
class Tally:
    """What happened so far. ``latest_s``: the longest time a deadline fired after its instant."""

    transitions: int = 0
    events: int = 0
    fired: int = 0
    purged: int = 0
    kills: int = 0
    steps: int = 0
    latest_s: float = 0.0


class Simulation:
    """One engine, its journal, the time, and who waits for it.

    ``now`` is the time of the world; the engine's wall clock differs from it by ``skew_s`` (see :meth:`step_clock`).
    ``on_closed`` is told of each execution that closes, once that is durable.
    """

    def __init__(self, rng: random.Random, limits: core.Limits | None = None, *, start: float = START) -> None:
        self.rng = rng
        self.now = start
        self.skew_s = 0.0
        self.journal = MemoryJournal()
        self.tally = Tally()
        self.on_closed: Callable[[core.Closed], None] | None = None
        self._limits = limits or core.Limits()
        self._engine = core.Engine(self._limits, _SECRET)
        self._agenda: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._polls: dict[int, _Poll] = {}
        self._waiters = itertools.count(1)
        self._dies: str | None = None
        self._lenient_until = 0.0

    @property
    def wall(self) -> float:
        """What the engine takes for the time."""
        return self.now + self.skew_s

    @property
    def parked(self) -> int:
        return len(self._polls)

    def statistics(self) -> core.Statistics:
        return self._engine.statistics()

    def open_ids(self) -> list[int]:
        """The open executions, by the id the journal knows them by."""
        return [int(row.key) for row in self.journal.rows() if row.table == "execution"]

    # --- what scripts do -----------------------------------------------------------------------------------

    def at(self, delay_s: float, action: Action) -> None:
        """Do ``action`` after ``delay_s`` seconds."""
        heapq.heappush(self._agenda, (self.now + delay_s, next(self._order), action))

    def call(self, operation: str, params: core.Object) -> core.Page:
        """Any operation but a fresh poll. Raises :class:`core.Fault` or :class:`EngineDied`."""
        transition = self._engine.call(ACCOUNT, operation, params, self.wall, self.rng.randbytes(32))
        self._commit([transition])
        return self.answer(transition)

    def poll(self, operation: str, params: core.Object, receive: Receive) -> int:
        """Poll without end: ``receive`` gets the transition that brings a task, now or later. Returns the waiter."""
        waiter = next(self._waiters)
        self._park(waiter, _Poll(operation, params, receive))
        return waiter

    def drop(self, waiter: int) -> bool:
        """The client of a parked poll vanishes; False when its task is on its way already."""
        self._engine.drop_waiter(waiter)
        return self._polls.pop(waiter, None) is not None

    def take_back(self, transition: core.Transition) -> bool:
        """Nobody received this task: un-start it. False when it is too late for that."""
        undone = self._engine.undo_handoff(transition, self.wall)
        if undone is not None:
            self._commit([undone])
        return undone is not None

    def answer(self, transition: core.Transition) -> core.Page:
        """The answer in the core's own form: JSON-like members, or a page of a history."""
        result = transition.result
        while isinstance(result, core.Read):
            result = result.resume(self.journal.read(result.query))
        return result

    # --- what goes wrong -----------------------------------------------------------------------------------

    def kill(self, *, durable: bool) -> None:
        """The engine dies with its next transition: before or after that is durable.

        A new engine is loaded from the journal at once; parked polls break and come back within two seconds.
        """
        self._dies = "after" if durable else "before"

    def step_clock(self, by_s: float) -> None:
        """Step the engine's wall clock forwards or backwards."""
        self.skew_s += by_s
        self.tally.steps += 1
        self._lenient_until = self.now + abs(by_s) + 1

    # --- time ----------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""
        end = self.now + seconds
        while True:
            instant, due = self._next()
            if instant > end:
                break
            self.now = max(self.now, instant)
            if due:
                self._fire()
            else:
                heapq.heappop(self._agenda)[2]()
        self.now = end

    def _next(self) -> tuple[float, bool]:
        """The next instant at which something happens, and whether it is the engine's."""
        agenda = self._agenda[0][0] if self._agenda else float("inf")
        instants = [at for at in (self._engine.earliest_deadline(), self._engine.next_purge()) if at is not None]
        due = min(instants, default=float("inf")) - self.skew_s
        return (due, True) if due <= agenda else (agenda, False)

    def _fire(self) -> None:
        wall = self.wall
        try:
            fired = self._engine.expire(wall)
            self._commit(fired)
            self.tally.fired += len(fired)
            for transition in fired:
                assert transition.due is not None
                assert transition.due <= wall + 0.0005, "a deadline fired early"
                if self.now > self._lenient_until:
                    self.tally.latest_s = max(self.tally.latest_s, wall - transition.due)
            while (question := self._engine.retention_over(wall)) is not None:
                deleted = self._engine.purge(self.journal.read(question))
                self._commit([deleted])
                self.tally.purged += sum(_removes(change) for change in deleted.changes)
        except EngineDied:
            return  # What was not durable is due again in the new engine.

    # --- the engine's shell --------------------------------------------------------------------------------

    def _park(self, waiter: int, poll: _Poll) -> None:
        outcome = self._engine.poll(ACCOUNT, poll.operation, poll.params, self.wall, waiter)
        if isinstance(outcome, core.Parked):
            self._polls[waiter] = poll
            return
        try:
            self._commit([outcome])
        except EngineDied:
            self._come_back(waiter, poll)
            return
        poll.receive(outcome)

    def _come_back(self, waiter: int, poll: _Poll) -> None:
        self.at(self.rng.uniform(0.0, 2.0), lambda: self._park(waiter, poll))

    def _commit(self, transitions: list[core.Transition]) -> None:
        """Make transitions durable in their order, publish them, and wake the polls that get a task."""
        dies = self._dies
        if dies is not None and transitions:
            if dies == "after":
                self._keep(transitions)
            self._reload()
            raise EngineDied
        self._keep(transitions)
        for transition in transitions:
            if transition.offered:
                self._publish(transition)

    def _publish(self, transition: core.Transition) -> None:
        handoffs = self._engine.publish(transition, self.wall)
        polls = [self._polls.pop(handoff.waiter) for handoff in handoffs]
        try:
            self._commit([handoff.transition for handoff in handoffs])
        except EngineDied:
            for handoff, poll in zip(handoffs, polls, strict=True):
                self._come_back(handoff.waiter, poll)
            raise
        for handoff, poll in zip(handoffs, polls, strict=True):
            # In a turn of its own, as its answer takes a moment on its way.
            self.at(0.0, functools.partial(poll.receive, handoff.transition))

    def _keep(self, transitions: list[core.Transition]) -> None:
        for transition in transitions:
            self.journal.apply(transition.changes)
            self.tally.transitions += 1
            for change in transition.changes:
                if isinstance(change, core.Append):
                    self.tally.events += len(change.events)
                elif isinstance(change, core.Close) and self.on_closed is not None:
                    self.on_closed(change.row)

    def _reload(self) -> None:
        self._dies = None
        self.tally.kills += 1
        self._lenient_until = self.now + 1
        self._engine = core.Engine(self._limits, _SECRET)
        self._engine.load(self.journal.rows(), self.journal.history)
        broken, self._polls = self._polls, {}
        for waiter, poll in broken.items():
            self._come_back(waiter, poll)


def _removes(change: core.Change) -> bool:
    return isinstance(change, core.Purge) and change.last_event_id == 0
