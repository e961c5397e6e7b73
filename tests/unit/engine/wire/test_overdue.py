"""Deadlines that passed while no engine ran (spec/swf-long-poll-scale 6.6)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import prometheus_client

from elbflow import clock
from elbflow_engine import core, driver, journal, meters, polls

COUNT = 700
"""More than one turn of the loop fires."""


async def serve(book: journal.Journal, now: clock.ManualClock) -> driver.Driver:
    meter = meters.Meters(prometheus_client.CollectorRegistry())
    engine = driver.Driver(book, driver.Configuration(core.Limits()), now, meter)
    polls.Polls(engine, polls.HoldTime(30.0), meter, random.Random(1))
    await engine.start()
    return engine


async def test_a_restart_fires_many_overdue_deadlines_in_their_order(tmp_path: Path) -> None:
    now = clock.ManualClock()
    began = now.now()
    lengths = random.Random(1).sample(range(1, 10 * COUNT), COUNT)
    async with journal.Journal.open(tmp_path / journal.FILE_NAME) as book:
        engine = await serve(book, now)
        await engine.call("1", "RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "30"})
        version: dict[str, Any] = {"name": "t", "version": "1"}
        defaults: dict[str, Any] = {
            "defaultTaskList": {"name": "l"},
            "defaultTaskStartToCloseTimeout": "NONE",
            "defaultChildPolicy": "TERMINATE",
        }
        await engine.call("1", "RegisterWorkflowType", {"domain": "d"} | version | defaults)
        for length in lengths:
            start: dict[str, Any] = {"domain": "d", "workflowId": f"w{length}", "workflowType": version}
            await engine.call("1", "StartWorkflowExecution", start | {"executionStartToCloseTimeout": str(length)})
        await engine.close()
    now.step_wall_clock(20 * COUNT)
    written: list[core.Closed] = []

    class Watched(journal.Journal):
        def commit(self, changes):  # type: ignore[no-untyped-def]
            written.extend(change.row for change in changes if isinstance(change, core.Close))
            return super().commit(changes)

    async with Watched.open(tmp_path / journal.FILE_NAME) as book:
        engine = await serve(book, now)
        assert [row.workflow_id for row in written] == [f"w{length}" for length in sorted(lengths)]
        assert [row.close_ms for row in written] == [round((began + length) * 1000) for length in sorted(lengths)]
        last = {"workflowId": written[-1].workflow_id, "runId": written[-1].run_id}
        history = await engine.call("1", "GetWorkflowExecutionHistory", {"domain": "d", "execution": last})
        assert orjson.loads(history)["events"][-1]["eventType"] == "WorkflowExecutionTimedOut"
        await engine.close()
