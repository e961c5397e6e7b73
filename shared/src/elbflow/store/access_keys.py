"""Access keys of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from elbflow.store import locks, model, tables, upserts
from elbflow.store.connections import Connection

_T = tables.access_keys
_FIND = sa.select(_T).where(_T.c.access_key_id == sa.bindparam("key_id"))
"""Every request's: built once."""

_CLEARED_AT_ONCE = 1000


class AccessKeys:
    """Repository of access keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, access_key_id: str) -> model.AccessKey | None:
        result = await self._connection.execute(_FIND, {"key_id": access_key_id})
        row = result.mappings().one_or_none()
        return model.AccessKey(**row) if row else None

    async def grants(self, access_key_id: str) -> model.Grants:
        """What says what the key may do; nothing when there is no such key (any more)."""
        documents = tables.principal_policies
        result = await self._connection.execute(
            sa.select(_T.c.session_name, _T.c.session_policy, documents.c.document)
            .outerjoin(documents, documents.c.arn == _T.c.principal)
            .where(_T.c.access_key_id == access_key_id)
        )
        rows = result.all()
        found = tuple(row.document for row in rows if row.document is not None)
        return model.Grants(found, rows[0].session_name, rows[0].session_policy) if rows else model.Grants()

    async def of_principal(self, account: str, principal: str | None) -> Sequence[model.AccessKey]:
        """The keys of a user or role, or those of the account itself, by id."""
        result = await self._connection.execute(
            sa.select(_T)
            .where(_T.c.account == account, _T.c.principal.is_not_distinct_from(principal))
            .order_by(_T.c.access_key_id)
        )
        return [model.AccessKey(**row) for row in result.mappings()]

    async def save(self, key: model.AccessKey) -> None:
        """Insert or replace the key."""
        values = asdict(key)
        changed = values.keys() - {"access_key_id"}
        await upserts.write(self._connection, _T, [values], unique=("access_key_id",), changed=changed)

    async def remove(self, access_key_id: str) -> bool:
        """Whether there was one."""
        result = await self._connection.execute(sa.delete(_T).where(_T.c.access_key_id == access_key_id))
        return result.rowcount > 0

    async def remove_expired(self, now: float) -> int:
        """Delete temporary keys that ended before ``now``, in seconds since the epoch; how many.

        A thousand at most, and none that another transaction is about to delete: nobody waits for that.
        """
        ended = sa.select(_T.c.access_key_id).where(_T.c.expires_at < now).limit(_CLEARED_AT_ONCE)
        result = await self._connection.execute(
            sa.delete(_T).where(_T.c.access_key_id.in_(ended.with_for_update(skip_locked=True)))
        )
        return result.rowcount

    async def count_for_temporary(self, account: str, now: float) -> int:
        """The account's temporary keys that have not ended; nobody else adds one until this transaction ends."""
        await self._connection.run_sync(locks.on_account, locks.Purpose.TEMPORARY_KEYS, account)
        result = await self._connection.execute(
            sa.select(sa.func.count()).select_from(_T).where(_T.c.account == account, _T.c.expires_at >= now)
        )
        return int(result.scalar_one())
