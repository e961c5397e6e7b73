"""All repositories over one connection."""

from __future__ import annotations

import sqlalchemy as sa

from elbflow.store import tables
from elbflow.store.access_keys import AccessKeys
from elbflow.store.accounts import Accounts
from elbflow.store.backends import Backends
from elbflow.store.cloud_resources import CloudResources
from elbflow.store.connections import Connection
from elbflow.store.datapoints import Datapoints
from elbflow.store.instances import Instances
from elbflow.store.load_balancers import LoadBalancers
from elbflow.store.outbox import Outbox
from elbflow.store.principals import Principals
from elbflow.store.server_certificates import ServerCertificates
from elbflow.store.vms import Vms


class Repositories:
    """What a transaction hands out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.access_keys = AccessKeys(connection)
        self.accounts = Accounts(connection)
        self.backends = Backends(connection)
        self.cloud_resources = CloudResources(connection)
        self.datapoints = Datapoints(connection)
        self.instances = Instances(connection)
        self.load_balancers = LoadBalancers(connection)
        self.outbox = Outbox(connection)
        self.principals = Principals(connection)
        self.server_certificates = ServerCertificates(connection)
        self.vms = Vms(connection)

    async def row_counts(self) -> dict[str, int]:
        """Rows of every table, for operators and for the proof that a deletion left nothing."""
        counts = {}
        for table in tables.metadata.sorted_tables:
            result = await self._connection.execute(sa.select(sa.func.count()).select_from(table))
            counts[table.name] = result.scalar_one()
        return counts
