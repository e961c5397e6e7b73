"""Threads that decide at the same time: what is replaced for a decision stays replaced until the last one is done."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from elbflow import flow
from elbflow.flow import guards
from elbflow.flow.core import decide

NAMES = ("wait", "as_completed", "all_tasks", "wait_for")
PATIENCE_S = 5

pytestmark = pytest.mark.usefixtures("may_block")  # workflows that wait for each other's threads


class Meeting:
    """Two decisions that overlap: one begins first and ends while the other is under way."""

    def __init__(self, programs: Any) -> None:
        self._programs = programs
        self._one_began, self._other_began, self._one_ended = (threading.Event() for _ in range(3))

    def hold(self, body: Any) -> None:
        """Decide ``body`` as the other; raises what that raises."""
        with ThreadPoolExecutor(2) as pool:
            results = [pool.submit(self._one), pool.submit(self._other, body)]
            for result in results:
                result.result()

    def _one(self) -> None:
        async def one(workflow: Any, number: int) -> int:
            self._one_began.set()
            assert self._other_began.wait(PATIENCE_S)
            return number

        try:
            self._decide(one)
        finally:
            self._one_ended.set()

    def _other(self, body: Any) -> None:
        async def other(workflow: Any, number: int) -> int:
            self._other_began.set()
            assert self._one_ended.wait(PATIENCE_S)
            await body()
            return number

        assert self._one_began.wait(PATIENCE_S)
        self._decide(other)

    def _decide(self, body: Any) -> None:
        run = self._programs.run(body)
        with guards.guarded():
            decide.decide(run.workflow_class, run.swf.poll(), execution=run.swf.execution)


@pytest.fixture
def meeting(programs: Any) -> Meeting:
    return Meeting(programs)


def test_asyncio_is_as_before_when_both_are_done(meeting: Meeting) -> None:
    plain = [getattr(asyncio, name) for name in NAMES]
    seen: list[Any] = []

    async def looks() -> None:
        seen.append([getattr(asyncio, name) for name in NAMES])

    meeting.hold(looks)
    assert not set(plain) & set(seen[0])
    assert [getattr(asyncio, name) for name in NAMES] == plain


def test_the_one_that_goes_on_keeps_its_order(meeting: Meeting) -> None:
    async def waits_for_others_than_tasks() -> None:
        await asyncio.wait([asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))])

    with pytest.raises(flow.NonDeterministicCall, match=r"asyncio\.wait\(\)"):
        meeting.hold(waits_for_others_than_tasks)


def test_the_collector_rests_until_both_are_done(meeting: Meeting) -> None:
    resting: list[bool] = []

    async def looks() -> None:
        resting.append(not gc.isenabled())

    meeting.hold(looks)
    assert resting[0]
    assert gc.isenabled()
