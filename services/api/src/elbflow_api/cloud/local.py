"""The local cloud: a declared topology; instances and server certificates are rows of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from elbflow import store
from elbflow.contract import cloud
from elbflow.contract import settings as common
from elbflow_api.cloud import base
from elbflow_api.rules import instances


class LocalCloud(cloud.DeclaredCloud):
    """Implements :class:`base.Cloud`. Its instances are the store's directory, or addresses that stand for themselves.

    They are in no VPC of their own: every load balancer reaches them.
    """

    def __init__(
        self, db: store.Store, zones: tuple[str, ...], declared: cloud.DeclaredVpc | None, buckets: frozenset[str]
    ) -> None:
        super().__init__(zones, declared, buckets)
        self._db = db

    @classmethod
    def of(cls, db: store.Store, settings: common.ZoneSettings) -> Self:
        """The cloud as the settings declare it."""
        declared = settings.vpc.declared() if settings.vpc is not None else None
        return cls(db, settings.zones, declared, settings.access_log_buckets)

    async def instances(self, account: str, instance_ids: Iterable[str]) -> Mapping[str, base.Instance]:
        """The known ones; an address always runs, in no zone."""
        wanted = tuple(instance_ids)
        addresses = [one for one in wanted if instances.ip_address(one) is not None]
        found = {one: base.Instance(one, None, "running", base.ANYWHERE, one) for one in addresses}
        if len(found) < len(wanted):
            async with self._db.reading() as tx:
                rows = await tx.instances.find(account, [one for one in wanted if one not in found])
            for row in rows:
                found[row.instance_id] = base.Instance(row.instance_id, row.zone, row.state, base.ANYWHERE, row.address)
        return found

    async def certificates(self, account: str, arns: Iterable[str]) -> None:
        """The store keeps them."""
        return
