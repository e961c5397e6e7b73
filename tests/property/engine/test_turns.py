"""Nobody's flood takes more than its share, nobody starves, nobody is lost (spec/swf-long-poll-scale 6.7, 6.8)."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from elbflow_engine import turns

WEIGHTS = {"a": 1, "b": 2, "c": 5}
costs = st.one_of(st.just(1), st.integers(1, turns.LARGEST_COST))
ranks = st.sampled_from(turns.Rank)


def weigh(tenant: turns.Tenant) -> int:
    return WEIGHTS.get(tenant[0], 1)


def queue() -> turns.FairQueue[turns.Ticket]:
    return turns.FairQueue(weigh)


@settings(max_examples=60, deadline=None)
@given(st.lists(costs, min_size=1, max_size=40), st.lists(costs, min_size=1, max_size=40), st.integers(1, 400))
def test_two_tenants_who_both_wait_are_served_in_proportion_to_their_weights(
    ours: list[int], theirs: list[int], turns_taken: int
) -> None:
    """Over any number of turns the difference is at most a quantum and a largest request each, in either direction."""
    waiting, numbers = queue(), itertools.count(1)
    supplies = {"b": itertools.cycle(ours), "c": itertools.cycle(theirs)}
    for _ in range(2):
        for name, supply in supplies.items():
            waiting.push(turns.Ticket(next(numbers), turns.Rank.START, (name, ""), next(supply)))
    served = Counter({"b": 0, "c": 0})
    for _ in range(turns_taken):
        ticket = waiting.pop()
        assert ticket is not None
        name = ticket.tenant[0]
        served[name] += ticket.cost
        waiting.push(turns.Ticket(next(numbers), turns.Rank.START, ticket.tenant, next(supplies[name])))
    bound = 2 * turns.QUANTUM + turns.LARGEST_COST / WEIGHTS["b"] + turns.LARGEST_COST / WEIGHTS["c"]
    assert abs(served["b"] / WEIGHTS["b"] - served["c"] / WEIGHTS["c"]) <= bound


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 20))
def test_a_flood_delays_a_tenant_who_came_last_by_one_round_at_most(flood: int, greedy: int) -> None:
    waiting, numbers = queue(), itertools.count(1)
    for _ in range(flood):
        for tenant in range(greedy):
            waiting.push(turns.Ticket(next(numbers), turns.Rank.RESPOND, ("flood", str(tenant)), 1))
    late = turns.Ticket(next(numbers), turns.Rank.RESPOND, ("late", ""), 1)
    waiting.push(late)
    before = 0
    while waiting.pop() is not late:
        before += 1
    assert before <= greedy * turns.QUANTUM


@settings(max_examples=60, deadline=None)
@given(ranks, st.integers(0, 50), st.sampled_from(turns.Rank))
def test_no_class_starves_behind_classes_that_never_end(lowly: turns.Rank, older: int, flooding: turns.Rank) -> None:
    """Whoever waits is served within a bounded number of turns, whatever arrives after him."""
    waiting, numbers = queue(), itertools.count(1)
    for _ in range(older):
        waiting.push(turns.Ticket(next(numbers), flooding, ("flood", ""), 1))
    lone = turns.Ticket(next(numbers), lowly, ("lone", ""), 1)
    waiting.push(lone)
    turns_taken = 0
    while True:
        waiting.push(turns.Ticket(next(numbers), flooding, ("flood", ""), 1))
        turns_taken += 1
        if waiting.pop() is lone:
            break
        assert turns_taken <= (older + 2) * turns.AGED_EVERY


def test_classes_are_served_by_rank_but_for_every_eighth_turn() -> None:
    waiting = queue()
    for number, rank in enumerate(reversed(turns.Rank), 1):
        for more in range(10):
            waiting.push(turns.Ticket(number * 100 + more, rank, ("a", ""), 1))
    order = [ticket.rank for ticket in iter(waiting.pop, None)]
    assert len(order) == 10 * len(turns.Rank)
    assert order[7] is turns.Rank.OTHER
    assert order[:7] == [turns.Rank.RESPOND] * 7
    urgent = [rank for turn, rank in enumerate(order, 1) if turn % turns.AGED_EVERY]
    assert urgent == sorted(urgent)


class QueueMachine(RuleBasedStateMachine):
    """Arrivals, cancellations, evictions and turns in any order, against a plain set of who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = queue()
        self.waiting: dict[int, turns.Ticket] = {}
        self.gone: list[turns.Ticket] = []
        self.numbers = itertools.count(1)

    @rule(rank=ranks, tenant=st.sampled_from("abcd"), cost=costs)
    def arrive(self, rank: turns.Rank, tenant: str, cost: int) -> None:
        ticket = turns.Ticket(next(self.numbers), rank, (tenant, ""), cost)
        self.queue.push(ticket)
        self.waiting[ticket.number] = ticket

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        ticket = self.waiting.pop(data.draw(st.sampled_from(sorted(self.waiting))))
        self.queue.discard(ticket)
        self.gone.append(ticket)

    @precondition(lambda self: self.gone)
    @rule()
    def leave_twice(self) -> None:
        self.queue.discard(self.gone[-1])

    @rule(closed=st.sets(ranks))
    def turn(self, closed: set[turns.Rank]) -> None:
        ticket = self.queue.pop(closed)
        if ticket is None:
            assert all(other.rank in closed for other in self.waiting.values())
        else:
            assert ticket.rank not in closed
            assert self.waiting.pop(ticket.number) is ticket

    @rule(among=st.sets(ranks))
    def give_up(self, among: set[turns.Rank]) -> None:
        victim = self.queue.dispensable(among)
        candidates = [ticket for ticket in self.waiting.values() if ticket.rank in among]
        if victim is None:
            assert not candidates
            return
        last = max(ticket.rank for ticket in candidates)
        crowd = Counter(ticket.tenant for ticket in candidates if ticket.rank is last)
        assert victim.rank is last
        assert crowd[victim.tenant] == max(crowd.values())
        peers = [one for one in candidates if one.rank is last and one.tenant == victim.tenant]
        assert victim.number == max(one.number for one in peers)

    @invariant()
    def counts_everybody_once(self) -> None:
        assert len(self.queue) == len(self.waiting)
        for rank in turns.Rank:
            assert self.queue.waiting(rank) == sum(ticket.rank is rank for ticket in self.waiting.values())
        oldest = self.queue.oldest()
        assert (oldest.number if oldest else None) == min(self.waiting, default=None)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
