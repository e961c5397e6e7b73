"""The core's questions, answered by SQL in a reading thread (spec/swf-semantics 6.3, 10).

Each question about closed executions names the index it walks, in the order it wants, so that neither the size of the
table nor the absence of statistics changes the plan. Filters other than the workflow id are tested row by row.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence

from elbflow_engine import core
from elbflow_engine.journal import closed, rows

_ONE = f"SELECT {closed.COLUMNS} FROM closed"  # noqa: S608 - the names are ours
_BY_RUN = (
    f"{_ONE} INDEXED BY closed_by_run"
    " WHERE run_id = ? AND workflow_id = ? AND domain = ? AND account = ? AND purge_ms > ? LIMIT 1"
)
_BY_ID = f"{_ONE} WHERE execution_id = ? AND purge_ms > ?"
_OVER = (
    "SELECT execution_id,"
    " (SELECT coalesce(max(event_id), 0) FROM event WHERE event.execution_id = closed.execution_id)"
    " FROM closed INDEXED BY closed_by_purge WHERE purge_ms <= ? ORDER BY purge_ms, execution_id LIMIT ?"
)
_NEXT_OVER = "SELECT min(purge_ms) FROM closed INDEXED BY closed_by_purge WHERE purge_ms > ?"


class Reader:
    """A :class:`core.Store` over one connection; use it in that connection's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def events(self, query: core.Events) -> Sequence[bytes]:
        """See :class:`core.Store`; so are the other questions."""
        return rows.read_events(self._connection, query.execution_id, query.first, query.last)

    def closed_run(self, query: core.ClosedRun) -> core.Closed | None:
        return self._one(_BY_RUN, (query.run_id, query.workflow_id, query.domain, query.account, query.now_ms))

    def closed_by_id(self, query: core.ClosedById) -> core.Closed | None:
        return self._one(_BY_ID, (query.execution_id, query.now_ms))

    def closed_page(self, query: core.ClosedPage) -> Sequence[core.Closed]:
        instant, source, values = _selected(_ahead(query), query.now_ms)
        order, beyond = ("DESC", "<") if query.newest_first else ("ASC", ">")
        behind = ""
        if query.after is not None:
            behind = f" AND ({instant}, run_id) {beyond} (?, ?)"
            values += query.after
        text = f"SELECT {closed.COLUMNS}{source}{behind} ORDER BY {instant} {order}, run_id {order} LIMIT ?"
        return [closed.from_values(row) for row in self._connection.execute(text, (*values, query.limit))]

    def closed_count(self, query: core.ClosedCount) -> int:
        _, source, values = _selected(query.selection, query.now_ms)
        text = f"SELECT count(*) FROM (SELECT 1{source} LIMIT ?)"  # noqa: S608 - every value is a mark
        (count,) = self._connection.execute(text, (*values, query.most)).fetchone()
        return int(count)

    def retention_over(self, query: core.RetentionOver) -> core.Expired:
        runs = self._connection.execute(_OVER, (query.now_ms, query.limit)).fetchall()
        (next_ms,) = self._connection.execute(_NEXT_OVER, (query.now_ms,)).fetchone()
        return core.Expired(tuple((execution_id, events) for execution_id, events in runs), next_ms)

    def _one(self, text: str, values: tuple[object, ...]) -> core.Closed | None:
        row = self._connection.execute(text, values).fetchone()
        return None if row is None else closed.from_values(row)


def _ahead(query: core.ClosedPage) -> core.Selection:
    """The selection without what earlier pages showed: only a bound on the instant alone shortens the walk."""
    selection = query.selection
    if query.after is None:
        return selection
    instant_ms = query.after[0]
    if query.newest_first:
        return dataclasses.replace(selection, latest_ms=min(selection.latest_ms, instant_ms))
    return dataclasses.replace(selection, oldest_ms=max(selection.oldest_ms, instant_ms))


def _selected(selection: core.Selection, now_ms: int) -> tuple[str, str, tuple[object, ...]]:
    """The column of the range, ``FROM`` and ``WHERE`` of a selection, and the values of its marks."""
    instant = "close_ms" if selection.by_close else "start_ms"
    index = "closed_by_close" if selection.by_close else "closed_by_start"
    if selection.workflow_id is not None:
        index = "closed_by_workflow"
    conditions = [f"account = ? AND domain = ? AND {instant} BETWEEN ? AND ? AND purge_ms > ?"]
    values: list[object] = [selection.account, selection.domain, selection.oldest_ms, selection.latest_ms, now_ms]
    for column in ("workflow_id", "type_name", "type_version", "close_status"):
        value = getattr(selection, column)
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    if selection.tag is not None:
        conditions.append("instr(tags, ?)")
        values.append(closed.tag_pattern(selection.tag))
    return instant, f" FROM closed INDEXED BY {index} WHERE {' AND '.join(conditions)}", tuple(values)
