"""How many polls may park: per list, domain, account and process (spec/swf-long-poll-scale 6.8)."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from elbflow_engine import core
from elbflow_engine.core import matching

LIMITS = core.Limits(parked_polls_per_list=3, parked_polls_per_domain=5, parked_polls_per_account=7, parked_polls=9)


class Parking:
    """One engine with two accounts of two domains each."""

    def __init__(self, limits: core.Limits = LIMITS) -> None:
        self.engine = core.Engine(limits, b"secret")
        self.waiter = 0
        for account in ("1", "2"):
            for domain in ("x", "y"):
                params = {"name": domain, "workflowExecutionRetentionPeriodInDays": "1"}
                self.engine.call(account, "RegisterDomain", params, 1.7e9, bytes(32))

    def park(self, account: str, domain: str, name: str, kind: str = "Activity", *, admitted: bool = False) -> str:
        self.waiter += 1
        params: core.Object = {"domain": domain, "taskList": {"name": name}}
        try:
            self.engine.poll(account, f"PollFor{kind}Task", params, 1.7e9, self.waiter, admitted=admitted)
        except core.Fault as fault:
            return fault.code
        return "parked"


def test_each_cap_refuses_with_its_own_fault() -> None:
    parking = Parking()
    assert [parking.park("1", "x", "l") for _ in range(4)] == ["parked"] * 3 + ["LimitExceededFault"]
    assert [parking.park("1", "x", "m", "Decision") for _ in range(3)] == ["parked"] * 2 + ["ThrottlingException"]
    assert [parking.park("1", "y", "l") for _ in range(3)] == ["parked"] * 2 + ["ThrottlingException"]
    assert [parking.park("2", "x", "l") for _ in range(3)] == ["parked"] * 2 + ["ThrottlingException"]


def test_whoever_leaves_makes_room() -> None:
    parking = Parking()
    assert [parking.park("1", "x", name) for name in "llmmn"][-1] == "parked"
    assert parking.park("1", "x", "n") == "ThrottlingException"
    parking.engine.drop_waiter(1)
    parking.engine.drop_waiter(1)
    assert parking.park("1", "x", "n") == "parked"
    assert parking.park("1", "x", "n") == "ThrottlingException"


def test_a_poll_that_was_parked_before_a_reload_parks_again_and_counts() -> None:
    """The limits may not send a parked poll away that did nothing wrong."""
    parking = Parking()
    assert [parking.park("1", "x", "l", admitted=True) for _ in range(6)] == ["parked"] * 6
    assert parking.park("1", "x", "other") == "ThrottlingException"
    for waiter in range(1, 7):
        parking.engine.drop_waiter(waiter)
    assert parking.park("1", "x", "l") == "parked"


def test_a_ready_task_is_handed_out_whatever_the_caps_say() -> None:
    limits = core.Limits(parked_polls=0)
    parking = Parking(limits)
    assert parking.park("1", "x", "l") == "ThrottlingException"


def test_published_defaults() -> None:
    limits = core.Limits()
    caps = (
        limits.parked_polls_per_list,
        limits.parked_polls_per_domain,
        limits.parked_polls_per_account,
        limits.parked_polls,
    )
    assert caps == (1_000, 4_000, 5_000, 10_000)


@pytest.mark.parametrize("seed", range(5))
def test_counters_agree_with_what_is_there(seed: int) -> None:
    chance, queues = random.Random(seed), matching.Matching()
    parked: dict[int, matching.ListKey] = {}
    ready: dict[core.TaskRef, matching.ListKey] = {}
    for step in range(1500):
        key = matching.ListKey(*(chance.choice(names) for names in (["1", "2"], ["x", "y"], ["activity"], ["l", "m"])))
        match chance.randrange(4):
            case 0:
                queues.park(matching.Waiter(step, key, {}))
                parked[step] = key
            case 1:
                task = core.TaskRef("activity", step, 1)
                queues.offer(key, task, 0, step)
                ready[task] = key
            case 2 if parked:
                waiter = chance.choice(list(parked))
                queues.drop_waiter(waiter)
                del parked[waiter]
            case 3:
                taken = queues.take(key)
                if taken is not None:
                    assert ready.pop(taken) == key
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for domain in ("x", "y"):
        waiting = sum(key.domain == domain for key in parked.values())
        tasks = sum(key.domain == domain for key in ready.values())
        totals[domain, "activity"] = waiting, tasks
    assert queues.by_domain() == totals
    for account in ("1", "2"):
        assert queues.parked_in(account) == sum(key.account == account for key in parked.values())
        for domain in ("x", "y"):
            expected = sum(key[:2] == (account, domain) for key in parked.values())
            assert queues.parked_in(account, domain) == expected
    assert queues.first_offered() == next(iter(ready), None)
    most_parked, most_ready = queues.longest(3)
    assert [queues.parked_on(key) for key in most_parked] == largest(map(queues.parked_on, queues.lists()))
    assert [queues.backlog(key) for key in most_ready] == largest(map(queues.backlog, queues.lists()))
    for waiter in list(parked):
        queues.drop_waiter(waiter)
    for task in ready:
        queues.withdraw(task)
    assert not queues.by_domain()
    assert not list(queues.lists())


def largest(numbers: Iterable[int]) -> list[int]:
    return sorted(filter(None, numbers), reverse=True)[:3]
