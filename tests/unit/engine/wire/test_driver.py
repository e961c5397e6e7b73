"""What happens when the disk or the core fails (spec/swf-long-poll-scale 6.5)."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.engine.wire.conftest import DOMAIN, Rig
from tests.unit.engine.wire.test_polls import STARTED, workflow_of

from elbflow_engine import core, driver, journal


async def recovered(rig: Rig, times: int = 1) -> None:
    async with asyncio.timeout(5):
        while rig.value("swfd_reloads_total") < times:
            await asyncio.sleep(0.005)


async def test_a_failed_commit_is_told_and_leaves_no_trace_in_memory(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.fail_next_commit(monkeypatch)
    with pytest.raises(driver.Unavailable, match="disk I/O error"):
        await rig.start("lost")
    with pytest.raises(driver.Unavailable):
        await rig.start("refused")
    await recovered(rig)
    assert rig.engine.engine.statistics().open_executions == 0
    run_id = await rig.start("lost")
    assert await rig.kinds("lost", run_id) == STARTED[:2]


async def test_parked_polls_outlive_a_reload_in_their_order(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await rig.park(), await rig.park()
    rig.fail_next_commit(monkeypatch)
    with pytest.raises(driver.Unavailable):
        await rig.start("lost")
    await recovered(rig)
    assert rig.polls.parked == 2
    await rig.start("kept")
    assert workflow_of(await first) == "kept"
    assert not second.done()


async def test_a_poll_that_breaks_the_reload_is_the_only_one_lost(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the recovery half-way: the polls behind it were never answered and no deadline fired any more."""
    first, second = await rig.park(), await rig.park()
    offer, exploded = core.Engine.poll, False

    def explode_once(self: core.Engine, *given: Any, **named: Any) -> core.Transition | core.Parked:
        nonlocal exploded
        if not exploded:
            exploded = True
            raise ZeroDivisionError("a defect")
        return offer(self, *given, **named)

    monkeypatch.setattr(core.Engine, "poll", explode_once)
    rig.fail_next_commit(monkeypatch)
    with pytest.raises(driver.Unavailable):
        await rig.start("lost")
    with pytest.raises(ZeroDivisionError):
        await first
    await recovered(rig, times=2)
    await rig.start("kept")
    assert workflow_of(await second) == "kept"


async def test_a_poll_whose_task_could_not_be_committed_gets_it_after_the_reload(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await rig.start("w")
    rig.fail_next_commit(monkeypatch)
    outcome = await (await rig.park())
    assert workflow_of(outcome) == "w"
    assert await rig.kinds("w", run_id) == STARTED
    assert rig.value("swfd_reloads_total") == 1


async def fill(rig: Rig) -> None:
    """No space is left; returns when the engine has noticed and serves reads."""
    await rig.limit_pages(1)
    big = "x" * 32_000
    with pytest.raises(driver.Unavailable, match="full"):
        await asyncio.gather(*(rig.call("RegisterDomain", **domain(number), description=big) for number in range(9)))
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(driver.Unavailable):
                await rig.call("DescribeDomain", name=DOMAIN)
                return
            await asyncio.sleep(0.01)


async def test_a_full_disk_refuses_changes_until_there_is_room(rig: Rig) -> None:
    parked = await rig.park()
    await fill(rig)
    assert rig.engine.recovering
    with pytest.raises(driver.Unavailable):
        await rig.start("refused")
    assert not parked.done()
    await rig.limit_pages(1_000_000)
    await recovered(rig)
    await rig.start("w")
    assert workflow_of(await parked) == "w"


async def test_a_full_disk_does_not_hide_what_is_committed(rig: Rig) -> None:
    run_id = await rig.start("w")
    open_later = await rig.start("x")
    await rig.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="w")
    await fill(rig)
    assert (await rig.kinds("w", run_id))[-1] == "WorkflowExecutionTerminated"
    assert await rig.kinds("x", open_later) == STARTED[:2]
    with pytest.raises(core.Fault, match="Unknown domain"):
        await rig.call("DescribeDomain", name="d0")
    await rig.limit_pages(1_000_000)
    await recovered(rig)


async def test_a_task_nobody_received_while_the_disk_was_full_is_offered_afterwards(rig: Rig) -> None:
    await rig.start("w")
    outcome = await (await rig.park())
    await fill(rig)
    rig.polls.take_back(outcome)
    await rig.limit_pages(1_000_000)
    await recovered(rig)
    again = await asyncio.wait_for(await rig.park(), 5)
    assert workflow_of(again) == "w"
    assert rig.value("swfd_unstart_total") == 1


async def test_a_task_whose_taking_back_could_not_be_committed_is_offered_afterwards(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.start("w")
    outcome = await (await rig.park())
    rig.fail_next_commit(monkeypatch)
    rig.polls.take_back(outcome)
    await recovered(rig)
    assert workflow_of(await asyncio.wait_for(await rig.park(), 5)) == "w"


async def test_a_change_that_cannot_be_stored_is_a_defect_and_harms_nobody_else(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller hears of an internal error (500); the others may try again."""
    parked = await rig.park()
    database = rig.book._database
    real = database.commit

    def refuse(group: Any) -> None:
        if any(isinstance(change, core.Put) and b"poisoned" in change.value for changes in group for change in changes):
            raise sqlite3.IntegrityError("a defect")
        real(group)

    monkeypatch.setattr(database, "commit", refuse)
    names = ("before", "poisoned", "behind")
    calls = (rig.call("RegisterDomain", name=name, workflowExecutionRetentionPeriodInDays="1") for name in names)
    before, poisoned, behind = await asyncio.gather(*calls, return_exceptions=True)
    assert before is None
    assert isinstance(poisoned, journal.ChangeRejected)
    assert isinstance(behind, driver.Unavailable)
    await recovered(rig)
    assert not parked.done()
    await rig.start("w")
    assert workflow_of(await parked) == "w"
    assert (await rig.call("DescribeDomain", name="before"))["domainInfo"]["name"] == "before"


def domain(number: int) -> dict[str, Any]:
    return {"name": f"d{number}", "workflowExecutionRetentionPeriodInDays": "1"}


async def test_an_error_inside_the_core_reloads_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = rig.engine.engine

    def explode(*_: object, **__: object) -> core.Transition:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(broken, "call", explode)
    with pytest.raises(ZeroDivisionError):
        await rig.start("w")
    await recovered(rig)
    assert rig.engine.engine is not broken
    await rig.start("w")


async def test_an_error_in_a_query_stops_nobody_else(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changed nothing: one request that hits a defect must not make the engine refuse everybody's."""

    def explode(*_: object, **__: object) -> core.Transition:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(rig.engine.engine, "call", explode)
        with pytest.raises(ZeroDivisionError):
            await rig.engine.call("000000000000", "ListDomains", {"registrationStatus": "REGISTERED"})
    assert not rig.engine.recovering
    await rig.start("w")
    assert rig.value("swfd_reloads_total") == 0


async def test_an_error_while_publishing_reloads_and_loses_no_task(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    parked = await rig.park()

    def explode(*_: object, **__: object) -> list[core.Handoff]:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(rig.engine.engine, "publish", explode)
    await rig.start("w")
    assert workflow_of(await parked) == "w"
    assert rig.value("swfd_reloads_total") == 1


async def test_a_caller_that_goes_away_does_not_stop_its_call(rig: Rig) -> None:
    parked = await rig.park()
    starting = asyncio.create_task(rig.start("w"))
    await asyncio.sleep(0)
    assert not starting.done()
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()
    assert workflow_of(await parked) == "w"


async def test_faults_wait_for_what_they_saw(rig: Rig) -> None:
    """A refusal must not report as done what could still be lost."""
    first = asyncio.create_task(rig.start("w"))
    second = asyncio.create_task(rig.start("w"))
    done, _ = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    assert first in done
    with pytest.raises(core.Fault, match="Already Started"):
        await second


async def test_deadlines_fire_by_themselves_and_are_measured(rig: Rig) -> None:
    await rig.start("w")
    task = await (await rig.park())
    assert task.started is not None
    assert isinstance(task.started.result, core.HistoryPage)
    timer = {"timerId": "t", "startToFireTimeout": "0"}
    decision = {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer}
    await rig.call(
        "RespondDecisionTaskCompleted", taskToken=task.started.result.head["taskToken"], decisions=[decision]
    )
    woken = await (await rig.park())
    assert workflow_of(woken) == "w"
    assert rig.value("swfd_timer_lag_seconds_count") == 1
    assert rig.value("swfd_timer_lag_seconds_sum") < 0.2


async def test_what_fires_together_is_with_the_journal_before_a_poll_gets_a_task_of_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision task that the first timer brings starts in the same turn, behind the events of the second one."""
    run_id = await rig.start("w")
    task = await (await rig.park())
    assert task.started is not None
    assert isinstance(task.started.result, core.HistoryPage)
    woken = await rig.park()
    handed: list[int] = []
    genuine = rig.book.commit

    def commit(changes: Sequence[core.Change]) -> asyncio.Future[None]:
        handed.extend(change.first_event_id for change in changes if isinstance(change, core.Append))
        return genuine(changes)

    monkeypatch.setattr(rig.book, "commit", commit)
    timers = [{"timerId": name, "startToFireTimeout": "0"} for name in ("a", "b")]
    decisions = [{"decisionType": "StartTimer", "startTimerDecisionAttributes": timer} for timer in timers]
    token = task.started.result.head["taskToken"]
    await rig.call("RespondDecisionTaskCompleted", taskToken=token, decisions=decisions)
    assert workflow_of(await woken) == "w"
    told = ["TimerFired", "DecisionTaskScheduled", "TimerFired", "DecisionTaskStarted"]
    assert (await rig.kinds("w", run_id))[-4:] == told
    assert handed == sorted(handed)
