"""Closed executions in memory, found as the journal's tables find them (spec/swf-semantics 6.3, 10)."""

from __future__ import annotations

import bisect
import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from elbflow_engine import core

_Place: TypeAlias = tuple[int, str, int]
_Scope: TypeAlias = tuple[str, str, bool]


class Archive:
    """Ordered by start, by close and by the end of retention."""

    def __init__(self) -> None:
        self._rows: dict[int, core.Closed] = {}
        self._names: dict[tuple[str, str, str, str], int] = {}
        self._places: defaultdict[_Scope, list[_Place]] = defaultdict(list)
        self._ends: list[tuple[int, int]] = []

    def add(self, row: core.Closed) -> None:
        self._rows[row.execution_id] = row
        self._names[_name(row)] = row.execution_id
        for by_close in (False, True):
            bisect.insort(self._places[row.account, row.domain, by_close], _place(row, by_close=by_close))
        bisect.insort(self._ends, (row.purge_ms, row.execution_id))

    def remove(self, execution_id: int) -> None:
        row = self._rows.pop(execution_id)
        del self._names[_name(row)]
        for by_close in (False, True):
            places = self._places[row.account, row.domain, by_close]
            del places[bisect.bisect_left(places, _place(row, by_close=by_close))]
        del self._ends[bisect.bisect_left(self._ends, (row.purge_ms, execution_id))]

    def hide(self, execution_id: int) -> None:
        """Its retention counts as over at any time."""
        row = self._rows[execution_id]
        self.remove(execution_id)
        self.add(dataclasses.replace(row, purge_ms=0))

    def rows(self) -> Sequence[core.Closed]:
        return [self._rows[execution_id] for execution_id in sorted(self._rows)]

    def run(self, query: core.ClosedRun) -> core.Closed | None:
        execution_id = self._names.get((query.account, query.domain, query.workflow_id, query.run_id))
        return None if execution_id is None else self.by_id(core.ClosedById(execution_id, query.now_ms))

    def by_id(self, query: core.ClosedById) -> core.Closed | None:
        row = self._rows.get(query.execution_id)
        return row if row is not None and row.purge_ms > query.now_ms else None

    def page(self, query: core.ClosedPage) -> Sequence[core.Closed]:
        found: list[core.Closed] = []
        for row in self._selected(query.selection, query.now_ms, newest_first=query.newest_first):
            if len(found) == query.limit:
                break
            place = _place(row, by_close=query.selection.by_close)[:2]
            if query.after is None or (place < query.after if query.newest_first else place > query.after):
                found.append(row)
        return found

    def count(self, query: core.ClosedCount) -> int:
        selected = sum(1 for _ in self._selected(query.selection, query.now_ms, newest_first=True))
        return min(selected, query.most)

    def over(self, query: core.RetentionOver) -> tuple[list[int], int | None]:
        """Ids whose retention is over, and when the next one's ends."""
        end = bisect.bisect_left(self._ends, (query.now_ms + 1, 0))
        next_ms = self._ends[end][0] if end < len(self._ends) else None
        return [execution_id for _, execution_id in self._ends[: min(end, query.limit)]], next_ms

    def _selected(self, selection: core.Selection, now_ms: int, *, newest_first: bool) -> Iterator[core.Closed]:
        places = self._places[selection.account, selection.domain, selection.by_close]
        first = bisect.bisect_left(places, (selection.oldest_ms, "", 0))
        last = bisect.bisect_left(places, (selection.latest_ms + 1, "", 0))
        chosen = places[first:last]
        for _, _, execution_id in reversed(chosen) if newest_first else chosen:
            row = self._rows[execution_id]
            if row.purge_ms > now_ms and selection.admits(row):
                yield row


def _name(row: core.Closed) -> tuple[str, str, str, str]:
    return row.account, row.domain, row.workflow_id, row.run_id


def _place(row: core.Closed, *, by_close: bool) -> _Place:
    return row.close_ms if by_close else row.start_ms, row.run_id, row.execution_id
