"""Three managers in an account that may do 20 calls a second; each wants more, and none knows of it (Q20).

python -m tests.bench.polling_throttled

Each believes that it may send 50 polls and 50 starts a second, a quarter of the published quotas. Together they have
200 task lists on which every poll comes back empty after a second, and each starts executions as fast as it may. What
counts is the time from the 30th second on.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import structlog
from prometheus_client import CollectorRegistry
from tests.bench import engine_figures as figures
from tests.bench import engine_flows, engine_peers

from elbflow import polling, swf
from elbflow.tasks import Supervisor

ACCOUNT = "111122223333"
MANAGERS = 3
LANES = 200
ACCOUNT_PER_S = 20.0
PUBLISHED_PER_S = 200.0
HOLD_S = 1.0
LONGEST_BACK_OFF_S = 10.0
STARTERS = 8
LOOK_EVERY_S = 0.2
WORKFLOW = swf.TypeId(engine_flows.WORKFLOW["name"], engine_flows.WORKFLOW["version"])
CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "bench"}


@dataclass(frozen=True)
class Sizes:
    lanes: int
    converge_s: float
    measure_s: float


FULL = Sizes(LANES, 30.0, 40.0)
QUICK = Sizes(12, 0.5, 1.5)


@dataclass
class Watched:
    """The polls of one manager on their way to the client: :class:`elbflow.swf.Polls` with an eye on it.

    ``longest_s`` is the longest that any list had no poll parked; a refused poll was none.
    """

    client: swf.Client
    free_since: dict[str, float] = field(default_factory=dict)
    longest_s: float = 0.0

    @property
    def poll_connections(self) -> int:
        return self.client.poll_connections

    async def poll_for_decision_task(self, task_list: swf.TaskList, **_: object) -> swf.DecisionTask | None:
        raise AssertionError(f"{task_list} is no list of activities")

    async def poll_for_activity_task(
        self, task_list: swf.TaskList, *, identity: str, hold_s: float | None = None, hints: swf.Hints | None = None
    ) -> swf.ActivityTask | None:
        began = time.monotonic()
        task = await self.client.poll_for_activity_task(task_list, identity=identity, hold_s=hold_s, hints=hints)
        self.longest_s = max(self.longest_s, began - self.free_since.get(task_list.name, began))
        self.free_since[task_list.name] = time.monotonic()
        return task

    def begin(self) -> None:
        """Measure from now on."""
        self.longest_s = 0.0
        self.free_since = dict.fromkeys(self.free_since, time.monotonic())

    def end(self) -> None:
        """Count lists that still have no poll, too."""
        self.longest_s = max(self.longest_s, time.monotonic() - min(self.free_since.values()))


@dataclass
class Manager:
    """A process of ours. ``rates`` are the polls a second that it allowed itself, as seen now and then."""

    name: str
    watched: Watched
    scheduler: polling.Scheduler
    registry: CollectorRegistry
    lanes: int
    rates: list[float] = field(default_factory=list)
    supervisor: Supervisor = field(default_factory=Supervisor)

    def calls(self) -> Counter[tuple[str, bool]]:
        """Calls so far by operation and whether they were throttled."""
        counts: Counter[tuple[str, bool]] = Counter()
        for metric in self.registry.collect():
            for sample in metric.samples:
                if sample.name == "elbflow_swf_calls_total":
                    throttled = sample.labels["outcome"] == "throttled"
                    counts[sample.labels["operation"], throttled] += int(sample.value)
        return counts

    async def start(self, starter: int) -> None:
        """Start executions one after the other, as fast as they get through."""
        for number in itertools.count():
            with contextlib.suppress(swf.Throttled):
                await self.watched.client.start_workflow_execution(
                    engine_flows.DOMAIN, f"{self.name}-{starter}-{number}", WORKFLOW, task_list="nobody"
                )

    async def look(self) -> None:
        """Note the rate of the polls now and then."""
        while True:
            self.rates.append(self.scheduler.statistics().issue_rate[swf.TaskKind.ACTIVITY])
            await asyncio.sleep(LOOK_EVERY_S)


async def run(quick: bool) -> Sequence[figures.Figure]:
    sizes = QUICK if quick else FULL
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    os.environ |= CREDENTIALS
    scale = ACCOUNT_PER_S / PUBLISHED_PER_S
    hold = {"ELBFLOW_ENGINE_HOLD_S": str(HOLD_S)}
    with engine_peers.engine("--throttle-scale", str(scale), environment=hold) as peer:
        await engine_flows.prepare(peer.url, account=ACCOUNT)
        async with contextlib.AsyncExitStack() as stack:
            managers = [await stack.enter_async_context(_manager(peer.url, name, sizes)) for name in "abc"]
            await asyncio.sleep(sizes.converge_s)
            before = [manager.calls() for manager in managers]
            for manager in managers:
                manager.watched.begin()
                manager.rates.clear()
            await asyncio.sleep(sizes.measure_s)
            during = [manager.calls() - count for manager, count in zip(managers, before, strict=True)]
            for manager in managers:
                manager.watched.end()
    return [
        *_rates("polls", "PollForActivityTask", during, sizes),
        *_rates("starts", "StartWorkflowExecution", during, sizes),
        _unpolled(managers),
    ]


@contextlib.asynccontextmanager
async def _manager(url: str, name: str, sizes: Sizes) -> AsyncIterator[Manager]:
    lanes = -(-sizes.lanes // MANAGERS)
    registry = CollectorRegistry()
    settings = swf.ClientSettings(endpoint_url=url, poll_connections=lanes + 10, quotas=swf.QuotaSettings())
    profile = replace(polling.EndpointProfile.aws(), hold_s=HOLD_S, hold_max_s=2 * HOLD_S)
    async with swf.Client.open(settings, registry=registry) as client:
        watched = Watched(client)
        async with polling.Scheduler(watched, profile=profile, identity=name) as scheduler:
            manager = Manager(name, watched, scheduler, registry, lanes)
            for number in range(lanes):
                watched.free_since[f"{name}-{number}"] = time.monotonic()
                task_list = swf.TaskList(swf.TaskKind.ACTIVITY, engine_flows.DOMAIN, f"{name}-{number}")
                scheduler.add_lane(task_list, _idle, slots=1)
            for starter in range(STARTERS):
                manager.supervisor.start(manager.start(starter), "starter")
            manager.supervisor.start(manager.look(), "look")
            yield manager
            manager.supervisor.cancel()


async def _idle(_: swf.ActivityTask) -> None:
    raise AssertionError("nobody schedules activities on these lists")


def _rates(
    what: str, operation: str, during: Sequence[Counter[tuple[str, bool]]], sizes: Sizes
) -> Sequence[figures.Figure]:
    served = [count[operation, False] for count in during]
    throttled = sum(count[operation, True] for count in during)
    share = throttled / max(1, throttled + sum(served))
    fairness = sum(served) ** 2 / max(1, len(served) * sum(one**2 for one in served))
    rate = sum(served) / sizes.measure_s
    who = f"{MANAGERS} managers on an account of {ACCOUNT_PER_S:.0f} {what}/s, {sizes.converge_s:.0f} s on"
    return [
        figures.Figure(
            f"throttled {what}, {who}",
            "≤ 5 %",
            f"{share:.1%} ({throttled} of {throttled + sum(served)}; {rate:.1f}/s served)",
            share <= 0.05,
        ),
        figures.Figure(
            f"fairness of {what} between them (Jain's index)",
            "≥ 0.8",
            f"{fairness:.3f} ({', '.join(str(one) for one in served)})",
            fairness >= 0.8,
        ),
    ]


def _unpolled(managers: Sequence[Manager]) -> figures.Figure:
    """A list waits until all others of its manager have had a turn at the lowest rate, and for its own back-off."""
    rates = [manager.rates for manager in managers]
    lowest = min(map(min, rates))
    bound = managers[0].lanes / lowest + LONGEST_BACK_OFF_S + HOLD_S
    longest = max(manager.watched.longest_s for manager in managers)
    return figures.Figure(
        "longest that a list had no poll",
        f"≤ {bound:.0f} s: a round of {managers[0].lanes} lists, and {LONGEST_BACK_OFF_S:.0f} s back-off",
        f"{longest:.1f} s; {lowest:.1f} to {max(map(max, rates)):.1f} polls/s",
        longest <= bound,
    )


if __name__ == "__main__":
    sys.exit(figures.main(__doc__, run))
