"""A journal in memory: keeps what an engine asks to keep, answers its questions, and can load the next engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import orjson

from elbflow import errors
from elbflow_engine import core
from elbflow_engine.testing.archive import Archive

Rows = TypeVar("Rows")


class MemoryJournal:
    """Applies changes at once; raises :class:`elbflow.errors.Defect` when they do not fit what is stored."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], bytes] = {}
        self._events: dict[int, list[bytes]] = {}
        self._archive = Archive()

    def apply(self, changes: Iterable[core.Change]) -> None:
        for change in changes:
            match change:
                case core.Put():
                    self._rows[change.table, change.key] = change.value
                case core.Delete():
                    self._rows.pop((change.table, change.key), None)
                case core.Append():
                    self._append(change)
                case core.Truncate():
                    del self._events[change.execution_id][change.last_event_id :]
                case core.Close():
                    self._rows.pop(("execution", str(change.row.execution_id)), None)
                    self._archive.add(change.row)
                case core.Purge():
                    self._purge(change)

    def rows(self) -> Iterator[core.Put]:
        """Everything stored, for :meth:`elbflow_engine.core.Engine.load`."""
        for (table, key), value in self._rows.items():
            yield core.Put(table, key, value)

    def history(self, execution_id: int) -> Sequence[bytes]:
        """The whole history of one execution."""
        return tuple(self._events.get(execution_id, ()))

    def histories(self, domain: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """The whole histories of a domain's executions, open and closed, by workflow id and run id."""
        headers = (orjson.loads(value) for (table, _), value in self._rows.items() if table == "execution")
        runs = {row["id"]: (row["workflow_id"], row["run_id"]) for row in headers if row["domain"] == domain}
        runs |= {row.execution_id: (row.workflow_id, row.run_id) for row in self.closed() if row.domain == domain}
        hidden = {row.execution_id for row in self.closed() if not row.purge_ms}
        return {run: list(map(orjson.loads, self._events[key])) for key, run in runs.items() if key not in hidden}

    def stored_events(self) -> int:
        """How many events are stored, of open and closed executions."""
        return sum(map(len, self._events.values()))

    def closed(self) -> Sequence[core.Closed]:
        """Every closed execution that is stored, seen or not, in the order of their ids."""
        return self._archive.rows()

    def read(self, query: core.Query[Rows]) -> Rows:
        """The answer to a question of the core."""
        return query.run(self)

    def events(self, query: core.Events) -> Sequence[bytes]:
        """See :class:`elbflow_engine.core.Store`; so are the other questions."""
        return self.history(query.execution_id)[query.first - 1 : query.last]

    def closed_run(self, query: core.ClosedRun) -> core.Closed | None:
        return self._archive.run(query)

    def closed_by_id(self, query: core.ClosedById) -> core.Closed | None:
        return self._archive.by_id(query)

    def closed_page(self, query: core.ClosedPage) -> Sequence[core.Closed]:
        return self._archive.page(query)

    def closed_count(self, query: core.ClosedCount) -> int:
        return self._archive.count(query)

    def retention_over(self, query: core.RetentionOver) -> core.Expired:
        ids, next_ms = self._archive.over(query)
        return core.Expired(tuple((number, len(self._events.get(number, ()))) for number in ids), next_ms)

    def _append(self, change: core.Append) -> None:
        stored = self._events.setdefault(change.execution_id, [])
        if change.first_event_id != len(stored) + 1:
            raise errors.Defect(f"event {change.first_event_id} does not follow {len(stored)} stored ones")
        stored.extend(change.events)

    def _purge(self, change: core.Purge) -> None:
        if change.last_event_id:
            del self._events[change.execution_id][change.last_event_id :]
            self._archive.hide(change.execution_id)
        else:
            self._events.pop(change.execution_id, None)
            self._archive.remove(change.execution_id)
