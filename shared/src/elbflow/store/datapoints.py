"""CloudWatch data of the local cloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from elbflow.store import model, tables
from elbflow.store.connections import Connection

_T = tables.datapoints


class Datapoints:
    """Repository of metric data."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, points: Iterable[model.Datapoint]) -> None:
        values = [{**asdict(point), "dimensions": [list(pair) for pair in point.dimensions]} for point in points]
        if values:
            await self._connection.execute(sa.insert(_T), values)

    async def of_account(self, account: str, *, since: float) -> Sequence[model.Datapoint]:
        """The account's data from ``since`` on, oldest first."""
        result = await self._connection.execute(
            sa.select(_T).where(_T.c.account == account, _T.c.at >= since).order_by(_T.c.at, _T.c.id)
        )
        return [
            model.Datapoint(
                **{
                    **{name: row[name] for name in row if name != "id"},
                    "dimensions": tuple((key, value) for key, value in row["dimensions"]),
                }
            )
            for row in result.mappings()
        ]

    async def prune(self, before: float) -> int:
        """Delete data older than ``before``; returns how many rows went."""
        result = await self._connection.execute(sa.delete(_T).where(_T.c.at < before))
        return int(result.rowcount)
