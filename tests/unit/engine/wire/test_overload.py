"""Turns, shedding and floods of deadlines, over a real core and journal (spec/swf-long-poll-scale 6.6 to 6.8)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.unit.engine.wire.conftest import ACCOUNT, DOMAIN, Rig
from tests.unit.engine.wire.test_polls import workflow_of

from elbflow import clock
from elbflow_engine import core, driver, meters, pages, turns


@pytest.fixture
def shares() -> turns.Shares:
    return turns.Shares(window=2, reads=1, queued=3)


class Skewed(clock.SystemClock):
    """The machine's time, and more of it when a test says so."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


@pytest.fixture
def skewed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Skewed:
    time = Skewed()
    monkeypatch.setattr(rig.engine, "_clock", time)
    return time


@pytest.fixture
async def disk(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], None]]:
    """A disk that hangs; calling this lets it go on."""
    hang, database = threading.Event(), rig.book._database
    real = database.commit

    def commit(*given: Any) -> Any:
        hang.wait(20)
        return real(*given)

    monkeypatch.setattr(database, "commit", commit)
    yield hang.set
    hang.set()


def begin(rig: Rig, name: str) -> asyncio.Task[str]:
    return asyncio.create_task(rig.start(name))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def waiting(rig: Rig) -> int:
    return sum(rig.engine.turnstile.waiting().values())


async def test_requests_beyond_the_window_wait_for_their_turn_and_all_are_served(
    rig: Rig, disk: Callable[[], None]
) -> None:
    starts = [begin(rig, f"w{number}") for number in range(5)]
    await until(lambda: waiting(rig) == 3)
    assert rig.value("swfd_queue_length", **{"class": "start"}) == 3
    assert rig.value("swfd_in_service") == 2
    with pytest.raises(driver.Overloaded):
        await rig.start("one too many")
    assert rig.value("swfd_queue_refused_total", **{"class": "start"}) == 1
    disk()
    assert len(set(await asyncio.gather(*starts))) == 5
    assert rig.value("swfd_queue_seconds_count", **{"class": "start"}) == 3
    await until(lambda: rig.engine.turnstile.serving == 0)


async def test_a_caller_that_went_away_keeps_its_place_until_its_commit(rig: Rig, disk: Callable[[], None]) -> None:
    """Otherwise a client could fill the journal by calling and hanging up."""
    starts = [begin(rig, f"w{number}") for number in range(2)]
    await until(lambda: rig.engine.turnstile.serving == 2)
    for start in starts:
        start.cancel()
    await asyncio.wait(starts)
    for _ in range(5):
        await asyncio.sleep(0)
    assert rig.engine.turnstile.serving == 2
    disk()
    await until(lambda: rig.engine.turnstile.serving == 0)
    assert rig.engine.engine.statistics().open_executions == 2


async def test_parked_polls_are_not_in_service(rig: Rig) -> None:
    parked = [await rig.park() for _ in range(6)]
    await until(lambda: rig.engine.turnstile.serving == 0)
    await rig.start("w")
    assert workflow_of(await parked[0]) == "w"
    await until(lambda: rig.engine.turnstile.serving == 0)


async def test_a_poll_that_waits_for_its_turn_can_leave_or_be_sent_away(rig: Rig, disk: Callable[[], None]) -> None:
    starts = [begin(rig, f"w{number}") for number in range(2)]
    await until(lambda: rig.engine.turnstile.serving == 2)
    params: core.Object = {"domain": DOMAIN, "taskList": {"name": "other"}}
    polls = [
        asyncio.create_task(rig.polls.poll(ACCOUNT, "PollForActivityTask", params, lambda: True)) for _ in range(2)
    ]
    await until(lambda: waiting(rig) == 2)
    polls[0].cancel()
    await until(lambda: waiting(rig) == 1)
    await rig.polls.drain()
    disk()
    with pytest.raises(driver.Unavailable, match="shutting down"):
        await polls[1]
    await asyncio.gather(*starts)
    await until(lambda: rig.engine.turnstile.serving == 0)


async def test_who_waits_while_the_journal_fails_is_told_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, disk: Callable[[], None]
) -> None:
    starts = [begin(rig, f"w{number}") for number in range(4)]
    await until(lambda: waiting(rig) == 2)
    rig.fail_next_commit(monkeypatch)
    disk()
    ended = await asyncio.gather(*starts, return_exceptions=True)
    assert any(isinstance(one, driver.Unavailable) for one in ended)
    await until(lambda: not rig.engine.recovering and rig.engine.turnstile.serving == 0)
    await rig.start("later")


async def test_slow_commits_shed_visibility_then_starts_and_recover(
    rig: Rig, skewed: Skewed, disk: Callable[[], None], logs: list[Any]
) -> None:
    slow = begin(rig, "slow")
    await until(lambda: rig.engine.turnstile.serving == 1)
    listing = {"registrationStatus": "REGISTERED"}
    skewed.ahead_s = 2.5
    with pytest.raises(driver.Overloaded):
        await rig.call("ListDomains", **listing)
    skewed.ahead_s = 9.0
    with pytest.raises(driver.Overloaded):
        await rig.start("refused")
    answer = asyncio.create_task(rig.call("RespondActivityTaskCompleted", taskToken="forged"))
    await asyncio.sleep(0.01)
    assert not answer.done()
    disk()
    await slow
    with pytest.raises(core.Fault, match="Invalid token"):
        await answer
    skewed.ahead_s = 30.0
    assert (await rig.call("ListDomains", **listing))["domainInfos"]
    await rig.start("admitted")
    assert rig.value("swfd_shed_total", **{"class": "visibility"}) == 1
    assert rig.value("swfd_shed_total", **{"class": "start"}) == 1
    changes = [line["event"] for line in logs if line["event"].startswith("shedding")]
    assert changes == ["shedding_on", "shedding_on", "shedding_off"]


async def test_the_hand_off_counts_from_when_task_and_poll_were_both_there(rig: Rig) -> None:
    parked = await rig.park()
    before = meters.instant()
    await rig.start("woken")
    met = (await parked).met
    assert before < met <= meters.instant()
    await rig.start("ready")
    before = meters.instant()
    outcome = await (await rig.park())
    assert workflow_of(outcome) == "ready"
    assert before <= outcome.met <= meters.instant()
    assert outcome.waited_s == 0.0


async def test_a_flood_of_deadlines_fires_in_order_and_lets_requests_through(rig: Rig) -> None:
    runs = {}
    for name in ("a", "b"):
        runs[name] = await rig.start(name)
        task = await (await rig.park())
        assert task.started is not None
        assert isinstance(task.started.result, core.HistoryPage)
        timers: list[core.Json] = [
            {
                "decisionType": "StartTimer",
                "startTimerDecisionAttributes": {"timerId": f"t{number}", "startToFireTimeout": "1"},
            }
            for number in range(900)
        ]
        token = task.started.result.head["taskToken"]
        await rig.call("RespondDecisionTaskCompleted", taskToken=token, decisions=timers)
    most_firing, served = 0, 0
    async with asyncio.timeout(20):
        while rig.value("swfd_timer_lag_seconds_count") < 1800:
            await rig.call("DescribeDomain", name=DOMAIN)
            served += 0 < rig.value("swfd_timer_lag_seconds_count") < 1800
            most_firing = max(most_firing, rig.engine._firing)
            await asyncio.sleep(0)
    assert served > 1
    assert most_firing <= driver.MAX_FIRING + driver.MAX_FIRED_PER_TURN
    for name, run_id in runs.items():
        run = {"workflowId": name, "runId": run_id}
        newest = await rig.call("GetWorkflowExecutionHistory", domain=DOMAIN, execution=run, reverseOrder=True)
        fired = [event for event in reversed(newest["events"]) if event["eventType"] == "TimerFired"]
        assert [event["timerFiredEventAttributes"]["timerId"] for event in fired] == [f"t{n}" for n in range(900)]


async def test_a_history_waits_for_room_and_keeps_it_until_it_was_written(rig: Rig) -> None:
    run = {"workflowId": "w", "runId": await rig.start("w")}
    params: core.Object = {"domain": DOMAIN, "execution": run}
    rig.engine.pages = room = pages.Room(1_000_000, patience_s=0.01)
    await room.take(1_000_000)
    held = pages.Held(room)
    with pytest.raises(driver.Overloaded, match="history pages"):
        await rig.engine.call(ACCOUNT, "GetWorkflowExecutionHistory", params, held=held)
    assert held.bytes == 0
    room.give(1_000_000)
    body = await rig.engine.call(ACCOUNT, "GetWorkflowExecutionHistory", params, held=held)
    assert 0 < held.bytes < len(body)
    assert room.used == held.bytes
    held.release()
    assert room.used == 0
    await until(lambda: rig.engine.turnstile.serving == 0)


async def test_the_loops_lag_is_measured(rig: Rig) -> None:
    await until(lambda: rig.value("swfd_loop_lag_seconds_count") >= 1)
    with contextlib.suppress(core.Fault):
        await rig.call("DescribeDomain", name="unknown")
    assert rig.value("swfd_loop_lag_seconds_sum") >= 0.0
