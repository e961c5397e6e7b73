"""How many connections may be parked at once (spec/swf-long-poll-scale 5.3, I1)."""

from __future__ import annotations

import resource

from elbflow import swf
from elbflow.polling.profile import EndpointProfile

RESERVE_FROM = 8


class Budget:
    """Counts parked polls. A tenth (at least two) is kept for lanes that have none, so growth never starves a lane."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.reserve = max(2, limit // 10) if limit >= RESERVE_FROM else 0
        self.used = 0

    def has_room(self, *, growth: bool) -> bool:
        """Whether one more poll fits; ``growth`` is a poll of a lane that already has one."""
        return self.used < (self.limit - self.reserve if growth else self.limit)

    def take(self) -> None:
        assert self.used < self.limit, "poll issued without room in the budget"
        self.used += 1

    def give(self) -> None:
        assert self.used > 0, "connection given back twice"
        self.used -= 1


def budget_limit(wanted: int | None, profile: EndpointProfile, service: swf.Polls) -> int:
    """The limit to use: ``wanted`` or the profile's default, within what connections and file descriptors allow.

    ``ValueError`` when more is wanted than the client has poll connections: the surplus would wait in the
    connection pool, look like parked polls, and hear nothing (spec/perf-baselines 0).
    """
    connections = service.poll_connections if isinstance(service, swf.Pooled) else None
    if wanted is None:
        wanted = profile.default_budget if connections is None else min(profile.default_budget, connections)
    if wanted < 1:
        raise ValueError(f"the poll budget must be at least 1, not {wanted}")
    if connections is not None and wanted > connections:
        raise ValueError(f"poll budget {wanted} exceeds the client's {connections} poll connections")
    return min(wanted, _by_file_descriptors())


def _by_file_descriptors() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(1, soft // 2)
