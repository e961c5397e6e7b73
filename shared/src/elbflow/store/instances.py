"""The local cloud's directory of users' instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from elbflow.store import model, tables, upserts
from elbflow.store.connections import Connection

_T = tables.instances


class Instances:
    """Repository of instances that users may register."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, account: str, instance_ids: Iterable[str]) -> Sequence[model.Instance]:
        """The known ones among ``instance_ids``."""
        return await self._select(_T.c.account == account, _T.c.instance_id.in_(list(instance_ids)))

    async def of_account(self, account: str) -> Sequence[model.Instance]:
        return await self._select(_T.c.account == account)

    async def save(self, instance: model.Instance) -> None:
        """Insert or replace the instance."""
        changed = ("address", "zone", "state")
        await upserts.write(
            self._connection, _T, [asdict(instance)], unique=("account", "instance_id"), changed=changed
        )

    async def _select(self, *conditions: sa.ColumnElement[bool]) -> Sequence[model.Instance]:
        result = await self._connection.execute(sa.select(_T).where(*conditions).order_by(_T.c.instance_id))
        return [model.Instance(**row) for row in result.mappings()]
