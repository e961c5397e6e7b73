"""The engine: one object that owns the whole state and turns commands into transitions."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence

from elbflow_engine.core import (
    api,
    census,
    closed,
    expiry,
    faults,
    gauges,
    loading,
    matching,
    operations,
    polls,
    queries,
    retention,
    steps,
    tenants,
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

    def call(
        self,
        account: str,
        operation: str,
        params: api.Object,
        now: float,
        entropy: bytes,
        *,
        denied: Collection[str] = frozenset(),
    ) -> api.Transition:
        """Serve one operation; fresh polls go to :meth:`poll`, polls with ``nextPageToken`` come here.

        ``params`` must have passed the shape checks (types, required members, lengths, enums; null members removed);
        timestamps are numbers. Rules beyond the shape (name characters, durations, filters, decision lists) are
        checked here. ``entropy`` (at least 16 unpredictable bytes) seeds the run ids. ``account`` owns what it creates
        and sees nothing else: an account number, with ``@region`` behind it for another region than the engine's own.
        ``denied`` names the decisions (``StartTimer``...) the caller may not make: each fails with
        OPERATION_NOT_PERMITTED in the history. Raises :class:`Fault`, which leaves nothing changed.
        """
        validation.check(operation, params)
        now_ms = times.to_ms(now)
        query = operations.QUERIES.get(operation)
        if query is not None:
            return api.Transition(query(self._world, account, params, now_ms))
        command = operations.COMMANDS.get(operation)
        if command is None:
            raise faults.Fault("UnknownOperationException", f"Operation not served: {operation}")
        work = Work(self._world, now_ms, entropy, denied)
        try:
            result = steps.run(work, lambda work: command(work, account, params))
        except closed.Elsewhere as elsewhere:
            return api.Transition(elsewhere.read)
        return work.transition(result)

    @staticmethod
    def only_reads(operation: str) -> bool:
        """Whether :meth:`call` changes nothing for ``operation``, so that an error in it leaves nothing to doubt."""
        return operation in operations.QUERIES

    def poll(
        self, account: str, operation: str, params: api.Object, now: float, waiter: int, *, admitted: bool = False
    ) -> api.Transition | api.Parked:
        """PollForDecisionTask or PollForActivityTask without ``nextPageToken``: hand out a ready task or park.

        ``waiter`` is the shell's name of this poll, unique among the parked ones. ``admitted``: it was parked before,
        in an engine that is no more, and parks again whatever the limits say. Raises :class:`Fault`.
        """
        validation.check(operation, params)
        world = self._world
        key = polls.list_key(world, account, polls.KINDS[operation], params)
        task = polls.take(world, key)
        if task is not None:
            return polls.start(world, task, params, times.to_ms(now))
        if not admitted:
            polls.check_room(world, key)
        world.matching.park(matching.Waiter(waiter, key, params))
        return api.Parked(waiter)

    def backlog(self, account: str, operation: str, params: api.Object, now: float) -> tuple[int, float]:
        """Ready tasks on the list of a poll, and for how many seconds the next one has been. Raises :class:`Fault`."""
        key = polls.list_key(self._world, account, polls.KINDS[operation], params)
        tasks, age_ms = polls.backlog(self._world, key, times.to_ms(now))
        return tasks, age_ms / 1000

    def drop_waiter(self, waiter: int) -> None:
        """The poll is over (disconnect, end of hold, drain). Unknown waiters are ignored."""
        self._world.matching.drop_waiter(waiter)

    def publish(self, transition: api.Transition, now: float) -> list[api.Handoff]:
        """Its new tasks become pollable and meet parked polls, each of which is a transition of its own.

        Call it once all transitions handed out so far are with the journal, which makes them durable in order.
        """
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

    def earliest_deadline(self) -> float | None:
        """No later than :meth:`next_deadline`, and cheaper: the deadline it belongs to may turn out void."""
        ms = self._world.deadlines.earliest_ms()
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
            transitions.append(work.transition(due=times.to_seconds(deadline.at_ms)))
        return transitions

    def next_purge(self) -> float | None:
        """Instant (epoch seconds) from which :meth:`retention_over` has a question, or None.

        Nothing about it is urgent: what is to be deleted cannot be seen any more.
        """
        due_ms = self._world.retention.due_ms
        return None if due_ms is None else times.to_seconds(due_ms)

    def retention_over(self, now: float) -> queries.RetentionOver | None:
        """The question for what to delete, or None when it is not time for it.

        Put it behind a barrier, hand the answer to :meth:`purge`, make that durable, and ask again.
        """
        now_ms, schedule = times.to_ms(now), self._world.retention
        if schedule.due_ms is None or schedule.due_ms > now_ms:
            return None
        schedule.looking()
        return queries.RetentionOver(now_ms, self._world.limits.purge_batch)

    def purge(self, expired: queries.Expired) -> api.Transition:
        """Delete as much as fits one unit (spec/swf-semantics 10: at most ``Limits.purge_batch`` rows)."""
        limit = self._world.limits.purge_batch
        cuts, everything = retention.unit(expired, limit)
        if everything and len(expired.runs) < limit:
            self._world.retention.looked(expired.next_ms)
        return api.Transition(changes=tuple(itertools.starmap(api.Purge, cuts)))

    def load(self, rows: Iterable[api.Put], read_events: Callable[[int], Sequence[bytes]]) -> None:
        """Rebuild everything from the journal: all rows that were :class:`Put`, in any order, then the histories of
        open executions, asked for by execution id through ``read_events`` (all events, ascending ids).
        """
        loading.load(self._world, rows, read_events)

    def domain_of(self, account: str, params: api.Object) -> str:
        """The existing domain that a request's arguments concern, empty when there is none."""
        return tenants.domain(self._world, account, params)

    def gauges(self, now: float, longest: int) -> gauges.Gauges:
        """Figures for metrics; at most ``longest`` lists are named. Costs little more than looking at every list."""
        return gauges.measure(self._world, times.to_ms(now), longest)

    def domains(self, now: float) -> tuple[census.DomainFigures, ...]:
        """All domains of all accounts, for people who look; costs as much as looking at every list."""
        return census.domains(self._world, times.to_ms(now))

    def lists(self, account: str, domain: str, now: float) -> tuple[census.ListFigures, ...]:
        """The task lists of a domain that hold a task or a poll."""
        return census.lists(self._world, account, domain, times.to_ms(now))

    def pollers(self, account: str, domain: str, kind: str, name: str) -> tuple[tuple[str, int], ...]:
        """Who polls a task list: identities of its parked polls (empty where one gave none), and how many of each."""
        return census.pollers(self._world, matching.ListKey(account, domain, kind, name))

    def statistics(self) -> api.Statistics:
        """What is open, parked and waiting now."""
        world = self._world
        return api.Statistics(
            open_executions=len(world.open),
            deadlines=len(world.deadlines),
            parked=world.matching.parked,
            lists=tuple(gauges.of_list(world, key) for key in world.matching.lists()),
        )
