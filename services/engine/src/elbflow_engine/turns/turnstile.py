"""Where every request waits for its turn in front of the core (spec/swf-long-poll-scale 6.7, 6.8)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from elbflow_engine import refusals
from elbflow_engine.turns.queue import FairQueue, Tenant, Ticket
from elbflow_engine.turns.ranks import Rank


@dataclass(frozen=True, slots=True)
class Shares:
    """How service is divided.

    ``window``: requests in service at once, that is, waiting for their commit or reading; ``reads`` of them may be of
    the last class, so that slow reads never hold up an answer. ``queued`` requests that are no polls may wait, and
    ``queued_polls`` polls; nobody waits longer than ``patience_s``. ``weights``: whole shares of a tenant, by
    ``account/domain`` or ``domain``; all others have 1.
    """

    window: int = 64
    reads: int = 16
    queued: int = 2_000
    queued_polls: int = 10_000
    patience_s: float = 20.0
    weights: Mapping[str, int] = field(default_factory=dict)

    def weigh(self, tenant: Tenant) -> int:
        """Shares of a tenant, at least 1."""
        account, domain = tenant
        return max(1, self.weights.get(f"{account}/{domain}", self.weights.get(domain, 1)))


class Observer(Protocol):
    """Told about those who had to wait."""

    def queued(self, rank: Rank, seconds: float) -> None:
        """A request got its turn after ``seconds`` in the queue."""

    def turned_away(self, rank: Rank) -> None:
        """A request was refused because it, or too many others, waited."""


@dataclass(eq=False, slots=True)
class _Waiting(Ticket):
    arrived: float
    future: asyncio.Future[None]


class Turnstile:
    """Counts who is in service and queues the rest. Ask :meth:`passes`; if it says no, await :meth:`wait`; in both
    cases call :meth:`leave` once the request is durable, read or parked.

    A place becomes free at the end of the loop turn in which its request left. So one turn of the loop serves a
    windowful at most, even of requests that never wait for the disk, and those that free up together are given away
    together, in fair order. While there is a free place, nobody waits but for the limit of reads.
    """

    def __init__(self, shares: Shares, observer: Observer) -> None:
        self._shares = shares
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._queue: FairQueue[_Waiting] = FairQueue(shares.weigh)
        self._numbers = itertools.count(1)
        self._window = shares.window
        self._serving = 0
        self._reading = 0
        self._left = 0
        self._left_reading = 0
        self._settling = False
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def serving(self) -> int:
        """Requests in service now."""
        return self._serving

    def waiting(self) -> dict[Rank, int]:
        """Requests in the queue, by rank."""
        return {rank: self._queue.waiting(rank) for rank in Rank}

    def passes(self, rank: Rank) -> bool:
        """Take a place if there is one."""
        if self._serving >= self._window:
            return False
        if rank is Rank.OTHER:
            if self._reading >= self._shares.reads:
                return False
            self._reading += 1
        self._serving += 1
        return True

    async def wait(self, rank: Rank, tenant: Tenant, cost: int) -> None:
        """Wait for a place and take it. Cancelled, the place in the queue, or the one just got, is free at once.

        Raises :class:`refusals.Overloaded` when too many wait, or after the patience of the shares.
        """
        self._make_room(rank, tenant)
        now = self._loop.time()
        ticket = _Waiting(next(self._numbers), rank, tenant, cost, now, self._loop.create_future())
        self._queue.push(ticket)
        self._arm()
        try:
            await ticket.future
        except asyncio.CancelledError:
            if ticket.future.cancelled():
                self._queue.discard(ticket)
            elif ticket.future.exception() is None:
                self.leave(rank)
            raise

    def leave(self, rank: Rank) -> None:
        """Give the place back."""
        self._left += 1
        if rank is Rank.OTHER:
            self._left_reading += 1
        if not self._settling:
            self._settling = True
            self._loop.call_soon(self._settle)

    def close(self) -> None:
        """Stop the timer; who still waits is left to be cancelled."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _settle(self) -> None:
        self._settling = False
        self._serving -= self._left
        self._reading -= self._left_reading
        self._left = self._left_reading = 0
        while len(self._queue) and self._serving < self._window:
            closed = (Rank.OTHER,) if self._reading >= self._shares.reads else ()
            ticket = self._queue.pop(closed)
            if ticket is None:
                break
            if ticket.future.cancelled():
                continue  # its task has not run yet to say so
            self._serving += 1
            self._reading += ticket.rank is Rank.OTHER
            ticket.future.set_result(None)
            self._observer.queued(ticket.rank, self._loop.time() - ticket.arrived)

    def _make_room(self, rank: Rank, tenant: Tenant) -> None:
        """Give up somebody less important or greedier when the queue is full, or refuse the newcomer."""
        polls = self._queue.waiting(Rank.POLL)
        if rank is Rank.POLL:
            ranks, full = [Rank.POLL], polls >= self._shares.queued_polls
        else:
            ranks = [one for one in Rank if one is not Rank.POLL]
            full = len(self._queue) - polls >= self._shares.queued
        if not full:
            return
        victim = self._queue.dispensable(ranks)
        if victim is None or victim.rank < rank or (victim.rank == rank and victim.tenant == tenant):
            self._observer.turned_away(rank)
            raise refusals.Overloaded("Too many requests are waiting; try again later")
        self._give_up(victim, "Too many requests are waiting; try again later")

    def _give_up(self, ticket: _Waiting, reason: str) -> None:
        self._queue.discard(ticket)
        if not ticket.future.done():
            self._observer.turned_away(ticket.rank)
            ticket.future.set_exception(refusals.Overloaded(reason))

    def _arm(self) -> None:
        oldest = self._queue.oldest() if self._alarm is None else None
        if oldest is not None:
            self._alarm = self._loop.call_at(oldest.arrived + self._shares.patience_s, self._lose_patience)

    def _lose_patience(self) -> None:
        self._alarm = None
        now = self._loop.time()
        while (oldest := self._queue.oldest()) is not None and oldest.arrived + self._shares.patience_s <= now:
            self._give_up(oldest, "The request waited too long for its turn; try again later")
        self._arm()
