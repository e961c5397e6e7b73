"""Examines a journal without changing it: the file, the histories, what is stored beside them, and the core's view."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from elbflow_engine import core, histories
from elbflow_engine.journal import closed, rows, schema

MOST_FINDINGS = 100
_PROGRESS_EVERY = 1000
_LAST = 2**62
_NAMES = frozenset({"account", "domain", "workflow_id", "run_id"})

_COUNTS = "SELECT execution_id, count(*), min(event_id), max(event_id) FROM event GROUP BY execution_id"
_CLOSED = f"SELECT {closed.COLUMNS} FROM closed ORDER BY execution_id"  # noqa: S608 - names are ours
_HIGHEST = (
    "SELECT max(id) FROM (SELECT max(execution_id) AS id FROM event UNION ALL SELECT max(execution_id) FROM closed"
    " UNION ALL SELECT max(CAST(key AS INTEGER)) FROM record WHERE kind = 'execution')"
)

Progress: TypeAlias = Callable[[int, int], None]
"""Told executions examined and executions in all."""


class Damaged(Exception):
    """The journal is not as an engine would have left it; the message lists the findings."""


@dataclass(slots=True)
class Report:
    """What was found. ``findings`` are sentences for an operator; none means that all is well."""

    version: str = "none"
    older: bool = False
    open_executions: int = 0
    closed_executions: int = 0
    events: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, finding: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
        elif len(self.findings) == MOST_FINDINGS:
            self.findings.append("and more")


def examine(path: Path, progress: Progress) -> Report:
    """Examine a journal: an engine's, also while it runs, or a backup. Sees one instant of it.

    Checks SQLite's own structure, the schema version, that every history is gapless, correct
    (:func:`histories.check`) and leads to what is stored of its execution, that the core loads it, and that new
    executions get new ids. Raises :class:`schema.JournalUnusable` when it cannot be opened at all.
    """
    report = Report()
    with contextlib.closing(schema.open_snapshot(path)) as connection:
        try:
            if _check_file(connection, report):
                _Contents(connection, report, progress).check()
        except sqlite3.Error as error:
            report.find(f"The file cannot be read: {error}")
        except Exception as error:
            report.find(f"The rest cannot be examined: {error!r}")
    return report


def verify(path: Path) -> None:
    """Raise :class:`Damaged` unless :func:`examine` finds nothing. Of an older schema version only the file counts."""
    report = examine(path, lambda done, total: None)
    if report.findings and not report.older:
        raise Damaged("; ".join(report.findings))


def _check_file(connection: sqlite3.Connection, report: Report) -> bool:
    """The file as SQLite sees it; whether its contents can be looked at."""
    verdicts = [verdict for (verdict,) in connection.execute(f"PRAGMA integrity_check({MOST_FINDINGS})")]
    if verdicts != ["ok"]:
        for verdict in verdicts:
            report.find(f"SQLite: {verdict}")
        return False
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "meta" not in tables:
        report.find("This is not a journal of elbflow-engine")
        return False
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    report.version = "none" if row is None else str(row[0])
    if report.version != str(schema.SCHEMA_VERSION):
        report.older = report.version.isdigit() and int(report.version) < schema.SCHEMA_VERSION
        report.find(f"Schema version {report.version}; this program examines version {schema.SCHEMA_VERSION}")
        return False
    return True


class _Contents:
    """The contents of a sound file of the present version."""

    def __init__(self, connection: sqlite3.Connection, report: Report, progress: Progress) -> None:
        self._connection = connection
        self._report = report
        self._progress = progress
        self._open = {int(key): row for key, row in self._records("execution")}

    def check(self) -> None:
        counts = {number: counted for number, *counted in self._connection.execute(_COUNTS)}
        self._report.events = sum(count for count, _, _ in counts.values())
        self._report.open_executions = len(self._open)
        (self._report.closed_executions,) = self._connection.execute("SELECT count(*) FROM closed").fetchone()
        known = set(self._open)
        done = itertools.count(1)
        total = self._report.open_executions + self._report.closed_executions
        for row in self._closed():
            known.add(row.execution_id)
            self._check_closed(row, counts.get(row.execution_id, [0, 0, 0]))
            self._tell(next(done), total)
        self._check_open(counts, lambda: self._tell(next(done), total))
        for number in counts.keys() - known:
            self._report.find(f"Execution {number}: there are events, but no execution")
        self._check_ids()
        self._check_core()

    def _tell(self, done: int, total: int) -> None:
        if done % _PROGRESS_EVERY == 0 or done == total:
            self._progress(done, total)

    def _check_closed(self, row: core.Closed, counted: Sequence[int]) -> None:
        name = f"Execution {row.execution_id} ({row.workflow_id}, {row.run_id}, closed)"
        if row.purge_ms == 0:  # its retention is over, its history is being deleted from the end
            if counted[0] and counted[1:] != [1, counted[0]]:
                self._report.find(f"{name}: event ids {counted[1]} to {counted[2]} for {counted[0]} events")
            return
        events = self._history(name, row.execution_id, counted)
        if events is None:
            return
        try:
            told = core.closed_row(row, events)
        except Exception as error:
            self._report.find(f"{name}: the core cannot replay its history: {error!r}")
            return
        if _comparable(told) != _comparable(row):
            self._report.find(f"{name}: its history tells another end than its row: {told} / {row}")

    def _check_open(self, counts: dict[int, list[int]], examined: Callable[[], None]) -> None:
        together: defaultdict[tuple[str, str], dict[histories.Run, list[histories.Event]]] = defaultdict(dict)
        for number, row in self._open.items():
            if not row.keys() >= _NAMES:
                self._report.find(f"Execution {number} (open): its row lacks {', '.join(sorted(_NAMES - row.keys()))}")
                continue
            run = row["workflow_id"], row["run_id"]
            name = f"Execution {number} ({run[0]}, {run[1]}, open)"
            events = self._history(name, number, counts.get(number, [0, 0, 0]))
            if events is not None:
                parsed = together[row["account"], row["domain"]][run] = histories.parse(events)
                if parsed[-1]["eventType"] in histories.CLOSE:
                    self._report.find(f"{name}: its history ends with {parsed[-1]['eventType']}")
            examined()
        for (account, domain), open_runs in together.items():
            try:
                histories.check_together(open_runs)
            except histories.Violation as violation:
                self._report.find(f"Domain {domain} of {account}: {violation}")

    def _history(self, name: str, number: int, counted: Sequence[int]) -> list[bytes] | None:
        """The events of an execution if they are a correct history."""
        count, first, last = counted
        if not count or (first, last) != (1, count):
            self._report.find(f"{name}: {count} events with ids from {first} to {last}")
            return None
        events = rows.read_events(self._connection, number, 1, _LAST)
        try:
            histories.check(histories.parse(events))
        except Exception as error:
            self._report.find(f"{name}: {str(error) or repr(error)}")
            return None
        return events

    def _check_ids(self) -> None:
        (highest,) = self._connection.execute(_HIGHEST).fetchone()
        following = dict(self._records("meta")).get("next_execution_id", 1)
        if highest is not None and following <= highest:
            self._report.find(f"The next execution would get id {following}, but {highest} is taken")

    def _check_core(self) -> None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'secret'").fetchone()
        if row is None:
            self._report.find("The key of the task tokens is missing: tokens that workers hold would be refused")
        engine = core.Engine(core.Limits(), b"" if row is None else bytes(row[0]))
        try:
            engine.load(
                rows.read_records(self._connection),
                lambda number: rows.read_events(self._connection, number, 1, _LAST),
            )
        except Exception as error:
            self._report.find(f"The engine cannot load it: {error!r}")

    def _records(self, kind: str) -> Iterator[tuple[str, Any]]:
        for key, value in self._connection.execute("SELECT key, value FROM record WHERE kind = ?", (kind,)):
            try:
                yield key, orjson.loads(value)
            except orjson.JSONDecodeError as error:
                self._report.find(f"Row {kind}/{key} is not valid JSON: {error}")

    def _closed(self) -> Iterator[core.Closed]:
        for values in self._connection.execute(_CLOSED):
            try:
                yield closed.from_values(values)
            except Exception as error:
                self._report.find(f"Execution {values[0]} (closed): its row cannot be read: {error!r}")


def _comparable(row: core.Closed) -> dict[str, object]:
    members = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return members | {"details": orjson.loads(row.details)}
