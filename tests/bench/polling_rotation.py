"""Task lists beyond the poll budget: how long a task waits for its list's turn, beside the computed bound.

python -m tests.bench.polling_rotation

A real engine that holds polls for 15 s, and schedulers with 10 connections for 20 and for 50 task lists: with shorter
holds asked of the engine, on an endpoint that cannot be asked but counts pending tasks (once per second, the share of
one process on AWS), and on one that does neither. All run at the same time, each in a domain of its own, and get a
decision task every two seconds, on a list drawn at random from those where none waits. Latency is the time from the
task's DecisionTaskScheduled event to the start of its handler.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.bench import engine_figures as figures
from tests.bench import engine_flows, engine_peers

from elbflow import polling, swf

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "111122223333", "AWS_SECRET_ACCESS_KEY": "bench"}
WORKFLOW = swf.TypeId(engine_flows.WORKFLOW["name"], engine_flows.WORKFLOW["version"])
DONE = swf.Decision("CompleteWorkflowExecution", {"result": "done"})
BUDGET = 10
PROBES_PER_S = 1.0
START_S = 2.0
MARGIN_S = 5.0


@dataclass(frozen=True)
class Sizes:
    hold_s: float
    watch_s: float
    every_s: float
    lists: tuple[int, ...]


FULL = Sizes(hold_s=15.0, watch_s=90.0, every_s=2.0, lists=(2 * BUDGET, 5 * BUDGET))
QUICK = Sizes(hold_s=2.0, watch_s=1.0, every_s=0.1, lists=(2 * BUDGET,))


@dataclass(frozen=True)
class Case:
    """One scheduler: ``asks`` for shorter holds, or ``counts`` pending tasks, or does neither."""

    name: str
    lists: int
    asks: bool = False
    counts: bool = False


@dataclass
class Result:
    """``waits_s`` are the latencies of all tasks that came, in seconds."""

    case: Case
    bound: polling.Bound
    waits_s: list[float] = field(default_factory=list)
    offered: int = 0
    polls: int = 0
    counts: int = 0


class Deaf:
    """The client of an endpoint that gives no hints and takes none."""

    def __init__(self, client: swf.Client) -> None:
        self.client = client

    async def poll_for_decision_task(
        self,
        task_list: swf.TaskList,
        *,
        identity: str,
        start_at_previous: bool = False,
        hold_s: float | None = None,
        hints: swf.Hints | None = None,
    ) -> swf.DecisionTask | None:
        return await self.client.poll_for_decision_task(task_list, identity=identity)

    async def poll_for_activity_task(
        self, task_list: swf.TaskList, *, identity: str, hold_s: float | None = None, hints: swf.Hints | None = None
    ) -> swf.ActivityTask | None:
        return await self.client.poll_for_activity_task(task_list, identity=identity)


class Counting(Deaf):
    """As :class:`Deaf`, but it counts pending tasks."""

    async def count_pending_tasks(self, task_list: swf.TaskList) -> int:
        return await self.client.count_pending_tasks(task_list)


async def measure(url: str, case: Case, sizes: Sizes, rng: random.Random) -> Result:
    """Offer tasks for ``watch_s`` seconds, and wait for those that are left."""
    domain = f"rotation-{case.name}-{case.lists}"
    await engine_flows.prepare(url, domain)
    settings = swf.ClientSettings(endpoint_url=url, poll_connections=BUDGET)
    async with swf.Client.open(settings) as client:
        service: swf.Polls = client if case.asks else Counting(client) if case.counts else Deaf(client)
        profile = dataclasses.replace(
            polling.EndpointProfile.local(),
            hold_s=sizes.hold_s,
            takes_hold_hints=case.asks,
            probe_rate=PROBES_PER_S,
        )
        async with polling.Scheduler(service, profile=profile, identity="bench", budget=BUDGET) as scheduler:
            waits_s: list[float] = []
            waiting: set[str] = set()

            async def decide(task: swf.DecisionTask) -> None:
                scheduled = next(event for event in task.events if event.type == "DecisionTaskScheduled")
                waits_s.append(max(0.0, time.time() - scheduled.timestamp))
                waiting.discard(task.execution.workflow_id.partition(" ")[0])
                await client.respond_decision_task_completed(task.token, [DONE])

            lists = [swf.TaskList(swf.TaskKind.DECISION, domain, f"list-{n}") for n in range(case.lists)]
            for task_list in lists:
                scheduler.add_lane(task_list, decide, slots=4)
            await asyncio.sleep(START_S)
            result = Result(case, scheduler.statistics(lanes=False).sharing, waits_s)
            await _offer(client, lists, waiting, sizes, result, rng)
            deadline = time.monotonic() + result.bound.worst_s + sizes.hold_s + MARGIN_S
            while len(waits_s) < result.offered and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
            now = scheduler.statistics()
            result.polls, result.counts = sum(lane.polls for lane in now.lanes), now.probes.asked
    return result


async def _offer(
    client: swf.Client,
    lists: Sequence[swf.TaskList],
    waiting: set[str],
    sizes: Sizes,
    result: Result,
    rng: random.Random,
) -> None:
    until = time.monotonic() + sizes.watch_s
    for number in itertools.count():
        await asyncio.sleep(sizes.every_s)
        if time.monotonic() >= until:
            return
        task_list = rng.choice([one for one in lists if one.name not in waiting])
        waiting.add(task_list.name)
        await client.start_workflow_execution(
            task_list.domain, f"{task_list.name} {number}", WORKFLOW, input="", task_list=task_list.name
        )
        result.offered += 1


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    os.environ |= CREDENTIALS
    async with AsyncExitStack() as stack:
        peer = stack.enter_context(engine_peers.engine("--hold", str(sizes.hold_s), memory=True))
        async with asyncio.TaskGroup() as group:
            runs = [
                group.create_task(measure(peer.url, case, sizes, random.Random(number)))
                for number, case in enumerate(cases(sizes))
            ]
    return [row for made in runs for row in rows(made.result())]


def cases(sizes: Sizes) -> list[Case]:
    return [
        case
        for lists in sizes.lists
        for case in (
            Case("hold hint", lists, asks=True),
            Case("counting", lists, counts=True),
            Case("turns alone", lists),
        )
    ]


def rows(result: Result) -> list[figures.Figure]:
    bound, waits_s = result.bound, result.waits_s
    name = f"{result.case.lists} lists, {BUDGET} connections, {result.case.name}"
    p50, p99 = figures.quantile(waits_s, 0.5), figures.quantile(waits_s, 0.99)
    longest, mean = max(waits_s, default=float("nan")), sum(waits_s) / max(1, len(waits_s))
    shown = f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {longest:.2f} s"
    asked = f", {result.counts} counts" if result.case.counts else ""
    return [
        figures.Figure(
            f"{name}: wait", f"≤ {bound.worst_s:.0f} s, computed", shown, longest <= bound.worst_s + START_S
        ),
        figures.Figure(f"{name}: mean wait", f"{bound.mean_s:.1f} s, computed", f"{mean:.2f} s"),
        figures.Figure(
            f"{name}: tasks",
            f"{result.offered} offered",
            f"{len(waits_s)} dispatched by {result.polls} polls{asked}",
            len(waits_s) == result.offered,
        ),
    ]


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
