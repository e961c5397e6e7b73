"""Accounts and their quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from elbflow.store import model, tables, upserts
from elbflow.store.connections import Connection

_T = tables.accounts


class Accounts:
    """Repository of accounts. An account needs no row to be used: one without has the settings' quotas."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, account: str) -> model.Account | None:
        found = await self._select(_T.c.account == account)
        return found[0] if found else None

    async def all(self) -> Sequence[model.Account]:
        return await self._select(sa.true())

    async def quotas(self, account: str) -> Mapping[str, int]:
        """The account's own limits by the names of DescribeAccountLimits; what is not in it has the usual limit."""
        found = await self.find(account)
        return dict(found.quotas) if found else {}

    async def save(self, account: model.Account) -> None:
        """Insert or replace the account."""
        values = {
            "account": account.account,
            "alias": account.alias,
            "quotas": dict(account.quotas),
            "created_at": account.created_at,
        }
        changed = ("alias", "quotas", "created_at")
        await upserts.write(self._connection, _T, [values], unique=("account",), changed=changed)

    async def _select(self, condition: sa.ColumnElement[bool]) -> list[model.Account]:
        result = await self._connection.execute(sa.select(_T).where(condition).order_by(_T.c.account))
        return [
            model.Account(row["account"], row["alias"], tuple(sorted(row["quotas"].items())), row["created_at"])
            for row in result.mappings()
        ]
