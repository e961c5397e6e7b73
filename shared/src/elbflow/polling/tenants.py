"""What each tenant may use of the poll budget (spec/swf-long-poll-scale 5.3, 5.12). Pure.

A *tenant* is a service that shares the process's connections with others: "elb", "cfn". Everything asked per poll is
a few additions, however many tenants and lanes there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_TENANT = "elb"
MAX_SHARE_AMONG_SEVERAL = 0.6


@dataclass(frozen=True, slots=True)
class TenantShare:
    """Parts of the budget, from 0 to 1. ``ValueError`` for parts that no budget can give.

    ``min_share`` is kept free for the tenant as long as its lanes could use it, ``max_share`` is never exceeded.
    Without a ``max_share`` the tenant may use the whole budget while it is alone and 60 % beside others.
    """

    min_share: float = 0.0
    max_share: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_share <= 1.0:
            raise ValueError(f"min_share={self.min_share} must be from 0 to 1, a part of the poll budget")
        if self.max_share is not None and not (0.0 < self.max_share <= 1.0 and self.min_share <= self.max_share):
            raise ValueError(f"max_share={self.max_share} must be above 0, at most 1 and at least min_share")


@dataclass(frozen=True, slots=True)
class TenantUse:
    """One tenant at one moment: polls in flight, the most it may have, and how many are kept for it."""

    tenant: str
    used: int
    cap: int
    guaranteed: int
    lanes: int


@dataclass(slots=True)
class _Account:
    """``wanted`` is what its lanes could park at most: no guarantee keeps more than that from others."""

    share: TenantShare
    lanes: int = 0
    wanted: int = 0
    used: int = 0
    guaranteed: int = 0

    @property
    def owed(self) -> int:
        """What is kept for it and not yet used."""
        return max(0, self.guaranteed - self.used)


class Tenants:
    """Counts polls by tenant. ``limit`` is the whole budget; ``shares`` names tenants with other than default parts.

    ``ValueError`` when the guaranteed parts add up to more than the budget.
    """

    def __init__(self, limit: int, shares: Mapping[str, TenantShare]) -> None:
        total = math.fsum(share.min_share for share in shares.values())
        if total > 1.0 + 1e-9:
            raise ValueError(f"the min_share of all tenants add up to {total:.2f}; they must not exceed 1")
        self._limit = limit
        self._shares = shares
        self._accounts: dict[str, _Account] = {}
        self._present = 0
        self._owed = 0

    def join(self, tenant: str, polls: int) -> None:
        """A lane of ``tenant`` was added that may park up to ``polls``."""
        account = self._account(tenant)
        account.lanes += 1
        self._present += account.lanes == 1
        self._want(account, polls)

    def leave(self, tenant: str, polls: int) -> None:
        """The lane added with the same arguments is gone."""
        account = self._accounts[tenant]
        account.lanes -= 1
        self._present -= account.lanes == 0
        self._want(account, -polls)
        self._forget(tenant, account)

    def fits(self, tenant: str) -> bool:
        """Whether ``tenant`` is below its cap."""
        account = self._accounts.get(tenant)
        return account is None or account.used < self._cap(account.share)

    def owed_to_others(self, tenant: str) -> int:
        """Connections that are kept for tenants other than this one."""
        if not self._owed:
            return 0
        account = self._accounts.get(tenant)
        return self._owed - (0 if account is None else account.owed)

    def take(self, tenant: str) -> None:
        account = self._account(tenant)
        account.used += 1
        self._owed -= account.used <= account.guaranteed

    def give(self, tenant: str) -> None:
        account = self._accounts[tenant]
        assert account.used > 0, "connection given back twice"
        self._owed += account.used <= account.guaranteed
        account.used -= 1
        self._forget(tenant, account)

    def uses(self) -> tuple[TenantUse, ...]:
        """All tenants that have lanes or polls, by name."""
        return tuple(
            TenantUse(tenant, account.used, self._cap(account.share), account.guaranteed, account.lanes)
            for tenant, account in sorted(self._accounts.items())
        )

    def _account(self, tenant: str) -> _Account:
        account = self._accounts.get(tenant)
        if account is None:
            account = self._accounts[tenant] = _Account(self._shares.get(tenant, TenantShare()))
        return account

    def _want(self, account: _Account, polls: int) -> None:
        self._owed -= account.owed
        account.wanted += polls
        account.guaranteed = min(math.floor(account.share.min_share * self._limit + 1e-9), account.wanted)
        self._owed += account.owed

    def _cap(self, share: TenantShare) -> int:
        part = share.max_share
        if part is None:
            part = max(MAX_SHARE_AMONG_SEVERAL, share.min_share) if self._present > 1 else 1.0
        return max(1, math.floor(part * self._limit + 1e-9))

    def _forget(self, tenant: str, account: _Account) -> None:
        if account.lanes == 0 and account.used == 0:
            del self._accounts[tenant]
