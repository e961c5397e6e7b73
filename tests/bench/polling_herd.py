"""Servers that broke the original: one that wakes all waiters, ones with a thread per poll, and an emulated Eucalyptus.

python -m tests.bench.polling_herd [--results DIR]

What is compared runs at the same time, each poller on a server of its own. The naive poller is a bare client where a
herd is measured, so that its own cost does not slow it down, and boto3's threads elsewhere. Holds and the time of the
endpoint run ten times faster than the original's where threads and Eucalyptus are emulated. Scenarios B5, B6 and B8 of
spec/swf-long-poll-scale 8, faults 2.1 to 2.3.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench import engine_figures as figures
from tests.bench import polling_crowd, polling_report
from tests.bench.engine_figures import Figure, ms, quantile
from tests.bench.polling_pollers import Plan
from tests.emulators import behaviour
from tests.emulators.behaviour import Behaviour
from tests.emulators.running import emulated

CHART = "herd-requests"
FASTER = 10.0
GRACE_S = 5.0
LOST_POLLS = 1_100


@dataclass(frozen=True)
class Scene:
    """A server, and what is polled there: ``polls`` of each of ``lists``, ours within ``budget``."""

    name: str
    behaviour: Behaviour
    lists: int
    polls: int
    budget: int


@dataclass(frozen=True)
class Sizes:
    """``waiters`` of one list in the sweep; tasks per second; seconds to settle and to count."""

    waiters: Sequence[int]
    per_s: float
    settle_s: float
    window_s: float
    probes: int
    servers: Sequence[Scene]


EUCALYPTUS = Scene("Eucalyptus emulated", behaviour.eucalyptus(), lists=16, polls=4, budget=24)
SCENES = (
    Scene("server of 32 threads", behaviour.thread_pool(32), lists=16, polls=4, budget=24),
    Scene("server of 256 threads", behaviour.thread_pool(256), lists=64, polls=8, budget=200),
    EUCALYPTUS,
)
FULL = Sizes((1, 4, 16, 64), per_s=20.0, settle_s=6.0, window_s=4.0, probes=50, servers=SCENES)
QUICK = Sizes((8,), per_s=20.0, settle_s=0.5, window_s=1.0, probes=5, servers=(EUCALYPTUS,))


@dataclass(frozen=True)
class Contender:
    """One poller on a server of its own."""

    name: str
    poller: str
    behaviour: Behaviour
    plan: Plan


@dataclass(frozen=True)
class Outcome:
    """What its server counted while tasks came, and seconds of short calls made meanwhile."""

    report: dict[str, Any]
    short_calls: Sequence[float]

    @property
    def requests_per_task(self) -> float:
        return self.report["polls"] / max(1, self.report["given"])

    def tasks(self) -> str:
        p99_s = quantile(self.report["done_s"] or [float("inf")], 0.99)
        return f"{self.report['done']} of {self.report['offered']} done, p99 {p99_s:.2f} s"

    def __str__(self) -> str:
        calls = quantile(self.short_calls, 0.99)
        shown = f"short call p99 {ms(calls)}" if calls < polling_crowd.PROBE_DEADLINE_S else "short calls time out"
        return (
            f"{self.tasks()}; {shown}; {self.report['parked_max']} parked, {self.report['queued_max']} queued at most"
        )


def run(run: polling_report.Run) -> Sequence[Figure]:
    sizes = QUICK if run.quick else FULL
    rows = [*_herd_rows(run, sizes)]
    for scene in sizes.servers:
        rows += _server_rows(run, sizes, scene)
    return [*rows, _lost_row(run, sizes)]


def contest(
    run: polling_report.Run, sizes: Sizes, contenders: Sequence[Contender], per_s: float, *, probes: int = 0
) -> Sequence[Outcome]:
    """Let tasks come to all of them at the same rate; counted from the end of settling until the last task is done, or
    until the grace is over."""
    with ExitStack() as stack:
        servers = [stack.enter_context(emulated(each.behaviour, run.server)) for each in contenders]
        crowds = []
        for each, server in zip(contenders, servers, strict=True):
            plan = _at(each.plan, server.url)
            crowds.append(stack.enter_context(polling_crowd.crowd(each.poller, plan, run.client)))
        for crowd in crowds:
            crowd.start()
        time.sleep(min(2.0, sizes.settle_s))
        for each, server in zip(contenders, servers, strict=True):
            server.steadily(each.plan.lists, per_s=per_s, count=round(per_s * sizes.settle_s))
        time.sleep(sizes.settle_s)
        count = round(per_s * sizes.window_s)
        for each, server in zip(contenders, servers, strict=True):
            server.reset()
            server.steadily(each.plan.lists, per_s=per_s, count=count)
        begun = time.monotonic()
        calls = [crowd.probe(probes, sizes.window_s) if probes else [] for crowd in crowds]
        time.sleep(max(0.0, begun + sizes.window_s - time.monotonic()))
        counted = [server.report() for server in servers]
        left_s = begun + sizes.window_s + GRACE_S - time.monotonic()
        ended = [server.wait(lambda report: report["done"] >= count, max(0.0, left_s)) for server in servers]
    # Requests are those of the window; tasks may take the grace to be done.
    return [
        Outcome(late | {"polls": early["polls"], "given": early["given"]}, each)
        for early, late, each in zip(counted, ended, calls, strict=True)
    ]


def _at(plan: Plan, url: str) -> Plan:
    return Plan(url, plan.lists, plan.polls, plan.answer, plan.handler_s, plan.profile, plan.faster, plan.budget)


def _herd_rows(run: polling_report.Run, sizes: Sizes) -> Sequence[Figure]:
    """Polls per task over the number of waiters of one list."""
    found: dict[str, Outcome] = {}
    for waiters in sizes.waiters:
        plan = Plan("", ("list",), polls=waiters, answer=True)
        contenders = (
            Contender("naive, server wakes all", "bare", behaviour.herd(), plan),
            Contender("ours, server wakes all", "ours", behaviour.herd(), plan),
            Contender("ours, server wakes one", "ours", Behaviour(), plan),
        )
        for each, outcome in zip(contenders, contest(run, sizes, contenders, sizes.per_s), strict=True):
            run.point(CHART, each.name, waiters, round(outcome.requests_per_task, 2))
            figures.say(f"{waiters} polls wanted, {each.name}: {outcome.requests_per_task:.1f} polls per task")
            found[each.name] = outcome
    naive, ours, one = (found[f"{name}"] for name in found)
    most = sizes.waiters[-1]
    return [
        Figure(
            f"herd of {most} waiters, {sizes.per_s:g} tasks/s: polls per task against the naive loop",
            "≤ 0.1 ×" if most >= 32 else "",
            f"{ours.requests_per_task / naive.requests_per_task:.2f} × "
            f"({ours.requests_per_task:.1f} against {naive.requests_per_task:.1f}; "
            f"{one.requests_per_task:.2f} when one is woken)",
            ours.requests_per_task <= 0.1 * naive.requests_per_task if most >= 32 else None,
        ),
        Figure("tasks of the herd's list: ours", "all done", ours.tasks(), _all_done(ours)),
        Figure("the same, naive", "", naive.tasks()),
    ]


def _server_rows(run: polling_report.Run, sizes: Sizes, scene: Scene) -> Sequence[Figure]:
    """Ours within its budget, and a thread for every poll that is configured."""
    names = tuple(f"list-{number}" for number in range(scene.lists))
    budget = scene.budget
    plan = Plan("", names, scene.polls, answer=True, handler_s=0.01, profile="eucalyptus", faster=FASTER, budget=budget)
    contenders = [Contender(each, each, scene.behaviour.faster(FASTER), plan) for each in ("ours", "threads")]
    ours, naive = contest(run, sizes, contenders, 10.0, probes=sizes.probes)
    figures.say(f"{scene.name}: ours {ours}; naive {naive}")
    stable = _all_done(ours) and ours.report["parked_max"] <= budget and ours.report["queued_max"] == 0
    wanted = f"{scene.lists} lists of {scene.polls}"
    return [
        Figure(
            f"{scene.name}: ours, {wanted}, budget {budget}",
            "all done, ≤ budget parked, none queued",
            str(ours),
            stable,
        ),
        Figure(f"{scene.name}: naive, {wanted}", "", str(naive)),
    ]


def _all_done(outcome: Outcome) -> bool:
    return bool(outcome.report["done"] == outcome.report["offered"])


def _lost_row(run: polling_report.Run, sizes: Sizes) -> Figure:
    """Eucalyptus loses the tasks of a list with more than a thousand pollers."""
    plan = Plan("", ("list",), LOST_POLLS, answer=True, profile="eucalyptus", faster=FASTER, budget=24)
    how = behaviour.eucalyptus().faster(FASTER)
    contenders = [Contender(each, each, how, plan) for each in ("ours", "bare")]
    ours, naive = contest(run, sizes, contenders, 10.0)
    return Figure(
        f"Eucalyptus emulated, {LOST_POLLS:,} polls wanted on one list: tasks lost",
        "0",
        f"{ours.report['lost']} of {ours.report['offered']} (naive {naive.report['lost']})",
        ours.report["lost"] == 0 and _all_done(ours),
    )


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, run))
