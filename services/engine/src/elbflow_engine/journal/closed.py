"""The table of closed executions: how its rows are written and read back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from elbflow_engine import core
from elbflow_engine.journal import batches

COLUMNS = (
    "execution_id, account, domain, workflow_id, run_id, type_name, type_version, start_ms, close_ms, close_status, "
    "tags, events, purge_ms, details"
)
_MARK = b"\xff"
"""Stands before, between and behind tags: UTF-8 has no such byte, so no tag can contain it."""


def insert(connection: sqlite3.Connection, rows: Sequence[core.Closed]) -> None:
    """Write new rows inside the caller's transaction."""
    batches.insert(connection, f"INSERT INTO closed ({COLUMNS})", [_to_values(row) for row in rows])


def hide(connection: sqlite3.Connection, execution_ids: Sequence[int]) -> None:
    """Nobody may see these any more, and they are the first to be deleted."""
    batches.among(connection, "UPDATE closed SET purge_ms = 0 WHERE execution_id IN", execution_ids)


def delete(connection: sqlite3.Connection, execution_ids: Sequence[int]) -> None:
    """Remove executions with their whole histories."""
    batches.among(connection, "DELETE FROM event WHERE execution_id IN", execution_ids)
    batches.among(connection, "DELETE FROM closed WHERE execution_id IN", execution_ids)


def tag_pattern(tag: str) -> bytes:
    """What the column ``tags`` contains exactly when the execution has this tag."""
    return _MARK + tag.encode() + _MARK


def from_values(values: Sequence[Any]) -> core.Closed:
    """A row selected by :data:`COLUMNS`."""
    execution_id, account, domain, workflow_id, run_id, type_name, type_version, *rest = values
    start_ms, close_ms, close_status, tags, events, purge_ms, details = rest
    return core.Closed(
        execution_id=execution_id,
        account=account,
        domain=domain,
        workflow_id=workflow_id,
        run_id=run_id,
        workflow_type=(type_name, type_version),
        start_ms=start_ms,
        close_ms=close_ms,
        close_status=close_status,
        tags=None if tags is None else tuple(tag.decode() for tag in tags.split(_MARK)[1:-1]),
        events=events,
        purge_ms=purge_ms,
        details=details,
    )


def _to_values(row: core.Closed) -> tuple[object, ...]:
    return (
        row.execution_id,
        row.account,
        row.domain,
        row.workflow_id,
        row.run_id,
        *row.workflow_type,
        row.start_ms,
        row.close_ms,
        row.close_status,
        None if row.tags is None else _MARK + b"".join(tag.encode() + _MARK for tag in row.tags),
        row.events,
        row.purge_ms,
        row.details,
    )
