"""Twice and five times more task lists than connections, on a real engine: every task comes to its handler (5.11)."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.bench import polling_rotation
from tests.bench.polling_rotation import BUDGET, Case

from elbflow.polling.bound import Mode
from elbflow_engine import embedded

SIZES = polling_rotation.Sizes(hold_s=1.0, watch_s=1.5, every_s=0.1, lists=(2 * BUDGET, 5 * BUDGET))
MODES = {"hold hint": Mode.HOLD_HINT, "counting": Mode.PROBING, "turns alone": Mode.ROTATION}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in polling_rotation.CREDENTIALS.items():
        monkeypatch.setenv(name, value)


async def test_every_task_is_dispatched_however_many_lists_share_the_budget() -> None:
    cases = polling_rotation.cases(SIZES)
    assert {(case.lists, case.name) for case in cases} == {(lists, name) for lists in (20, 50) for name in MODES}
    async with embedded.engine(hold_s=SIZES.hold_s) as url, asyncio.TaskGroup() as group:
        runs = {case: group.create_task(measured(url, case)) for case in cases}
    for case, run in runs.items():
        result = run.result()
        assert result.bound.mode is MODES[case.name]
        assert result.bound.situation.lists == case.lists
        assert len(result.waits_s) == result.offered > 0
        assert bool(result.counts) == case.counts


async def measured(url: str, case: Case) -> polling_rotation.Result:
    return await polling_rotation.measure(url, case, SIZES, random.Random(case.lists))
