"""Insert rows, and change or keep those that are there already: one statement, so that writers may meet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from elbflow.store.connections import Connection


async def write(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    *,
    unique: Collection[str],
    changed: Collection[str],
) -> None:
    """Write ``rows``; of one whose ``unique`` columns are there already only the ``changed`` ones are written."""
    if rows:
        await connection.run_sync(_write, table, rows, unique, changed)


async def add(connection: Connection, table: sa.Table, row: Mapping[str, object], *, unique: Collection[str]) -> bool:
    """Insert ``row`` unless there is one with its ``unique`` columns; whether it was inserted."""
    return await connection.run_sync(_add, table, row, unique)


def _write(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, object]],
    unique: Collection[str],
    changed: Collection[str],
) -> None:
    # Equal but for their types: neither dialect's statement knows the other's name.
    if connection.dialect.name == "postgresql":
        theirs = postgresql.insert(table)
        connection.execute(
            theirs.on_conflict_do_update(index_elements=unique, set_={name: theirs.excluded[name] for name in changed}),
            rows,
        )
    else:
        ours = sqlite.insert(table)
        connection.execute(
            ours.on_conflict_do_update(index_elements=unique, set_={name: ours.excluded[name] for name in changed}),
            rows,
        )


def _add(connection: sa.Connection, table: sa.Table, row: Mapping[str, object], unique: Collection[str]) -> bool:
    if connection.dialect.name == "postgresql":
        added = connection.execute(postgresql.insert(table).on_conflict_do_nothing(index_elements=unique), row)
    else:
        added = connection.execute(sqlite.insert(table).on_conflict_do_nothing(index_elements=unique), row)
    return added.rowcount > 0
