"""The order in which waiting requests get their turn: pure, without time (spec/swf-long-poll-scale 6.7, 6.8).

Classes are served by rank. Inside a class the tenants take turns by deficit round robin: in each round a tenant may
spend its quantum, so two tenants who both wait get work in proportion to their weights, to within one quantum and one
largest request. So that no class starves, every ``AGED_EVERY``-th turn belongs to the class of the oldest request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from elbflow_engine.turns.ranks import Rank

QUANTUM = 8
AGED_EVERY = 8

Tenant: TypeAlias = tuple[str, str]
"""Account and domain; the domain is empty for what belongs to no existing one."""


@dataclass(eq=False, slots=True)
class Ticket:
    """A request that waits. ``number`` grows with every arrival; ``cost`` is 1 or more."""

    number: int
    rank: Rank
    tenant: Tenant
    cost: int


T = TypeVar("T", bound=Ticket)


class _Lane(Generic[T]):
    """What one tenant has waiting in one class."""

    __slots__ = ("credit", "quantum", "tenant", "tickets")

    def __init__(self, tenant: Tenant, quantum: int) -> None:
        self.tenant = tenant
        self.quantum = quantum
        self.credit = quantum
        self.tickets: dict[int, T] = {}

    def first(self) -> T:
        return next(iter(self.tickets.values()))


class _Class(Generic[T]):
    """All that waits with one rank.

    A lane that was emptied by its turn is gone; one that was emptied by leavers stays, with its credit, until the
    rotation reaches it: nobody gains credit by going and coming back.
    """

    def __init__(self, weigh: Callable[[Tenant], int]) -> None:
        self._weigh = weigh
        self._lanes: dict[Tenant, _Lane[T]] = {}
        self._rotation: deque[_Lane[T]] = deque()
        self.tickets: dict[int, T] = {}

    def oldest(self) -> T:
        return next(iter(self.tickets.values()))

    def push(self, ticket: T) -> None:
        lane = self._lanes.get(ticket.tenant)
        if lane is None:
            lane = self._lanes[ticket.tenant] = _Lane(ticket.tenant, QUANTUM * self._weigh(ticket.tenant))
            self._rotation.append(lane)
        lane.tickets[ticket.number] = self.tickets[ticket.number] = ticket

    def discard(self, ticket: T) -> None:
        if self.tickets.pop(ticket.number, None) is not None:
            del self._lanes[ticket.tenant].tickets[ticket.number]

    def take(self) -> T:
        """Remove and return the next ticket by deficit round robin; there must be one."""
        while True:
            lane = self._rotation[0]
            if not lane.tickets:
                self._drop(lane)
                continue
            ticket = lane.first()
            if lane.credit >= ticket.cost:
                lane.credit -= ticket.cost
                self.discard(ticket)
                if not lane.tickets:
                    self._drop(lane)
                return ticket
            lane.credit += lane.quantum
            self._rotation.rotate(-1)

    def dispensable(self) -> T:
        """The newest ticket of the tenant who waits with most; looks at every tenant."""
        longest = max(self._rotation, key=lambda lane: len(lane.tickets))
        return next(reversed(longest.tickets.values()))

    def _drop(self, lane: _Lane[T]) -> None:
        """Forget the lane at the front."""
        self._rotation.popleft()
        del self._lanes[lane.tenant]


class FairQueue(Generic[T]):
    """Waiting tickets. Arriving and leaving cost the same for one and for thousands; ``weigh`` gives whole shares."""

    def __init__(self, weigh: Callable[[Tenant], int]) -> None:
        self._classes = {rank: _Class[T](weigh) for rank in Rank}
        self._length = 0
        self._until_aged = AGED_EVERY

    def __len__(self) -> int:
        return self._length

    def waiting(self, rank: Rank) -> int:
        """How many wait with this rank."""
        return len(self._classes[rank].tickets)

    def push(self, ticket: T) -> None:
        self._classes[ticket.rank].push(ticket)
        self._length += 1

    def discard(self, ticket: T) -> None:
        """It no longer waits; one that does not wait is ignored."""
        group = self._classes[ticket.rank]
        before = len(group.tickets)
        group.discard(ticket)
        self._length -= before - len(group.tickets)

    def pop(self, closed: Collection[Rank] = ()) -> T | None:
        """Remove and return the ticket whose turn it is, none of a ``closed`` rank; None when there is no other."""
        open_ranks = [rank for rank, group in self._classes.items() if group.tickets and rank not in closed]
        if not open_ranks:
            return None
        self._until_aged -= 1
        rank = open_ranks[0]
        if not self._until_aged:
            self._until_aged = AGED_EVERY
            rank = min(open_ranks, key=lambda rank: self._classes[rank].oldest().number)
        self._length -= 1
        return self._classes[rank].take()

    def oldest(self) -> T | None:
        """Who waits longest, in whatever class."""
        heads = [group.oldest() for group in self._classes.values() if group.tickets]
        return min(heads, key=lambda ticket: ticket.number, default=None)

    def dispensable(self, ranks: Collection[Rank]) -> T | None:
        """Who has to go first when there is no room: the newest ticket of the greediest tenant in the last class."""
        for rank in sorted(ranks, reverse=True):
            if self._classes[rank].tickets:
                return self._classes[rank].dispensable()
        return None
