"""Whatever a workflow does, the test environment's history of it is one that SWF could have written."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.flow.adversary import POKE, SIGNATURE, Interpreter, Offspring, Program, act, programs, undo

from elbflow import errors, flow
from elbflow.flow import testing
from elbflow_engine import histories

OUTCOMES: dict[str, Callable[[int], Any]] = {
    "done": lambda number: 2 * number,
    "slow": lambda number: testing.taking(timedelta(seconds=7), number),
    "too slow": lambda number: testing.taking(timedelta(seconds=70), number),
    "refused": lambda number: _raise(errors.Permanent("no")),
    "again": lambda number: _raise(OSError("again")),
    "silent": lambda number: _raise(testing.Never()),
    "late": lambda number: _raise(testing.TimesOut()),
}


def _raise(error: Exception) -> Any:
    raise error


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    program=programs,
    outcomes=st.lists(st.sampled_from(sorted(OUTCOMES)), min_size=1, max_size=12),
    pokes=st.integers(0, 4),
    cancelled_after=st.none() | st.integers(0, 60),
)
def test_histories_are_whole_and_correct(
    program: Program, outcomes: list[str], pokes: int, cancelled_after: int | None
) -> None:
    asyncio.run(_run(program, outcomes, pokes, cancelled_after))


async def _run(program: Program, outcomes: list[str], pokes: int, cancelled_after: int | None) -> None:
    turns = iter(outcomes)

    def fake(number: int) -> Any:
        return OUTCOMES[next(turns, "done")](number)

    fakes: dict[flow.Activity[..., Any], Any] = {act: fake, undo: lambda number: -number}
    async with testing.Environment(workflows=[Interpreter, Offspring], activities=fakes) as env:
        handle = await env.start(SIGNATURE, program)
        for number in range(pokes):
            await env.advance(timedelta(seconds=1))
            if handle.status is None:
                await handle.signal(POKE, number)
        if cancelled_after is not None:
            await env.advance(timedelta(seconds=cancelled_after))
            if handle.status is None:
                await handle.cancel()
        with contextlib.suppress(flow.WorkflowFailed, flow.WorkflowClosed):
            await handle.result()
        assert handle.status is not None
        histories.check(json.loads(handle.recorded())["events"], expired_at=env.now.timestamp())
