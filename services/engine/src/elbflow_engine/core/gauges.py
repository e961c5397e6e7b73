"""What metrics are made of, cheap enough to ask for often (spec/swf-long-poll-scale 6.13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from elbflow_engine.core import api, polls
from elbflow_engine.core.matching import ListKey
from elbflow_engine.core.world import World


@dataclass(frozen=True, slots=True)
class Gauges:
    """The engine at one instant.

    ``by_domain``: polls parked and tasks ready by domain and kind, over all accounts. ``most_parked`` and
    ``most_ready``: the longest lists, longest first. ``oldest_ready_s``: how long the task that was offered first has
    been pollable, 0 when none is.
    """

    open_executions: int
    deadlines: int
    parked: int
    by_domain: Mapping[tuple[str, str], tuple[int, int]]
    most_parked: tuple[api.ListStatistics, ...]
    most_ready: tuple[api.ListStatistics, ...]
    oldest_ready_s: float


def measure(world: World, now_ms: int, longest: int) -> Gauges:
    """Read the gauges; ``longest`` bounds how many lists are named."""
    most_parked, most_ready = world.matching.longest(longest)
    return Gauges(
        open_executions=len(world.open),
        deadlines=len(world.deadlines),
        parked=world.matching.parked,
        by_domain=world.matching.by_domain(),
        most_parked=tuple(of_list(world, key) for key in most_parked),
        most_ready=tuple(of_list(world, key) for key in most_ready),
        oldest_ready_s=_oldest_ready_s(world, now_ms),
    )


def of_list(world: World, key: ListKey) -> api.ListStatistics:
    """One task list."""
    return api.ListStatistics(*key, world.matching.backlog(key), world.matching.parked_on(key))


def _oldest_ready_s(world: World, now_ms: int) -> float:
    task = world.matching.first_offered()
    return 0.0 if task is None else max(0, now_ms - polls.pollable_ms(world, task)) / 1000
