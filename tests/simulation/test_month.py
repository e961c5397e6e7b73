"""The simulated month, short: few load balancers, few days, more trouble than a month would bring."""

from __future__ import annotations

from tests.simulation import month, scripts
from tests.simulation.world import Trouble

TROUBLE = Trouble(
    lost=0.02, repeated=0.02, missed=0.01, twice=0.02, kill_every_s=2 * 3600, step_every_s=3 * 3600, longest_step_s=20
)


def test_idle_load_balancers_for_days() -> None:
    periods = scripts.Periods().stretched(240)
    simulated = month.simulate(20, 3, seed=4, periods=periods, trouble=TROUBLE)
    world, tally = simulated.world, simulated.world.simulation.tally
    assert all(world.happened.values()), world.happened
    assert min(tally.kills, tally.steps) > 5
    assert world.closed > 3 * 20
    assert 0 < tally.purged < world.closed
    assert "at full fidelity" in month.report(simulated, 3)
    assert len(str(simulated.samples[-1])) > 50


def test_the_same_seed_repeats_the_same_days() -> None:
    periods = scripts.Periods().stretched(180)
    first, second = (month.simulate(5, 1, seed=9, periods=periods, trouble=TROUBLE).world for _ in range(2))
    assert first.simulation.tally == second.simulation.tally
    assert first.happened == second.happened
    other = month.simulate(5, 1, seed=10, periods=periods, trouble=TROUBLE).world
    assert other.happened != first.happened


def test_a_day_costs_what_the_periods_say() -> None:
    assert scripts.Periods().stretched(1) == scripts.Periods()
    periods = scripts.Periods().stretched(5)
    simulated = month.simulate(1, 1, seed=3, periods=periods, trouble=Trouble(kill_every_s=0, step_every_s=0))
    assert 0.9 < simulated.world.simulation.tally.transitions / periods.transitions_per_day() < 1.1
