"""100,000 timers set, 1,000 a second firing: how late they fire, and how long until a decider knows.

python -m tests.bench.engine_timers

Each execution sets 100 timers with one decision. Most of the executions' timers are due in a day; those of the others
are due in a window of 30 seconds, each second's share spread over the instants at which they were set. Lag is the
engine's own count, from the due instant (which the TimerFired event carries) to the moment it was found due. One in ten
of the firing executions is polled: delivery is from the due instant to the decision task at the poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from tests.bench import engine_figures as figures
from tests.bench import engine_flows, engine_http, engine_peers

PER_EXECUTION = 100
SETTERS = 4
POLLED_PART = 10
_LAG = "swfd_timer_lag_seconds"
_DAY_S = 86_000


@dataclass(frozen=True)
class Sizes:
    timers: int
    per_second: int
    window_s: int
    lead_s: float

    @property
    def firing(self) -> int:
        """Executions whose timers fire in the window."""
        return self.per_second * self.window_s // PER_EXECUTION


FULL = Sizes(timers=100_000, per_second=1_000, window_s=30, lead_s=3.0)
QUICK = Sizes(timers=1_000, per_second=200, window_s=1, lead_s=0.5)


@dataclass
class Delivered:
    """Seconds from the due instant of a timer to its decision task at the poll."""

    delays: list[float] = field(default_factory=list)
    polls: list[asyncio.Task[None]] = field(default_factory=list)


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    with engine_peers.engine() as peer:
        await engine_flows.prepare(peer.url)
        began = time.monotonic()
        await _set_all(peer.url, range(sizes.timers // PER_EXECUTION - sizes.firing), lambda _: _DAY_S)
        idle_s = time.monotonic() - began
        # The same pace for those that fire: they are set before the first of them is due.
        setting_s = idle_s * sizes.firing / max(1, sizes.timers // PER_EXECUTION - sizes.firing)
        first_due = time.time() + setting_s + sizes.lead_s
        last = sizes.timers // PER_EXECUTION
        await _set_all(peer.url, range(last - sizes.firing, last), lambda number: _delay(first_due, number, sizes))
        set_s = time.monotonic() - began
        before, cpu = peer.metrics(), peer.cpu_s()
        delivered = Delivered()
        async with _deciding(peer.url, range(last - sizes.firing, last, POLLED_PART), delivered):
            await asyncio.sleep(max(0.0, first_due - time.time()) + sizes.window_s + 2)
        fired = figures.difference(peer.metrics(), before)
        share = 100 * (peer.cpu_s() - cpu) / (sizes.window_s + 2)
    return _figures(sizes, fired, delivered, set_s, share)


def _delay(first_due: float, number: int, sizes: Sizes) -> int:
    """Whole seconds until timer ``number`` of an execution is due: the next after ``first_due`` in its turn."""
    return max(0, int(first_due - time.time())) + 1 + number % sizes.window_s


async def _set_all(url: str, executions: range, delay_of) -> None:
    """Start the executions and set their timers, a few at a time."""
    left = iter(executions)
    async with asyncio.TaskGroup() as group:
        for lane in range(SETTERS):
            group.create_task(_set(url, lane, left, delay_of))


async def _set(url: str, lane: int, left, delay_of) -> None:
    client = engine_http.Client(url)
    for number in left:
        task_list = f"timers-{number}"
        await engine_flows.start(client, task_list, task_list)
        task = await client.poll("Decision", engine_flows.DOMAIN, task_list)
        timers = [_timer(which, delay_of(which)) for which in range(PER_EXECUTION)]
        await client.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=timers)
    client.close()


def _timer(number: int, delay_s: int) -> dict[str, Any]:
    attributes = {"timerId": f"t{number}", "startToFireTimeout": str(delay_s)}
    return {"decisionType": "StartTimer", "startTimerDecisionAttributes": attributes}


@contextlib.asynccontextmanager
async def _deciding(url: str, executions: range, delivered: Delivered):
    """Poll the task lists of ``executions`` and answer each decision task with no decisions."""
    polls = [asyncio.create_task(_decide(url, f"timers-{number}", delivered)) for number in executions]
    try:
        yield
    finally:
        for task in polls:
            task.cancel()
        await asyncio.wait(polls)


async def _decide(url: str, task_list: str, delivered: Delivered) -> None:
    client = engine_http.Client(url)
    params = {
        "domain": engine_flows.DOMAIN,
        "taskList": {"name": task_list},
        "maximumPageSize": 100,
        "reverseOrder": True,
    }
    request = client.encode("PollForDecisionTask", params)
    try:
        while True:
            answer = await client.send(request, engine_http.POLL_DEADLINE_S)
            arrived = time.time()
            task = orjson.loads(answer.body)
            if not task.get("taskToken"):
                continue
            delivered.delays += [
                arrived - event["eventTimestamp"]
                for event in task["events"]
                if event["eventType"] == "TimerFired" and event["eventId"] > task["previousStartedEventId"]
            ]
            await client.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[])
    finally:
        client.close()


def _figures(sizes: Sizes, fired, delivered: Delivered, set_s: float, share: float) -> Sequence[figures.Figure]:
    count = fired[f"{_LAG}_count"]
    lag = [figures.of_histogram(fired, _LAG, quantile) for quantile in (0.5, 0.99)]
    p50, p99 = (figures.quantile(delivered.delays, quantile) for quantile in (0.5, 0.99))
    return [
        figures.Figure(
            f"timers: {sizes.timers} set, {sizes.per_second}/s firing ({count:.0f} fired)",
            "lag p99 ≤ 100 ms",
            f"lag p50 ≤ {figures.ms(lag[0])}, p99 ≤ {figures.ms(lag[1])}",
            lag[1] <= 0.1,
        ),
        figures.Figure(
            f"from a timer's instant to its decision task at the poll ({len(delivered.delays)} of them)",
            "",
            f"p50 {figures.ms(p50)}, p99 {figures.ms(p99)}",
        ),
        figures.Figure(
            "setting the timers; CPU of a core while they fire", "", f"{sizes.timers / set_s:.0f}/s; {share:.0f} %"
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
