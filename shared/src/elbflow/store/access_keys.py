"""Access keys of accounts."""

from __future__ import annotations

import sqlalchemy as sa

from elbflow.store import model, tables
from elbflow.store.connections import Connection

_T = tables.access_keys


class AccessKeys:
    """Repository of access keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, access_key_id: str) -> model.AccessKey | None:
        result = await self._connection.execute(sa.select(_T).where(_T.c.access_key_id == access_key_id))
        row = result.mappings().one_or_none()
        return model.AccessKey(**row) if row else None

    async def save(self, key: model.AccessKey) -> None:
        """Insert or replace the key."""
        await self._connection.execute(sa.delete(_T).where(_T.c.access_key_id == key.access_key_id))
        await self._connection.execute(
            sa.insert(_T).values(
                access_key_id=key.access_key_id,
                secret_access_key=key.secret_access_key,
                account=key.account,
                admin=key.admin,
            )
        )
