"""What a VM remembers, and that nothing is written twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from elbflow import clock
from elbflow.contract import document
from elbflow_agent.haproxy import stats
from elbflow_agent.health import tracker
from elbflow_agent.servo.ledger import Ledger
from elbflow_agent.servo.memory import Memory

IN = tracker.Health(document.InstanceState.IN_SERVICE, in_rotation=True, description="")
FRESH_S = 60.0


@pytest.fixture
def time() -> clock.ManualClock:
    return clock.ManualClock()


@pytest.fixture
def memory(tmp_path: Path, time: clock.ManualClock) -> Memory:
    return Memory(tmp_path, time)


async def test_unchanged_health_is_dated_anew_and_not_written_again(
    memory: Memory, time: clock.ManualClock, tmp_path: Path
) -> None:
    await memory.save_health({"i-1": IN})
    before = (tmp_path / "health.json").stat()
    await time.advance(50)
    await memory.save_health({"i-1": IN})
    after = (tmp_path / "health.json").stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime - before.st_mtime == pytest.approx(50)
    await time.advance(FRESH_S - 1)
    assert await Memory(tmp_path, time).health(FRESH_S) == {"i-1": IN}
    await time.advance(2)
    assert await Memory(tmp_path, time).health(FRESH_S) == {"i-1": IN.stale()}


async def test_changed_health_is_written_and_a_lost_file_comes_back(memory: Memory, tmp_path: Path) -> None:
    await memory.save_health({"i-1": IN})
    await memory.save_health({"i-1": IN, "i-2": tracker.Health()})
    assert set(await memory.health(FRESH_S)) == {"i-1", "i-2"}
    (tmp_path / "health.json").unlink()
    await memory.save_health({"i-1": IN, "i-2": tracker.Health()})
    assert set(await memory.health(FRESH_S)) == {"i-1", "i-2"}


async def test_health_from_the_future_is_stale(memory: Memory, time: clock.ManualClock, tmp_path: Path) -> None:
    await memory.save_health({"i-1": IN})
    time.step_wall_clock(-3600)
    assert await Memory(tmp_path, time).health(FRESH_S) == {"i-1": IN.stale()}


async def test_an_empty_report_costs_no_write_and_what_is_owed_is_kept(memory: Memory, tmp_path: Path) -> None:
    ledger, counters, file = Ledger(), stats.Counters({"RequestCount": 5.0}), tmp_path / "metrics.json"
    owed = ledger.take(counters.totals, 0, period_s=60, now=1000.0)
    await memory.save_metrics(ledger, counters)
    first = file.stat().st_ino
    ledger.take(counters.totals, owed.sequence, period_s=60, now=1060.0)
    await memory.save_metrics(ledger, counters)
    settled = file.stat().st_ino
    ledger.take(counters.totals, 0, period_s=60, now=1120.0)
    await memory.save_metrics(ledger, counters)
    assert (first == settled, file.stat().st_ino == settled) == (False, True)
    recalled, totals = await Memory(tmp_path, clock.ManualClock()).metrics()
    assert recalled.take(totals.totals, ledger.sequence, period_s=60, now=1180.0).counters == ()


async def test_a_report_that_is_still_owed_is_written_with_its_number(memory: Memory, tmp_path: Path) -> None:
    ledger, counters = Ledger(), stats.Counters({"RequestCount": 5.0})
    ledger.take(counters.totals, 0, period_s=60, now=1000.0)
    await memory.save_metrics(ledger, counters)
    again = ledger.take(counters.totals, 0, period_s=60, now=1060.0)
    await memory.save_metrics(ledger, counters)
    recalled, totals = await Memory(tmp_path, clock.ManualClock()).metrics()
    assert recalled.take(totals.totals, again.sequence, period_s=60, now=1120.0).counters == ()


async def test_which_report_arrived_may_be_told_after_a_restart(memory: Memory, tmp_path: Path) -> None:
    ledger, counters = Ledger(), stats.Counters({"RequestCount": 5.0})
    arrived = ledger.take(counters.totals, 0, period_s=60, now=1000.0)
    await memory.save_metrics(ledger, counters)
    ledger.take(counters.totals, 0, period_s=60, now=1060.0)
    await memory.save_metrics(ledger, counters)
    recalled, totals = await Memory(tmp_path, clock.ManualClock()).metrics()
    assert recalled.take(totals.totals, arrived.sequence, period_s=60, now=1120.0).counters == ()


async def test_answers_that_wait_for_their_line_are_known_after_a_restart(memory: Memory) -> None:
    counters = stats.Counters(totals={"RequestCount": 3.0})
    counters.samples.owe(80, 2)
    await memory.save_metrics(Ledger(), counters)
    _, found = await memory.metrics()
    assert found.samples.owed == {80: 2}
