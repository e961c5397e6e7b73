"""What a decision costs, from memory and by replay of the whole history: CPU of the decision worker.

python -m tests.bench.flow_decisions

Executions with a past of so many events, each decided again and again by :class:`elbflow.flow.DecisionWorker`. How many
decisions one core makes in a second follows from the mean, not from the median.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
from collections.abc import Sequence

from tests.bench import engine_figures as figures
from tests.bench import flow_decider, flow_report
from tests.bench.engine_figures import Figure

PASTS = (100, 1_000)
JUDGED_PAST, MOST_P99_S = 1_000, 0.005
PER_EXECUTION = 6


def program(run: flow_report.Run) -> Sequence[Figure]:
    wanted = 36 if run.quick else 1_200
    rows = []
    for past in PASTS[:1] if run.quick else PASTS:
        rows += table(past, wanted)
    return rows


def table(past: int, wanted: int) -> list[Figure]:
    remembered = asyncio.run(decide(past, wanted, remembering=True))
    replayed = asyncio.run(decide(past, min(wanted, 300_000 // past), remembering=False))
    judged = past == JUDGED_PAST
    p99 = figures.quantile(remembered, 0.99)
    return [
        Figure(
            f"decision after {past:,} events, in memory: p50, p99",
            f"p99 ≤ {figures.ms(MOST_P99_S, 0)}" if judged else "",
            f"{figures.ms(figures.median(remembered), 2)}, {figures.ms(p99, 2)}",
            p99 <= MOST_P99_S if judged else None,
        ),
        Figure(
            f"decision after {past:,} events, full replay: p50, p99",
            "",
            f"{figures.ms(figures.median(replayed), 2)}, {figures.ms(figures.quantile(replayed, 0.99), 2)}",
        ),
        Figure(
            f"decisions of one core in a second after {past:,} events: in memory, full replay",
            "",
            f"{1 / statistics.mean(remembered):,.0f}, {1 / statistics.mean(replayed):,.0f}",
        ),
    ]


async def decide(past: int, wanted: int, *, remembering: bool) -> list[float]:
    """CPU seconds of ``wanted`` decisions of executions with ``past`` events. Raises unless all were answered."""
    events = flow_decider.recorded(past, PER_EXECUTION + 1)
    service = flow_decider.Service()
    costs: list[float] = []
    given = 0
    sticky = flow_decider.remember_all() if remembering else None
    async with flow_decider.worker(service, remembering=sticky) as worker:
        gc.collect()
        gc.freeze()
        for number in range(-(-wanted // PER_EXECUTION)):
            found = flow_decider.tasks(events, past, only_new=remembering, run=f"run-{number}")
            for position, task in zip(range(PER_EXECUTION + 1), found, strict=False):
                cost = await flow_decider.cost(worker, task, on_own_list=remembering and position > 0)
                given += 1
                if position:  # the first one replays in any case
                    costs.append(cost)
    if len(service.answers) != given or not all(service.answers):
        raise SystemExit(f"{given} decision tasks, {len(service.answers)} answers")
    return costs


if __name__ == "__main__":
    sys.exit(flow_report.main(__doc__, program))
