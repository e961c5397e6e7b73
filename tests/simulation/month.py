"""The continuous workflows of many idle load balancers for a month of virtual time, on the bare core of the engine.

    python -m tests.simulation.month --load-balancers 1000 --days 30 --seed 1

With kills of the engine, lost and repeated answers, tasks that reach nobody or two workers, and clock steps. The same
seed repeats the same month. ``--stretch 1`` keeps the real periods (a report a minute, two heartbeats a minute): a
month of 1000 load balancers then takes hours, so that periods are longer by default.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation import scripts
from tests.simulation.world import Trouble, World

from elbflow_engine import core, histories
from elbflow_engine.testing import Simulation

DAY_S = 86_400.0
SETTLED_DAYS = 2
"""After so many days the first runs are purged, and everything should stay as it is."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The state at the end of one day."""

    day: int
    cpu_s: float
    rss_mib: float
    objects: int
    open_executions: int
    deadlines: int
    stored_events: int
    stored_runs: int
    parked: int

    def __str__(self) -> str:
        return (
            f"day {self.day:3d}: {self.cpu_s:6.1f} s of CPU, RSS {self.rss_mib:6.1f} MiB, {self.objects} objects, "
            f"open {self.open_executions}, deadlines {self.deadlines}, parked {self.parked}, "
            f"stored {self.stored_events} events of {self.stored_runs} closed runs"
        )


@dataclass(slots=True)
class Month:
    """What a simulated month was like."""

    world: World
    samples: list[Sample] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def transitions_per_s(self) -> float:
        """Per second of CPU; the scripts around the core and the checks take their share of it."""
        return self.world.simulation.tally.transitions / self.cpu_s


def simulate(
    load_balancers: int, days: int, seed: int, periods: scripts.Periods, trouble: Trouble | None = None
) -> Month:
    """Run and check; raises AssertionError, with the history where there is one."""
    # Polls of VMs never end here, so that all of them are parked at once.
    limits = core.Limits(parked_polls=10_000 + 2 * load_balancers)
    simulation = Simulation(random.Random(seed), limits)
    world = World(simulation, periods, trouble or Trouble(), load_balancers)
    month = Month(world)
    world.begin()
    begun, begun_cpu = time.perf_counter(), time.process_time()
    for day in range(1, days + 1):
        simulation.run(DAY_S)
        month.wall_s, month.cpu_s = time.perf_counter() - begun, time.process_time() - begun_cpu
        month.samples.append(_sample(world, day, month.cpu_s))
        check_alive(world)
    check_bounded(month)
    return month


def check_alive(world: World) -> None:
    """No execution is lost or stuck, no timer was missed, early or late, every open history is sound."""
    simulation, periods = world.simulation, world.periods
    executions = 3 * world.load_balancers
    statistics = simulation.statistics()
    assert statistics.open_executions == executions, statistics
    assert len(world.decided_at) == executions
    assert simulation.tally.latest_s < 0.001, f"a deadline fired {simulation.tally.latest_s} s late"
    patience = 2 * max(periods.refresh_s, periods.status_s + 900, 2 * periods.metrics_s, 3 * periods.heartbeat_s) + 600
    stuck = [name for name, at in world.decided_at.items() if simulation.now - at > patience]
    assert not stuck, f"nothing was decided for {patience} s: {stuck}"
    overdue = [entry for entry in statistics.lists if entry.backlog > executions]
    assert not overdue
    for execution_id in simulation.open_ids():
        events = histories.parse(simulation.journal.history(execution_id))
        histories.check(events, expired_at=simulation.wall - 0.001)


def check_bounded(month: Month) -> None:
    """Nothing grows once the first runs are purged."""
    settled = [sample for sample in month.samples if sample.day > SETTLED_DAYS]
    if len(settled) < 2:
        return
    first, last = settled[0], settled[-1]
    assert last.stored_events <= 1.25 * first.stored_events, "the journal grows"
    assert last.stored_runs <= 1.25 * first.stored_runs, "closed runs are not purged"
    assert last.deadlines <= 2 * first.deadlines + 8192, "deadlines pile up"
    assert last.objects <= 1.15 * first.objects + 10_000, "objects pile up"
    assert last.rss_mib <= 1.15 * first.rss_mib + 20, "memory grows"


def _sample(world: World, day: int, cpu_s: float) -> Sample:
    simulation = world.simulation
    gc.collect()
    statistics = simulation.statistics()
    return Sample(
        day=day,
        cpu_s=cpu_s,
        rss_mib=int(Path("/proc/self/statm").read_text().split()[1]) / 256,
        objects=len(gc.get_objects()),
        open_executions=statistics.open_executions,
        deadlines=statistics.deadlines,
        stored_events=simulation.journal.stored_events(),
        stored_runs=len(simulation.journal.closed()),
        parked=statistics.parked,
    )


def report(month: Month, days: int) -> str:
    """Figures for people."""
    world, tally = month.world, month.world.simulation.tally
    real = scripts.Periods().transitions_per_day()
    measured = tally.transitions / days / world.load_balancers
    full = month.transitions_per_s * 60 / (real * world.load_balancers)
    return "\n".join(
        (
            f"{world.load_balancers} load balancers, {days} days in {month.wall_s:.0f} s ({month.cpu_s:.0f} s of CPU): "
            f"{tally.transitions} transitions, {month.transitions_per_s:.0f}/s of CPU, {tally.events} events",
            f"periods: {world.periods}",
            f"fidelity: {measured:.0f} transitions a day and load balancer, {real:.0f} with the real periods "
            f"({measured / real:.2%})",
            f"at full fidelity: {full:.3f} days a minute for {world.load_balancers} load balancers, "
            f"{full * world.load_balancers:.0f} days a minute for one",
            f"{tally.kills} kills, {tally.steps} clock steps, {world.happened}",
            f"{tally.fired} deadlines fired, at most {tally.latest_s * 1000:.3f} ms late; "
            f"{world.closed} runs closed and checked ({world.checked_events} events), {tally.purged} purged",
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load-balancers", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stretch", type=float, default=300.0, help="how much longer periods are than the real ones")
    options = parser.parse_args()
    periods = scripts.Periods().stretched(options.stretch)
    month = simulate(options.load_balancers, options.days, options.seed, periods)
    for sample in month.samples:
        sys.stdout.write(f"{sample}\n")
    sys.stdout.write(f"{report(month, options.days)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
