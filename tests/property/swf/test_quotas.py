"""The bucket and its queue hold what they promise whatever is asked of them, and whenever."""

from __future__ import annotations

import asyncio
import bisect
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from elbflow import clock as clocks
from elbflow import swf
from elbflow.swf.metrics import QuotaMetrics

START = "StartWorkflowExecution"


@given(
    rate=st.floats(0.05, 200.0),
    burst=st.none() | st.floats(0.1, 500.0),
    steps=st.lists(st.tuples(st.floats(0.0, 30.0), st.booleans()), min_size=1, max_size=120),
)
@settings(max_examples=80, deadline=None)
def test_no_window_sees_more_than_burst_and_rate(
    rate: float, burst: float | None, steps: list[tuple[float, bool]]
) -> None:
    governor = swf.RateGovernor(rate, burst=burst)
    capacity = max(1.0, rate if burst is None else burst)
    now, taken = 0.0, list[float]()
    for pause, throttled in steps:
        now += pause
        for _ in range(40):
            if governor.ready_at(now) > now:
                break
            governor.take(now)
            taken.append(now)
        if throttled:
            governor.throttled(now)
        assert min(rate, 0.5) <= governor.rate <= rate
    for first, begin in enumerate(taken):
        if first and taken[first - 1] == begin:
            continue
        for end in sorted(set(taken[first:])):
            count = bisect.bisect_right(taken, end) - first
            assert count <= capacity + rate * (end - begin) + 1e-3


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_first_come_first_served_within_rate_and_deadline(seed: int) -> None:
    asyncio.run(_storm(random.Random(seed)))


async def _storm(rng: random.Random) -> None:
    """Calls come and are cancelled, the account throttles; who passes does so in order, in time and within the rate."""
    clock = clocks.ManualClock()
    share = swf.QuotaSettings(share=rng.uniform(0.01, 0.2), scale=rng.uniform(0.01, 0.2))
    quota = share.of(START)
    assert quota is not None
    quotas = swf.Quotas(share, clock=clock, metrics=QuotaMetrics(None))
    passed: list[tuple[int, float]] = []
    late: list[int] = []

    async def call(number: int, within_s: float) -> None:
        deadline = clock.monotonic() + within_s
        try:
            await quotas.acquire(START, within_s)
        except swf.Throttled:
            if clock.monotonic() > deadline + 1e-3:
                late.append(number)
            return
        passed.append((number, clock.monotonic()))
        if clock.monotonic() > deadline + 1e-3:
            late.append(number)

    calls: list[asyncio.Task[None]] = []
    for _ in range(30):
        within_s = rng.choice((1.0, 20.0, 60.0))
        calls += [asyncio.ensure_future(call(len(calls) + more, within_s)) for more in range(rng.randint(0, 10))]
        await clocks.settle()
        if rng.random() < 0.3 and calls:
            rng.choice(calls).cancel()
        if rng.random() < 0.2:
            quotas.failed(START, swf.Throttled())
        await clock.advance(rng.uniform(0.0, 2.0))
    await clock.advance(61.0)
    assert all(call.done() for call in calls)
    assert not late
    assert quotas.waiting(START) == 0
    assert [number for number, _ in passed] == sorted(number for number, _ in passed)
    instants = [at for _, at in passed]
    for first, begin in enumerate(instants):
        for last in range(first, len(instants)):
            most = max(1.0, quota.burst) + quota.per_s * (instants[last] - begin)
            assert last - first + 1 <= most + 1e-3
