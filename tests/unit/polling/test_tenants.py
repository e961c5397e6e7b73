"""What each tenant may use of the poll budget, and what a tenant's many lanes leave to the others."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from elbflow import polling, swf
from elbflow.polling.budget import Budget
from elbflow.polling.tenants import TenantUse


def fill(budget: Budget, tenant: str, *, growth: bool = False) -> int:
    """Take for ``tenant`` until there is no more room; how many that were."""
    taken = 0
    while budget.has_room(tenant, growth=growth):
        budget.take(tenant)
        taken += 1
    return taken


def joined(budget: Budget, *tenants: str) -> Budget:
    for tenant in tenants:
        budget.join(tenant, 1000)
    return budget


def test_a_tenant_alone_may_use_the_whole_budget() -> None:
    assert fill(joined(Budget(100), "elb"), "elb") == 100
    assert fill(joined(Budget(100), "elb"), "elb", growth=True) == 90


def test_beside_others_nobody_gets_more_than_sixty_per_cent() -> None:
    budget = joined(Budget(100), "elb", "cfn")
    assert fill(budget, "elb") == 60
    assert fill(budget, "cfn") == 40
    assert budget.is_full


def test_a_newcomer_caps_who_was_alone_and_takes_over_what_comes_back() -> None:
    budget = joined(Budget(100), "elb")
    fill(budget, "elb")
    joined(budget, "cfn")
    for _ in range(30):
        budget.give("elb")
        assert not budget.has_room("elb", growth=False)
        assert budget.has_room("cfn", growth=False)
        budget.take("cfn")
    budget.leave("cfn", 1000)
    assert not budget.has_room("elb", growth=False), "there is no free connection"
    for _ in range(30):
        budget.give("cfn")
    assert fill(budget, "elb") == 30


def test_a_guarantee_is_kept_free_while_its_tenant_has_lanes_for_it() -> None:
    shares = {"cfn": polling.TenantShare(min_share=0.3), "elb": polling.TenantShare(max_share=1.0)}
    budget = joined(Budget(100, shares), "elb")
    budget.join("cfn", 8)
    assert fill(budget, "elb") == 92, "the lane of cfn could park no more than 8"
    budget.join("cfn", 1000)
    for _ in range(92):
        budget.give("elb")
    assert fill(budget, "elb") == 70
    assert fill(budget, "cfn") == 30


def test_a_guarantee_above_the_default_cap_raises_it() -> None:
    budget = joined(Budget(100, {"elb": polling.TenantShare(min_share=0.8)}), "elb", "cfn")
    assert fill(budget, "cfn") == 20
    assert fill(budget, "elb") == 80


def test_the_uses_say_who_has_what() -> None:
    budget = joined(Budget(50, {"cfn": polling.TenantShare(0.2, 0.5)}), "elb", "cfn", "cfn")
    budget.take("cfn")
    assert budget.tenants() == (
        TenantUse("cfn", used=1, cap=25, guaranteed=10, lanes=2),
        TenantUse("elb", used=0, cap=30, guaranteed=0, lanes=1),
    )
    budget.leave("cfn", 1000)
    budget.leave("cfn", 1000)
    assert [use.tenant for use in budget.tenants()] == ["cfn", "elb"], "its poll is still parked"
    budget.give("cfn")
    assert [use.tenant for use in budget.tenants()] == ["elb"]


@pytest.mark.parametrize("wrong", [(-0.1, None), (1.1, None), (0.0, 0.0), (0.0, 1.5), (0.5, 0.4)])
def test_shares_that_no_budget_can_give_are_refused(wrong: tuple[float, float | None]) -> None:
    with pytest.raises(ValueError, match="share"):
        polling.TenantShare(*wrong)


def test_guarantees_beyond_the_budget_are_refused() -> None:
    with pytest.raises(ValueError, match=r"add up to 1\.10"):
        Budget(10, {"elb": polling.TenantShare(0.6), "cfn": polling.TenantShare(0.5)})


@pytest.mark.parametrize("seed", range(40))
def test_no_order_of_events_breaks_the_books(seed: int) -> None:
    """Against a plain recount: limits, caps and guarantees hold, and nothing is left when all have gone."""
    rng = random.Random(seed)
    limit = rng.choice((1, 2, 7, 24, 100))
    names = ("elb", "cfn", "sqs")
    shares = {"cfn": polling.TenantShare(rng.uniform(0.0, 0.5)), "sqs": polling.TenantShare(0.0, rng.uniform(0.1, 1.0))}
    budget = Budget(limit, shares)
    lanes: list[tuple[str, int]] = []
    parked: Counter[str] = Counter()
    for _ in range(400):
        tenant, event = rng.choice(names), rng.random()
        if event < 0.15:
            lanes.append((tenant, rng.randint(1, 16)))
            budget.join(*lanes[-1])
        elif event < 0.25 and lanes:
            budget.leave(*lanes.pop(rng.randrange(len(lanes))))
        elif event < 0.7:
            if budget.has_room(tenant, growth=rng.random() < 0.5):
                budget.take(tenant)
                parked[tenant] += 1
                _check(budget, parked, limit, tenant)
        elif parked[tenant]:
            budget.give(tenant)
            parked[tenant] -= 1
    for lane in lanes:
        budget.leave(*lane)
    for tenant in names:
        for _ in range(parked[tenant]):
            budget.give(tenant)
    assert (budget.used, budget.tenants()) == (0, ())


def _check(budget: Budget, parked: Counter[str], limit: int, tenant: str) -> None:
    uses = {use.tenant: use for use in budget.tenants()}
    assert budget.used == parked.total() <= limit
    assert uses[tenant].used == parked[tenant] <= uses[tenant].cap
    owed = sum(max(0, use.guaranteed - use.used) for name, use in uses.items() if name != tenant)
    assert budget.used + owed <= limit, "took what is kept for another tenant"


async def test_a_tenant_with_many_lanes_leaves_the_others_their_polls(world) -> None:
    """5.12: 300 lanes of one tenant on 50 connections; the four of the other are all polled, and stay polled."""
    scheduler = polling.Scheduler(
        world.polls,
        profile=polling.EndpointProfile.aws(),
        identity="host:1",
        budget=50,
        clock=world.clock,
        rng=random.Random(1),
        metrics=world.metrics,
    )

    async def handle(_: swf.ActivityTask) -> None:
        raise AssertionError("no task was sent")

    def task_list(name: str) -> swf.TaskList:
        return swf.TaskList(swf.TaskKind.ACTIVITY, "domain", name)

    async with world.running(scheduler):
        for number in range(300):
            scheduler.add_lane(task_list(f"elb-{number}"), handle, slots=1)
        await world.clock.advance(70.0)
        assert world.polls.in_flight == 50
        guests = [scheduler.add_lane(task_list(f"cfn-{number}"), handle, slots=1, tenant="cfn") for number in range(4)]
        await world.clock.advance(60.0)
        for _ in range(20):
            await world.clock.advance(7.0)
            assert all(world.polls.parked[guest.task_list] == 1 for guest in guests)
            assert sum(lane.parked for lane in scheduler.statistics().lanes if lane.tenant == "elb") <= 30
