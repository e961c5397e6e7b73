"""Version 2: closed executions in a table of their own, with an index for each question that is asked of them.

Everything this step needs to know about the rows of version 1 is written here, for the core's own forms move on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any, TypeAlias

_TABLES = (
    "CREATE TABLE closed ("
    " execution_id INTEGER PRIMARY KEY, account TEXT NOT NULL, domain TEXT NOT NULL,"
    " workflow_id TEXT NOT NULL, run_id TEXT NOT NULL, type_name TEXT NOT NULL, type_version TEXT NOT NULL,"
    " start_ms INTEGER NOT NULL, close_ms INTEGER NOT NULL, close_status TEXT NOT NULL, tags BLOB,"
    " events INTEGER NOT NULL, purge_ms INTEGER NOT NULL, details BLOB NOT NULL)",
    "CREATE INDEX closed_by_run ON closed (run_id)",
    "CREATE INDEX closed_by_start ON closed (account, domain, start_ms, run_id)",
    "CREATE INDEX closed_by_close ON closed (account, domain, close_ms, run_id)",
    "CREATE INDEX closed_by_workflow ON closed (account, domain, workflow_id, start_ms, run_id)",
    "CREATE INDEX closed_by_purge ON closed (purge_ms)",
)
_COLUMNS = ("account", "domain", "workflow_id", "run_id", "start_ms", "close_ms", "close_status", "events")
_DETAILS = (
    "settings",
    "parent",
    "parent_initiated_id",
    "cancel_requested",
    "latest_activity_ms",
    "latest_context",
)
_DAY_MS = 86_400_000
_BATCH = 1000

_Row: TypeAlias = dict[str, Any]


def move_closed_executions(connection: sqlite3.Connection) -> None:
    """Move the rows of closed executions; those of open ones lose a member that only closed ones needed."""
    for statement in _TABLES:
        connection.execute(statement)
    retention = {
        (row["account"], row["domain"]): 0 if row["retention"] == "NONE" else int(row["retention"]) * _DAY_MS
        for row in (_named(domain) for _, domain in _rows(connection, "domain"))
    }
    for key, row in _rows(connection, "execution"):
        purging = row.pop("purging", False)
        if row["close_status"] is None:
            connection.execute("UPDATE record SET value = ? WHERE kind = 'execution' AND key = ?", (_dumps(row), key))
            continue
        purge_ms = 0 if purging else row["close_ms"] + retention[row["account"], row["domain"]]
        _insert(connection, int(key), row, purge_ms)
        connection.execute("DELETE FROM record WHERE kind = 'execution' AND key = ?", (key,))


def _named(domain: _Row) -> _Row:
    return domain | {"domain": domain["name"]}


def _rows(connection: sqlite3.Connection, kind: str) -> Iterator[tuple[str, _Row]]:
    """All rows of a kind, by key; the caller may change those it has been given."""
    last = ""
    while True:
        batch = connection.execute(
            "SELECT key, value FROM record WHERE kind = ? AND key > ? ORDER BY key LIMIT ?", (kind, last, _BATCH)
        ).fetchall()
        for key, value in batch:
            yield key, json.loads(value)
        if len(batch) < _BATCH:
            return
        last = batch[-1][0]


def _insert(connection: sqlite3.Connection, execution_id: int, row: _Row, purge_ms: int) -> None:
    values: dict[str, object] = {name: row[name] for name in _COLUMNS}
    values["execution_id"] = execution_id
    values["type_name"], values["type_version"] = row["workflow_type"]
    values["tags"] = _tags(row["tags"])
    values["purge_ms"] = purge_ms
    values["details"] = _dumps({name: row[name] for name in _DETAILS})
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO closed ({names}) VALUES ({marks})", values)  # noqa: S608 - names are ours


def _tags(tags: list[str] | None) -> bytes | None:
    """Each tag between two bytes that UTF-8 never uses."""
    return None if tags is None else b"\xff" + b"".join(tag.encode() + b"\xff" for tag in tags)


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
