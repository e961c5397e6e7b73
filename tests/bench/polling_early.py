"""A server that answers polls empty too soon: what the naive loop makes of it, and what our pacing does.

python -m tests.bench.polling_early [--results DIR]

3,000 polls on as many lists meet a server that answers after 1 s. Then a few lists meet one that answers after 10 ms,
while tasks come: how often each list is polled, and how long a task waits. Scenario B7 and goal Q19 of
spec/swf-long-poll-scale 7 and 8; C7 of spec/perf-baselines 8.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench import polling_crowd, polling_report
from tests.bench.engine_figures import Figure, quantile
from tests.bench.polling_pollers import Plan
from tests.emulators import behaviour
from tests.emulators.running import emulated

from elbflow import polling

CHART = "early-rate"
STOCK = "naive: stock aiobotocore"
BARE = "naive: bare client"


@dataclass(frozen=True)
class Sizes:
    """``polls`` is for the server that answers after a second, ``lists`` of ``each`` polls for all others."""

    polls: int
    settle_s: float
    window_s: float
    lists: int
    each: int
    tasks: int
    tasks_per_s: float
    profiles: Sequence[polling.EndpointKind]
    shapes: Sequence[tuple[float, float]]


SHAPES = ((0.01, 1.0), (0.01, 0.1), (10.0, 1.0))
FULL = Sizes(
    3_000,
    settle_s=5.0,
    window_s=12.0,
    lists=30,
    each=4,
    tasks=60,
    tasks_per_s=4.0,
    profiles=("aws", "local"),
    shapes=SHAPES,
)
QUICK = Sizes(
    100,
    settle_s=0.5,
    window_s=1.5,
    lists=5,
    each=2,
    tasks=4,
    tasks_per_s=4.0,
    profiles=("aws",),
    shapes=SHAPES[:1],
)


@dataclass(frozen=True)
class Rate:
    """Polls per second in the window; ``answered`` is what the server answered early, ``alarm`` what our metric said
    a moment later."""

    per_s: float
    history: Sequence[int]
    answered: int
    alarm: float


def run(run: polling_report.Run) -> Sequence[Figure]:
    sizes = QUICK if run.quick else FULL
    lists = tuple(f"list-{number}" for number in range(sizes.polls))
    rates: dict[str, Rate] = {}
    contenders: list[tuple[str, str, polling.EndpointKind]] = [(STOCK, "stock", "aws"), (BARE, "bare", "aws")]
    contenders += [(_ours(profile), "ours", profile) for profile in sizes.profiles]
    for series, poller, profile in contenders:
        found = rates[series] = measure(run, sizes, poller, lists, profile)
        for second, polls in enumerate(found.history):
            run.point(CHART, series, second, polls)
    return [*_second_rows(sizes, rates), *_instant_rows(run, sizes), *_shape_rows(run, sizes)]


def _ours(profile: polling.EndpointKind) -> str:
    return f"ours, {profile} profile"


def measure(
    run: polling_report.Run, sizes: Sizes, poller: str, lists: tuple[str, ...], profile: polling.EndpointKind
) -> Rate:
    """Polls that a server sees which answers after a second."""
    with ExitStack() as stack:
        server = stack.enter_context(emulated(behaviour.early(1.0), run.server))
        crowd = stack.enter_context(polling_crowd.crowd(poller, Plan(server.url, lists, profile=profile), run.client))
        server.reset()
        crowd.start()
        time.sleep(sizes.settle_s)
        server.wait(lambda report: report["polls"] >= sizes.polls, sizes.settle_s)
        before = server.report()
        time.sleep(sizes.window_s)
        after = server.report()
        time.sleep(1.0)
        alarm = crowd.report().get("wasted", 0.0)
    per_s = (after["polls"] - before["polls"]) / (after["seconds"] - before["seconds"])
    return Rate(per_s, after["per_s"], after["empty_early"], alarm)


def _second_rows(sizes: Sizes, rates: dict[str, Rate]) -> Sequence[Figure]:
    naive, bare = rates[STOCK].per_s, rates[BARE].per_s
    rows = []
    for name in sizes.profiles:
        ours = rates[_ours(name)]
        cap = polling.EndpointProfile.of(name).issue_rate
        rows += [
            Figure(
                f"{sizes.polls:,} polls answered empty after 1 s: requests per second against the naive loop, {name}",
                "≤ 0.1 ×",
                f"{_times(ours.per_s, bare)} ({ours.per_s:.1f} against a bare client's {bare:.0f}; "
                f"{_times(ours.per_s, naive)} of the {naive:.0f} that one core of aiobotocore manages)",
                ours.per_s <= 0.1 * bare,
            ),
            Figure(
                f"the same against the cap of all polls, {name}",
                f"≤ {cap:g}/s",
                f"{ours.per_s:.1f}/s",
                ours.per_s <= 1.02 * cap,
            ),
            Figure(
                f"early answers that swf_poll_wasted_total counted, {name}",
                "all",
                f"{ours.alarm:.0f}, the server {ours.answered} just before",
                ours.alarm >= ours.answered,
            ),
        ]
    return rows


def _times(value: float, peer: float) -> str:
    return f"{value / peer:.3f} ×" if peer else "no rate to compare with:"


def _instant_rows(run: polling_report.Run, sizes: Sizes) -> Sequence[Figure]:
    """The server answers after 10 ms: without tasks, then with some."""
    lists = tuple(f"list-{number}" for number in range(sizes.lists))
    with emulated(behaviour.early(0.01), run.server) as server:
        plan = Plan(server.url, lists, polls=sizes.each, answer=True)
        with polling_crowd.crowd("ours", plan, run.client) as crowd:
            crowd.start()
            time.sleep(sizes.settle_s)
            server.reset()
            time.sleep(sizes.window_s)
            idle = server.report()
            crowd.report()
            server.steadily(lists, per_s=sizes.tasks_per_s, count=sizes.tasks)
            seen = server.wait(lambda report: report["done"] >= sizes.tasks, sizes.tasks / sizes.tasks_per_s + 10.0)
            latencies = crowd.report()["latencies"]
    per_list = idle["polls"] / idle["seconds"] / sizes.lists
    longest = max(latencies, default=float("inf"))
    return [
        Figure(
            f"{sizes.lists} lists of {sizes.each} polls answered after 10 ms: polls per second and list",
            "≤ 1.2/s",
            f"{per_list:.2f}/s",
            per_list <= 1.2,
        ),
        Figure(
            f"{seen['done']} of {sizes.tasks} tasks meanwhile: longest wait for the handler",
            "≤ 1.5 s",
            f"{longest:.2f} s (p50 {quantile(latencies, 0.5):.2f} s)",
            longest <= 1.5 and seen["done"] == sizes.tasks,
        ),
    ]


def _shape_rows(run: polling_report.Run, sizes: Sizes) -> Sequence[Figure]:
    """Other delays and shares of early answers, all at the same time on a server each."""
    lists = tuple(f"list-{number}" for number in range(sizes.lists))
    with ExitStack() as stack:
        servers = [stack.enter_context(emulated(behaviour.early(*shape), run.server)) for shape in sizes.shapes]
        for server in servers:
            plan = Plan(server.url, lists, polls=sizes.each)
            stack.enter_context(polling_crowd.crowd("ours", plan, run.client)).start()
        time.sleep(sizes.settle_s)
        before = [server.report() for server in servers]
        time.sleep(sizes.window_s)
        after = [server.report() for server in servers]
    return [
        Figure(
            f"{share:.0%} answered after {delay_s:g} s: polls per second and list",
            "",
            f"{_grown(late, early) / sizes.lists:.2f}/s",
        )
        for (delay_s, share), early, late in zip(sizes.shapes, before, after, strict=True)
    ]


def _grown(after: dict[str, Any], before: dict[str, Any]) -> float:
    return (after["polls"] - before["polls"]) / (after["seconds"] - before["seconds"])


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, run))
