"""Who is here: domains of all accounts, and what waits on their task lists. For people who look, not for metrics."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import NamedTuple

from elbflow_engine.core import polls
from elbflow_engine.core.matching import ListKey
from elbflow_engine.core.world import World

_LOOKED_AT = 2_000
"""Ready tasks of one list among which the oldest is looked for; of a longer list the next one is taken for it."""


@dataclass(frozen=True, slots=True)
class DomainFigures:
    """One domain. ``oldest_ready_s`` is 0 when nothing is ready."""

    account: str
    name: str
    status: str
    open_executions: int
    workflow_types: int
    activity_types: int
    parked: int
    backlog: int
    oldest_ready_s: float


class ListFigures(NamedTuple):
    """One task list. There may be many thousands, so this is the cheapest thing to make."""

    kind: str
    name: str
    parked: int
    backlog: int
    oldest_ready_s: float


def domains(world: World, now_ms: int) -> tuple[DomainFigures, ...]:
    """All domains by account and name."""
    ready: dict[tuple[str, str], tuple[int, float]] = {}
    for key in world.matching.with_backlog():
        place = key.account, key.domain
        backlog, oldest_s = ready.get(place, (0, 0.0))
        oldest_s = max(oldest_s, _oldest_ready_s(world, key, now_ms))
        ready[place] = backlog + world.matching.backlog(key), oldest_s
    return tuple(
        DomainFigures(
            account,
            name,
            domain.status,
            domain.open_executions,
            len(domain.workflow_types),
            len(domain.activity_types),
            world.matching.parked_in(account, name),
            *ready.get((account, name), (0, 0.0)),
        )
        for (account, name), domain in sorted(world.domains.items())
    )


def lists(world: World, account: str, domain: str, now_ms: int) -> tuple[ListFigures, ...]:
    """The task lists of a domain that hold a task or a poll, in no order."""
    return tuple(
        ListFigures(key[2], key[3], parked, ready, _oldest_ready_s(world, key, now_ms) if ready else 0.0)
        for key, parked, ready in world.matching.of_domain(account, domain)
    )


def pollers(world: World, key: ListKey) -> tuple[tuple[str, int], ...]:
    """The identities of the polls parked on a list, empty where a poll gave none, and how many of each."""
    identities = collections.Counter(str(waiter.params.get("identity") or "") for waiter in world.matching.waiters(key))
    return tuple(identities.most_common())


def _oldest_ready_s(world: World, key: ListKey, now_ms: int) -> float:
    backlog = world.matching.backlog(key)
    following = world.matching.next_on(key)
    if following is None:
        return 0.0
    ready = world.matching.ready_on(key) if backlog <= _LOOKED_AT else (following,)
    return max(0, now_ms - min(polls.pollable_ms(world, task) for task in ready)) / 1000
