"""How many connections may be parked at once (spec/swf-long-poll-scale 5.3, 5.12, I1)."""

from __future__ import annotations

import resource
from collections.abc import Mapping

from elbflow import swf
from elbflow.polling.profile import EndpointProfile
from elbflow.polling.tenants import DEFAULT_TENANT, Tenants, TenantShare, TenantUse

RESERVE_FROM = 8


class Budget:
    """Counts parked polls, in all and by tenant.

    A tenth (at least two) is kept for lanes that have none, so growth never starves a lane; what is guaranteed to a
    tenant is kept for it, so no tenant starves another (5.12). ``shares`` names tenants with other than the default
    parts of the budget.
    """

    def __init__(self, limit: int, shares: Mapping[str, TenantShare] | None = None) -> None:
        self.limit = limit
        self.reserve = max(2, limit // 10) if limit >= RESERVE_FROM else 0
        self.used = 0
        self._tenants = Tenants(limit, shares or {})

    def join(self, tenant: str, polls: int) -> None:
        """A lane of ``tenant`` was added that may park up to ``polls``: from now on the tenant's share counts."""
        self._tenants.join(tenant, polls)

    def leave(self, tenant: str, polls: int) -> None:
        """A lane that had joined with the same arguments is gone."""
        self._tenants.leave(tenant, polls)

    def has_room(self, tenant: str = DEFAULT_TENANT, *, growth: bool) -> bool:
        """Whether one more poll of ``tenant`` fits; ``growth`` is a poll of a lane that already has one."""
        free = self.limit - self.used - self._tenants.owed_to_others(tenant)
        return free > (self.reserve if growth else 0) and self._tenants.fits(tenant)

    @property
    def is_full(self) -> bool:
        """Whether no tenant at all could have one more poll."""
        return self.used >= self.limit

    def take(self, tenant: str = DEFAULT_TENANT) -> None:
        assert self.used < self.limit, "poll issued without room in the budget"
        self.used += 1
        self._tenants.take(tenant)

    def give(self, tenant: str = DEFAULT_TENANT) -> None:
        assert self.used > 0, "connection given back twice"
        self.used -= 1
        self._tenants.give(tenant)

    def tenants(self) -> tuple[TenantUse, ...]:
        """What each tenant uses now, and what it may use."""
        return self._tenants.uses()


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
