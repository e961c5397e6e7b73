"""1,000 tasks at once on a list that one poll waits for: how the polls grow, and how they shrink again.

python -m tests.bench.polling_burst [--results DIR]

The server is 60 ms away, so that one poll cannot drain the list alone; handlers take 10 ms and have 16 slots. Holds
are ten times shorter than a local endpoint's. Beside ours, one naive poll, and sixteen of them. Scenario B11 and goal
Q22 of spec/swf-long-poll-scale 7 and 8.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import polling_crowd, polling_report
from tests.bench.engine_figures import Figure
from tests.bench.polling_pollers import Plan
from tests.emulators.behaviour import Behaviour
from tests.emulators.running import Emulator, emulated

CHART = "burst-polls"
LIST = "list"
SLOTS = 16
FASTER = 10.0
LATENCY_S = 0.06
HANDLER_S = 0.01
WATCH_EVERY_S = 0.1


@dataclass(frozen=True)
class Sizes:
    tasks: int
    drain_s: float
    hold_s: float
    idle_s: float


FULL = Sizes(tasks=1_000, drain_s=25.0, hold_s=5.8, idle_s=1.0)
QUICK = Sizes(tasks=20, drain_s=4.0, hold_s=0.8, idle_s=0.3)


@dataclass(frozen=True)
class Moment:
    """``at`` is seconds after the burst; ``target`` is how many polls are wanted."""

    at: float
    target: int
    done: int
    parked: int


@dataclass(frozen=True)
class Burst:
    """One poller's burst, watched ten times a second."""

    moments: Sequence[Moment]
    tasks: int

    def first(self, reached: int) -> float:
        """Seconds until ``reached`` polls were wanted."""
        return next((moment.at for moment in self.moments if moment.target >= reached), float("inf"))

    @property
    def most(self) -> int:
        return max(moment.target for moment in self.moments)

    @property
    def drained_s(self) -> float:
        return next((moment.at for moment in self.moments if moment.done >= self.tasks), float("inf"))

    def shrunk_s(self) -> float:
        """Seconds from the last task done until no more than one poll was wanted and parked."""
        after = (moment for moment in self.moments if moment.done >= self.tasks)
        calm = next((moment.at for moment in after if max(moment.target, moment.parked) <= 1), float("inf"))
        return calm - self.drained_s

    def shown(self, seconds: float, more: str = "") -> str:
        """``seconds``, or how long it was waited for in vain."""
        if seconds < float("inf"):
            return f"{seconds:.1f} s{more}"
        return f"not within the watch of {self.moments[-1].at:.0f} s{more}"

    def rate(self) -> float:
        """Tasks per second until the list was drained, or the watch ended."""
        last = next((moment for moment in self.moments if moment.done >= self.tasks), self.moments[-1])
        return last.done / last.at


def run(run: polling_report.Run) -> Sequence[Figure]:
    sizes = QUICK if run.quick else FULL
    found = {
        "ours": burst(run, sizes, "ours", SLOTS),
        "one naive poll": burst(run, sizes, "bare", 1),
        "sixteen naive polls": burst(run, sizes, "bare", SLOTS),
    }
    for name, each in found.items():
        for moment in each.moments:
            run.point(CHART, name, round(moment.at, 1), moment.target)
    ours, one, many = found.values()
    holds = 2 * sizes.hold_s
    drained = ours.shown(ours.drained_s, f", {ours.rate():.0f}/s")
    return [
        Figure(
            "burst of 1,000, one poll: 12 polls wanted after",
            "≤ 10 s",
            ours.shown(ours.first(12), f", {ours.most} at most"),
            ours.first(12) <= 10,
        ),
        Figure("all of them answered after", "≤ 15 s", drained, ours.drained_s <= 15),
        Figure(
            "back to one poll, after the last answer",
            f"≤ 2 holds = {holds:.1f} s",
            ours.shown(ours.shrunk_s()),
            ours.shrunk_s() <= holds,
        ),
        Figure(
            "the same burst with one naive poll", "", f"{one.rate():.0f}/s: {sizes.tasks / one.rate():.0f} s for all"
        ),
        Figure(
            f"with {SLOTS} naive polls",
            "",
            f"answered after {many.shown(many.drained_s)}; {many.moments[-1].parked} polls stay parked for good",
        ),
    ]


def burst(run: polling_report.Run, sizes: Sizes, poller: str, polls: int) -> Burst:
    """One poller meets the burst; ours is watched until it is calm again, the others until the list is drained."""
    how = Behaviour(hold_s=sizes.hold_s, latency_s=LATENCY_S)
    with emulated(how, run.server) as server:
        plan = Plan(server.url, (LIST,), polls, answer=True, handler_s=HANDLER_S, faster=FASTER)
        with polling_crowd.crowd(poller, plan, run.client) as crowd:
            crowd.start()
            time.sleep(sizes.idle_s + (sizes.hold_s if poller == "ours" else 0.0))
            return Burst(watch(sizes, server, crowd, polls, until_calm=poller == "ours"), sizes.tasks)


def watch(
    sizes: Sizes, server: Emulator, crowd: polling_crowd.Crowd, polls: int, *, until_calm: bool
) -> Sequence[Moment]:
    """Hand out the tasks and look ten times a second, until it is over or takes too long."""
    moments: list[Moment] = []
    server.reset()
    begun = time.monotonic()
    server.tasks([LIST], sizes.tasks)
    drained = False
    deadline_s = sizes.drain_s if until_calm else sizes.drain_s / 2
    while (at := time.monotonic() - begun) < deadline_s:
        seen = moment(at, server.report(), crowd.report(), polls)
        moments.append(seen)
        if seen.done >= sizes.tasks and not drained:
            drained = True
            deadline_s = at + (3 * sizes.hold_s if until_calm else sizes.idle_s)
        if drained and until_calm and max(seen.target, seen.parked) <= 1:
            break
        time.sleep(WATCH_EVERY_S)
    return moments


def moment(at: float, server: dict[str, Any], crowd: dict[str, Any], polls: int) -> Moment:
    return Moment(at, crowd.get("targets", polls), server["done"], server["parked"])


if __name__ == "__main__":
    sys.exit(polling_report.main(__doc__, run))
