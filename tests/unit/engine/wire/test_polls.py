"""Who gets a task when clients come and go (spec/swf-semantics 4.2, spec/swf-long-poll-scale 6.1)."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.unit.engine.wire.conftest import ACCOUNT, DOMAIN, LIST, Client, Rig

from elbflow_engine import core, driver, polls

STARTED = ["WorkflowExecutionStarted", "DecisionTaskScheduled", "DecisionTaskStarted"]


def workflow_of(outcome: polls.Outcome) -> str:
    assert outcome.started is not None
    result = outcome.started.result
    assert isinstance(result, core.HistoryPage)
    return str(result.head["workflowExecution"]["workflowId"])  # type: ignore[index, call-overload]


async def test_a_task_reaches_the_oldest_parked_poll(rig: Rig) -> None:
    first, second = await rig.park(), await rig.park()
    await rig.start("w")
    assert workflow_of(await first) == "w"
    assert not second.done()
    assert rig.polls.parked == 1


async def test_a_task_that_meets_a_poll_needs_no_commit_of_its_own(rig: Rig) -> None:
    poll = await rig.park()
    commits, changes = rig.value("swfd_commit_seconds_count"), rig.value("swfd_commit_group_size_sum")
    await rig.start("w")
    await poll
    assert rig.value("swfd_commit_seconds_count") == commits + 1
    assert rig.value("swfd_commit_group_size_sum") == changes + 2


async def test_a_cancelled_poll_leaves_its_place_at_once(rig: Rig) -> None:
    first, second = await rig.park(), await rig.park()
    first.cancel()
    await asyncio.wait({first})
    assert rig.polls.parked == 1
    await rig.start("w")
    assert workflow_of(await second) == "w"
    assert rig.value("swfd_polls_total", result="disconnect") == 1


async def test_a_dead_connection_is_passed_over_at_hand_over(rig: Rig) -> None:
    dead, alive = Client(), Client()
    first, second = await rig.park(dead), await rig.park(alive)
    dead.connected = False
    run_id = await rig.start("w")
    assert workflow_of(await second) == "w"
    assert await rig.kinds("w", run_id) == STARTED
    assert first.cancelled()
    assert rig.value("swfd_unstart_total") == 1
    assert rig.value("swfd_dead_waiter_skipped_total") == 1


async def test_a_poll_cancelled_while_its_task_is_being_committed_gives_it_back(rig: Rig) -> None:
    first = await rig.park()
    starting = asyncio.create_task(rig.start("w"))
    while rig.polls.parked:
        await asyncio.sleep(0)
    assert not first.done()
    first.cancel()
    run_id = await starting
    assert workflow_of(await (await rig.park())) == "w"
    assert await rig.kinds("w", run_id) == STARTED


async def test_a_poll_cancelled_after_its_task_arrived_gives_it_back(rig: Rig) -> None:
    def alive() -> bool:
        """Asked last of all before the task is given to the poll."""
        asyncio.get_running_loop().call_soon(first.cancel)
        return True

    params: core.Object = {"domain": DOMAIN, "taskList": LIST}
    first = asyncio.create_task(rig.polls.poll(ACCOUNT, "PollForDecisionTask", params, alive))
    while not rig.polls.parked:
        await asyncio.sleep(0)
    run_id = await rig.start("w")
    await asyncio.wait({first})
    assert first.cancelled()
    assert workflow_of(await (await rig.park())) == "w"
    assert await rig.kinds("w", run_id) == STARTED
    assert rig.value("swfd_unstart_total") == 1


async def test_an_answer_that_could_not_be_written_gives_its_task_back_in_place(rig: Rig) -> None:
    await rig.start("older")
    await rig.start("newer")
    taken = await (await rig.park())
    assert workflow_of(taken) == "older"
    rig.polls.take_back(taken)
    await rig.book.commit(())
    await asyncio.sleep(0)
    assert workflow_of(await (await rig.park())) == "older"


async def test_taking_back_an_empty_answer_does_nothing(rig: Rig) -> None:
    rig.polls.take_back(polls.Outcome(None, 0.0, 0.0))
    assert rig.value("swfd_unstart_total") == 0
    assert rig.book.settled


async def test_drain_answers_everybody_empty_and_refuses_new_polls(rig: Rig) -> None:
    parked = [await rig.park() for _ in range(450)]
    began = asyncio.get_running_loop().time()
    await rig.polls.drain()
    outcomes = await asyncio.gather(*parked)
    assert {outcome.started for outcome in outcomes} == {None}
    assert asyncio.get_running_loop().time() - began < 1.0
    assert rig.value("swfd_polls_total", result="empty_drain") == 450
    with pytest.raises(driver.Unavailable):
        await (await rig.park())
    await rig.start("still-served")


async def test_faults_of_the_core_reach_the_poller(rig: Rig) -> None:
    with pytest.raises(core.Fault) as caught:
        await rig.polls.poll(
            ACCOUNT, "PollForDecisionTask", {"domain": "nowhere", "taskList": {"name": "x"}}, lambda: True
        )
    assert caught.value.code == "UnknownResourceFault"
    assert rig.polls.parked == 0


def test_holds_are_spread_around_their_mean_and_never_above_sixty() -> None:
    chance = random.Random(7)
    drawn = [polls.HoldTime().draw(chance) for _ in range(1000)]
    assert 57.0 <= min(drawn) < 57.1
    assert 58.9 < max(drawn) <= 59.0
    assert max(polls.HoldTime(60.0).draw(chance) for _ in range(100)) == 60.0
    assert min(polls.HoldTime(0.1).draw(chance) for _ in range(100)) >= 0.05
