from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from elbflow_engine import core, journal
from elbflow_engine.testing import Bench, MemoryJournal, decision


def tell(bench: Bench) -> None:
    """Executions 1 and 2 are closed; 3 and 4 are open, one of them with an activity that has sent a heartbeat."""
    for name in ("done", "gone", "open", "busy"):
        bench.start(name)
        task = bench.poll()
        if name == "done":
            bench.decide(task, decision("CompleteWorkflowExecution", result="x"))
        elif name == "gone":
            bench.call("TerminateWorkflowExecution", workflowId=name)
        elif name == "busy":
            sample = {"name": "sample", "version": "1"}
            bench.decide(task, decision("ScheduleActivityTask", activityId="a", activityType=sample))
            activity = bench.poll("activity", "work") or {}
            bench.call("RecordActivityTaskHeartbeat", domain=None, taskToken=activity["taskToken"], details="half")


@pytest.fixture
async def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a journal that an engine has written and closed."""
    told: list[tuple[core.Change, ...]] = []
    real = MemoryJournal.apply

    def apply(memory: MemoryJournal, changes: Iterable[core.Change]) -> None:
        told.append(tuple(changes))
        real(memory, told[-1])

    monkeypatch.setattr(MemoryJournal, "apply", apply)
    tell(Bench())
    path = tmp_path / "data" / journal.FILE_NAME
    async with journal.Journal.open(path) as book:
        await book.secret()
        for changes in told:
            await book.commit(changes)
    return path
