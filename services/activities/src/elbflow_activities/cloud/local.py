"""The local cloud: this machine. VMs are agents of the agent host; everything else is rows of the store."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable, Mapping, Sequence

from elbflow import store
from elbflow.contract import cloud
from elbflow_activities.cloud import base, host_client
from elbflow_activities.cloud.local_groups import LocalScalingGroups
from elbflow_activities.cloud.local_resources import LocalIdentities, LocalSecurityGroups

METRICS_KEPT_S = 24 * 3600.0

_DATA_AT_ONCE = 100
"""Data stored in one transaction: some milliseconds in which nobody else can write."""


class LocalCloud(cloud.DeclaredCloud, LocalIdentities, LocalSecurityGroups, LocalScalingGroups):
    """Implements :class:`base.Cloud`. Users' instances are the store's directory, or bare addresses."""

    def __init__(
        self,
        db: store.Store,
        host: host_client.HostClient,
        *,
        zones: tuple[str, ...],
        rng: random.Random,
        vpc: cloud.DeclaredVpc | None = None,
        buckets: frozenset[str] = frozenset(),
    ) -> None:
        cloud.DeclaredCloud.__init__(self, zones, vpc, buckets)
        LocalIdentities.__init__(self, db)
        LocalSecurityGroups.__init__(self, db)
        LocalScalingGroups.__init__(self, db, host, rng)

    async def instances(self, account: str, instance_ids: Iterable[str]) -> Mapping[str, base.UserInstance]:
        """The known ones. An address given as an instance id is an instance that always runs, in no zone."""
        wanted = tuple(instance_ids)
        found = {one: _by_address(one) for one in wanted if _is_address(one)}
        if len(found) == len(wanted):
            return found
        async with self._db.reading() as tx:
            for instance in await tx.instances.find(account, [one for one in wanted if one not in found]):
                found[instance.instance_id] = base.UserInstance(
                    instance.instance_id, instance.address, instance.zone, base.InstancePhase(instance.state)
                )
        return found

    async def put_metrics(self, account: str, namespace: str, data: Sequence[base.Datum]) -> None:
        """Store the data and forget what is older than a day."""
        if not data:
            return
        for first in range(0, len(data), _DATA_AT_ONCE):
            async with self._db.transaction() as tx:
                await _add(tx, account, namespace, data[first : first + _DATA_AT_ONCE])

    async def put_vm_metrics(
        self, account: str, namespace: str, data: Sequence[base.Datum], report: base.VmReport
    ) -> int:
        """In one transaction, whatever dies and whoever else publishes at the same time: exactly once."""
        async with self._db.transaction() as tx:
            if await tx.vms.note_metrics(report.instance_id, report.sequence, report.since):
                await _add(tx, account, namespace, data)
                return report.sequence
            return await tx.vms.noted_metrics(report.instance_id)


async def _add(tx: store.Repositories, account: str, namespace: str, data: Sequence[base.Datum]) -> None:
    if data:
        await tx.datapoints.add(_datapoint(account, namespace, datum) for datum in data)
        await tx.datapoints.prune(max(datum.at for datum in data) - METRICS_KEPT_S)


def _is_address(instance_id: str) -> bool:
    try:
        ipaddress.ip_address(instance_id)
    except ValueError:
        return False
    return True


def _by_address(address: str) -> base.UserInstance:
    return base.UserInstance(address, address, None, base.InstancePhase.RUNNING)


def _datapoint(account: str, namespace: str, datum: base.Datum) -> store.Datapoint:
    return store.Datapoint(
        account=account,
        namespace=namespace,
        metric=datum.metric,
        dimensions=datum.dimensions,
        unit=datum.unit,
        at=datum.at,
        sample_count=datum.sample_count,
        total=datum.total,
        minimum=datum.minimum,
        maximum=datum.maximum,
    )
