"""What a load balancer that nothing happens to costs in SWF calls, on virtual time (design section 6)."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from tests.integration.control_plane.stack import KEY, Stack, stack

from elbflow import clock as clocks
from elbflow import swf
from elbflow.contract import document
from elbflow_engine.testing import SwfDouble

MEASURED_S = 900
SETTLED_S = 120
MOST_CALLS_PER_SECOND = 0.2


class Counted:
    """Counts the calls that pass to ``service``, by operation; ended polls count once."""

    def __init__(self, service: swf.Service) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self._service = service

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._service, name)
        return self._counting(name, member) if asyncio.iscoroutinefunction(member) else member

    def _counting(self, name: str, member: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return await member(*args, **kwargs)
            finally:
                self.calls[name] += 1

        return call


async def test_an_idle_load_balancer_costs_at_most_a_call_in_five_seconds(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    clock = clocks.ManualClock()
    async with SwfDouble(clock, random.Random(1)) as double:
        counted = Counted(double)
        async with stack(tmp_path, cast(swf.Service, counted), clock, health_check_period_s=60.0) as running:
            await _create(running, clock, KEY)
            one = await _measure(running, counted, clock)
            others = [document.LoadBalancerKey(KEY.account, f"web-{number}") for number in range(3)]
            for key in others:
                await _create(running, clock, key)
            four = await _measure(running, counted, clock)
            lbs = [await running.lb(key) for key in (KEY, *others)]

    each = {name: (four[name] - one[name]) / 3 / MEASURED_S * 60 for name in four}
    per_second = sum(each.values()) / 60
    record_property("calls_per_load_balancer_and_second", round(per_second, 3))
    record_property("calls_per_load_balancer_and_minute", {name: round(calls, 2) for name, calls in each.items()})
    record_property("other_calls_per_minute", round(sum(one.values()) / MEASURED_S * 60 - per_second * 60, 1))
    assert per_second <= MOST_CALLS_PER_SECOND
    # It was alive meanwhile: every VM reported every fourth minute and proved the newest generation.
    for lb in lbs:
        (vm,) = lb.vms
        assert vm.reported_at is not None
        assert clock.now() - vm.reported_at < 270
        assert vm.applied_generation == lb.generation
        assert vm.failures == 0


async def _create(running: Stack, clock: clocks.ManualClock, key: document.LoadBalancerKey) -> None:
    passing = asyncio.create_task(_pass_time(running, clock, 10_000))
    await running.create("a", key=key)
    await running.served(key)
    for vm in running.host.of(key.name):
        vm.is_used = False
    passing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await passing


async def _measure(running: Stack, counted: Counted, clock: clocks.ManualClock) -> collections.Counter[str]:
    await _pass_time(running, clock, SETTLED_S)
    counted.calls.clear()
    await _pass_time(running, clock, MEASURED_S)
    return collections.Counter(counted.calls)


async def _pass_time(running: Stack, clock: clocks.ManualClock, seconds: int) -> None:
    """Virtual seconds, each with a real moment for the agent host's sockets and as many as the database needs.

    A disk that is slow for a moment would else cost virtual minutes, and reports with them.
    """
    for _ in range(seconds):
        await clock.advance(1.0)
        await asyncio.sleep(0.001)
        while running.env.db.in_use:
            await asyncio.sleep(0.001)
