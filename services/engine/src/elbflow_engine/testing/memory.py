"""A journal in memory: keeps what an engine asks to keep, and can load the next engine from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from elbflow import errors
from elbflow_engine import core


class MemoryJournal:
    """Applies changes at once; raises :class:`elbflow.errors.Defect` when they do not fit what is stored."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], bytes] = {}
        self._events: dict[int, list[bytes]] = {}

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

    def rows(self) -> Iterator[core.Put]:
        """Everything stored, for :meth:`elbflow_engine.core.Engine.load`."""
        for (table, key), value in self._rows.items():
            yield core.Put(table, key, value)

    def history(self, execution_id: int) -> Sequence[bytes]:
        """The whole history of one execution."""
        return tuple(self._events.get(execution_id, ()))

    def read(self, window: core.HistoryWindow) -> Sequence[bytes]:
        """The events of a window, ascending."""
        return self.history(window.execution_id)[window.first - 1 : window.last]

    def _append(self, change: core.Append) -> None:
        stored = self._events.setdefault(change.execution_id, [])
        if change.first_event_id != len(stored) + 1:
            raise errors.Defect(f"event {change.first_event_id} does not follow {len(stored)} stored ones")
        stored.extend(change.events)
