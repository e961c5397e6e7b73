"""The engine: one object that owns the whole state and turns commands into transitions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from elbflow_engine.core import (
    api,
    expiry,
    faults,
    history,
    loading,
    matching,
    operations,
    polls,
    steps,
    times,
    validation,
)
from elbflow_engine.core.limits import Limits
from elbflow_engine.core.work import Work
from elbflow_engine.core.world import World


class Engine:
    """A complete SWF service without I/O, clock or randomness (spec/swf-semantics 1-11).

    Single-threaded. Time comes in as ``now`` (epoch seconds), entropy as bytes. State moves on as soon as a method
    returns; the shell makes the transition's changes durable, in order, and only then answers. When a commit fails,
    discard the engine and load a new one from the journal: nothing else holds state.

    ``secret`` keys the task and page tokens and must survive restarts; ``region`` only appears in ARNs.
    """

    def __init__(self, limits: Limits, secret: bytes, region: str = "us-east-1") -> None:
        self._world = World(limits, secret, region)

    def call(self, account: str, operation: str, params: api.Object, now: float, entropy: bytes) -> api.Transition:
        """Serve one operation; fresh polls go to :meth:`poll`, polls with ``nextPageToken`` come here.

        ``params`` must have passed the shape checks (types, required members, lengths, enums; null members removed);
        timestamps are numbers. Rules beyond the shape (name characters, durations, filters, decision lists) are
        checked here. ``entropy`` (at least 16 unpredictable bytes) seeds the run ids.
        Raises :class:`Fault`, which leaves nothing changed.
        """
        validation.check(operation, params)
        now_ms = times.to_ms(now)
        query = operations.QUERIES.get(operation)
        if query is not None:
            return api.Transition(query(self._world, account, params, now_ms))
        command = operations.COMMANDS.get(operation)
        if command is None:
            raise faults.Fault("UnknownOperationException", f"Operation not served: {operation}")
        work = Work(self._world, now_ms, entropy)
        result = steps.run(work, lambda work: command(work, account, params))
        return work.transition(result)

    @staticmethod
    def only_reads(operation: str) -> bool:
        """Whether :meth:`call` changes nothing for ``operation``, so that an error in it leaves nothing to doubt."""
        return operation in operations.QUERIES

    def poll(
        self, account: str, operation: str, params: api.Object, now: float, waiter: int
    ) -> api.Transition | api.Parked:
        """PollForDecisionTask or PollForActivityTask without ``nextPageToken``: hand out a ready task or park.

        ``waiter`` is the shell's name of this poll, unique among the parked ones. Raises :class:`Fault`.
        """
        validation.check(operation, params)
        world = self._world
        key = polls.list_key(world, account, polls.KINDS[operation], params)
        task = polls.take(world, key)
        if task is not None:
            return polls.start(world, task, params, times.to_ms(now))
        polls.check_room(world, key)
        world.matching.park(matching.Waiter(waiter, key, params))
        return api.Parked(waiter)

    def drop_waiter(self, waiter: int) -> None:
        """The poll is over (disconnect, end of hold, drain). Unknown waiters are ignored."""
        self._world.matching.drop_waiter(waiter)

    def publish(self, transition: api.Transition, now: float) -> list[api.Handoff]:
        """Call once the transition's changes are durable: its new tasks become pollable and meet parked polls."""
        world, handoffs = self._world, []
        for task in transition.offered:
            key = world.pollable(task)
            if key is None or world.matching.offered(task):
                continue
            world.matching.offer(key, task, *polls.place(world, task))
            waiter = world.matching.oldest_waiter(key)
            if waiter is None:
                continue
            first = polls.take(world, key)
            if first is not None:
                world.matching.drop_waiter(waiter.id)
                started = polls.start(world, first, waiter.params, times.to_ms(now))
                handoffs.append(api.Handoff(waiter.id, started))
        return handoffs

    def undo_handoff(self, transition: api.Transition, now: float) -> api.Transition | None:
        """Un-start the task of a poll answer nobody received (spec/swf-semantics 4.2).

        ``transition`` is what :meth:`poll` or a :class:`Handoff` gave. Returns None when it is too late (the task
        stays started and its timeouts recover it); else commit and publish the returned transition.
        """
        if transition.started is None:
            return None
        return polls.unstart(self._world, transition.started, times.to_ms(now))

    def next_deadline(self) -> float | None:
        """Instant (epoch seconds) at which :meth:`expire` has work, or None."""
        ms = self._world.deadlines.next_ms()
        return None if ms is None else times.to_seconds(ms)

    def expire(self, now: float, limit: int = 500) -> list[api.Transition]:
        """Fire at most ``limit`` deadlines that are due at ``now``, in deadline order.

        Each is a unit of its own. Hand all of them to the journal, in order, before any of them is published.
        """
        transitions: list[api.Transition] = []
        now_ms = times.to_ms(now)
        while len(transitions) < limit:
            deadline = self._world.deadlines.pop_due(now_ms)
            if deadline is None:
                break
            work = Work(self._world, deadline.at_ms)
            steps.run(work, functools.partial(expiry.fire, deadline=deadline))
            transitions.append(work.transition())
        return transitions

    def fill(self, window: api.HistoryWindow, events: Sequence[bytes]) -> api.HistoryPage:
        """Turn the events read for ``window`` (ascending ids) into the page to send, cut at the size limit."""
        return history.fill(self._world, window, events)

    def load(self, rows: Iterable[api.Put], read_events: Callable[[int], Sequence[bytes]]) -> None:
        """Rebuild everything from the journal: all rows of all tables, in any order, then the histories of open
        executions, asked for by execution id through ``read_events`` (all events, ascending ids).
        """
        loading.load(self._world, rows, read_events)

    def statistics(self) -> api.Statistics:
        """What is open, parked and waiting now."""
        world = self._world
        return api.Statistics(
            open_executions=len(world.open),
            closed_executions=len(world.closed),
            deadlines=len(world.deadlines),
            parked=world.matching.parked,
            lists=tuple(
                api.ListStatistics(*key, world.matching.backlog(key), world.matching.parked_on(key))
                for key in world.matching.lists()
            ),
        )
