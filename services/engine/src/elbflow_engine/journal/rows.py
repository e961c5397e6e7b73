"""Turns the changes of a group of transitions into few statements: the last word on each row, in one transaction.

Callers wait for a whole group anyway, so rows that are written twice within it are written once
(spec/perf-baselines 4: statements, not commits, bound the rate once commits are grouped).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from elbflow_engine import core
from elbflow_engine.journal import batches, closed


class Fold:
    """The net effect of changes added in order."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], bytes | None] = {}
        self._events: dict[int, dict[int, bytes]] = {}
        self._cuts: dict[int, int] = {}
        self._closed: dict[int, core.Closed] = {}
        self._hidden: set[int] = set()
        self._purged: set[int] = set()

    def add(self, changes: Iterable[core.Change]) -> None:
        for change in changes:
            match change:
                case core.Put(table, key, value):
                    self._rows[table, key] = value
                case core.Delete(table, key):
                    self._rows[table, key] = None
                case core.Append(execution_id, first_event_id, events):
                    known = self._events.setdefault(execution_id, {})
                    for event_id, body in enumerate(events, first_event_id):
                        if event_id in known:
                            raise sqlite3.IntegrityError(f"event {execution_id}:{event_id} appended twice")
                        known[event_id] = body
                case core.Truncate(execution_id, last_event_id):
                    self._truncate(execution_id, last_event_id)
                case core.Close(row):
                    self._rows["execution", str(row.execution_id)] = None
                    self._closed[row.execution_id] = row
                case core.Purge(execution_id, last_event_id):
                    self._purge(execution_id, last_event_id)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write inside the caller's transaction. Cuts go first: what a group appends after a cut survives it."""
        if self._cuts:
            cuts = list(self._cuts.items())
            connection.executemany("DELETE FROM event WHERE execution_id = ? AND event_id > ?", cuts)
        batches.insert(
            connection,
            "INSERT INTO event",
            [(run, number, body) for run, known in self._events.items() for number, body in known.items()],
        )
        batches.insert(
            connection,
            "INSERT OR REPLACE INTO record",
            [(table, key, value) for (table, key), value in self._rows.items() if value is not None],
        )
        gone: dict[str, list[str]] = {}
        for (table, key), value in self._rows.items():
            if value is None:
                gone.setdefault(table, []).append(key)
        for table, keys in gone.items():
            batches.among(connection, "DELETE FROM record WHERE kind = ? AND key IN", keys, table)
        closed.insert(connection, list(self._closed.values()))
        closed.hide(connection, list(self._hidden))
        closed.delete(connection, list(self._purged))

    def _truncate(self, execution_id: int, last_event_id: int) -> None:
        known = self._events.get(execution_id, {})
        for event_id in [number for number in known if number > last_event_id]:
            del known[event_id]
        self._cuts[execution_id] = min(last_event_id, self._cuts.get(execution_id, last_event_id))

    def _purge(self, execution_id: int, last_event_id: int) -> None:
        if last_event_id:
            self._truncate(execution_id, last_event_id)
            self._hidden.add(execution_id)
            return
        self._events.pop(execution_id, None)
        self._cuts.pop(execution_id, None)
        self._hidden.discard(execution_id)
        self._closed.pop(execution_id, None)
        self._purged.add(execution_id)


def write_group(connection: sqlite3.Connection, group: Sequence[Sequence[core.Change]]) -> None:
    """Make a group durable in one transaction, or leave the database as it was and raise :class:`sqlite3.Error`."""
    fold = Fold()
    for changes in group:
        fold.add(changes)
    connection.execute("BEGIN IMMEDIATE")
    try:
        fold.write(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def read_records(connection: sqlite3.Connection) -> Iterator[core.Put]:
    """Every row, as the change that would write it."""
    for kind, key, value in connection.execute("SELECT kind, key, value FROM record"):
        yield core.Put(kind, key, value)


def read_events(connection: sqlite3.Connection, execution_id: int, first: int, last: int) -> list[bytes]:
    """Events ``first`` to ``last`` of one execution, both included, in ascending order."""
    rows = connection.execute(
        "SELECT body FROM event WHERE execution_id = ? AND event_id BETWEEN ? AND ? ORDER BY event_id",
        (execution_id, first, last),
    )
    return [body for (body,) in rows]
