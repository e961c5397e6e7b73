"""Places, queues and cancellation (spec/swf-long-poll-scale 6.7, 6.8)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from elbflow_engine import refusals, turns
from elbflow_engine.turns import Rank

SMALL = turns.Shares(window=4, reads=2, queued=6, queued_polls=3, patience_s=5.0)


class Seen:
    def __init__(self) -> None:
        self.waits: list[tuple[Rank, float]] = []
        self.refused: Counter[Rank] = Counter()

    def queued(self, rank: Rank, seconds: float) -> None:
        self.waits.append((rank, seconds))

    def turned_away(self, rank: Rank) -> None:
        self.refused[rank] += 1


class House:
    """A turnstile and whoever got through, in order."""

    def __init__(self, shares: turns.Shares = SMALL) -> None:
        self.seen = Seen()
        self.turnstile = turns.Turnstile(shares, self.seen)
        self.inside: list[str] = []

    async def enter(self, name: str, rank: Rank = Rank.RESPOND, tenant: str = "a", cost: int = 1) -> None:
        if not self.turnstile.passes(rank):
            await self.turnstile.wait(rank, (tenant, ""), cost)
        self.inside.append(name)

    async def fill(self, rank: Rank = Rank.RESPOND, count: int = SMALL.window) -> None:
        for number in range(count):
            await self.enter(f"early{number}", rank)
        self.inside.clear()

    async def queue(self, *names: str, rank: Rank = Rank.RESPOND, tenant: str = "a") -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.enter(name, rank, tenant)) for name in names]
        await asyncio.sleep(0)
        return tasks

    async def let_in(self, count: int, rank: Rank = Rank.RESPOND) -> None:
        for _ in range(count):
            self.turnstile.leave(rank)
        await settle()


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_while_there_is_room_nobody_waits() -> None:
    house = House()
    for _ in range(3):
        await house.fill()
        assert not house.turnstile.passes(Rank.RESPOND)
        await house.let_in(SMALL.window)
    assert house.turnstile.serving == 0
    assert house.seen.waits == []


async def test_one_turn_of_the_loop_serves_one_windowful() -> None:
    """Requests that never wait for the disk must not keep the loop from everybody else either."""
    house = House()
    served = 0
    for _ in range(10):
        if house.turnstile.passes(Rank.RESPOND):
            house.turnstile.leave(Rank.RESPOND)
            served += 1
    assert served == SMALL.window
    await asyncio.sleep(0)
    assert house.turnstile.passes(Rank.RESPOND)


async def test_places_that_free_up_are_shared_by_tenants() -> None:
    house = House()
    await house.fill()
    await house.queue(*(f"flood{number}" for number in range(5)))
    await house.queue("late", tenant="b")
    await house.let_in(4)
    assert house.inside[:4] == [f"flood{number}" for number in range(4)]
    await house.let_in(4)
    assert sorted(house.inside[4:]) == ["flood4", "late"]
    assert {rank for rank, _ in house.seen.waits} == {Rank.RESPOND}


async def test_slow_reads_leave_places_to_others() -> None:
    house = House()
    await house.fill(Rank.OTHER, SMALL.reads)
    reads = await house.queue("read", rank=Rank.OTHER)
    await house.enter("answer")
    assert house.inside == ["answer"]
    assert not reads[0].done()
    await house.let_in(1, Rank.OTHER)
    assert house.inside == ["answer", "read"]


async def test_a_cancelled_waiter_leaves_at_once_and_loses_nobodys_place() -> None:
    house = House()
    await house.fill()
    first, second = await house.queue("first", "second")
    first.cancel()
    await settle()
    assert house.turnstile.waiting()[Rank.RESPOND] == 1
    await house.let_in(1)
    assert house.inside == ["second"]
    assert second.done()
    assert house.turnstile.serving == SMALL.window


async def test_a_waiter_cancelled_in_the_moment_of_its_turn_gives_the_place_on() -> None:
    house = House()
    await house.fill()
    first, second = await house.queue("first", "second")
    house.turnstile.leave(Rank.RESPOND)
    house.turnstile._settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert house.inside == ["second"]


async def test_the_greediest_of_the_least_important_goes_when_the_queue_is_full() -> None:
    house = House()
    await house.fill()
    starts = await house.queue("s1", "s2", "s3", "s4", "s5", rank=Rank.START)
    modest = await house.queue("modest", rank=Rank.START, tenant="b")
    important = await house.queue("important")
    with pytest.raises(refusals.Overloaded):
        await starts[4]
    await house.queue("also modest", rank=Rank.START, tenant="c")
    with pytest.raises(refusals.Overloaded):
        await starts[3]
    with pytest.raises(refusals.Overloaded):
        await house.enter("s6", Rank.START)
    with pytest.raises(refusals.Overloaded):
        await house.enter("read", Rank.OTHER)
    assert house.seen.refused == {Rank.START: 3, Rank.OTHER: 1}
    await house.let_in(6)
    assert important[0].done()
    assert modest[0].done()


async def test_polls_have_a_bound_of_their_own() -> None:
    house = House()
    await house.fill()
    await house.queue("p1", "p2", "p3", rank=Rank.POLL)
    with pytest.raises(refusals.Overloaded):
        await house.enter("p4", Rank.POLL)
    for number in range(SMALL.queued):
        await house.queue(f"r{number}")
    assert house.turnstile.waiting() == {
        Rank.RESPOND: SMALL.queued,
        Rank.CONTROL: 0,
        Rank.POLL: 3,
        Rank.START: 0,
        Rank.OTHER: 0,
    }


async def test_nobody_waits_longer_than_the_patience() -> None:
    house = House(turns.Shares(window=1, patience_s=0.02))
    await house.fill(count=1)
    with pytest.raises(refusals.Overloaded, match="too long"):
        await house.enter("late")
    assert house.turnstile.waiting()[Rank.RESPOND] == 0
    house.turnstile.close()


async def test_no_place_is_ever_lost() -> None:
    """Random arrivals, departures and cancellations: at the end everybody left, and all places are free."""
    chance = random.Random(11)
    house = House(turns.Shares(window=4, reads=2, queued=20, queued_polls=10))
    visits: list[asyncio.Task[None]] = []

    async def visit(rank: Rank, tenant: str) -> None:
        if not house.turnstile.passes(rank):
            await house.turnstile.wait(rank, (tenant, ""), chance.randint(1, turns.LARGEST_COST))
        try:
            assert house.turnstile.serving <= 4
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            house.turnstile.leave(rank)

    for _ in range(3000):
        visits.append(asyncio.create_task(visit(chance.choice(list(Rank)), chance.choice("abc"))))
        if chance.random() < 0.3:
            chance.choice(visits).cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    ended = await asyncio.gather(*visits, return_exceptions=True)
    assert {type(one) for one in ended} == {type(None), asyncio.CancelledError, refusals.Overloaded}
    await settle()
    assert house.turnstile.serving == 0
    assert not any(house.turnstile.waiting().values())
    assert all(house.turnstile.passes(Rank.OTHER) for _ in range(2))


def test_weights_are_by_domain_or_by_account_and_domain() -> None:
    shares = turns.Shares(weights={"elb": 4, "1111/elb": 2, "none": 0})
    assert [shares.weigh(tenant) for tenant in [("1111", "elb"), ("2222", "elb"), ("1", "x"), ("1", "none")]] == [
        2,
        4,
        1,
        1,
    ]
