"""Files of older versions keep what they hold (spec/swf-long-poll-scale 6.11)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from elbflow_engine import core, journal
from elbflow_engine.journal import migrations

ACCOUNT = "123456789012"
CLOSE_MS = 1_700_000_000_000
DAY_MS = 86_400_000

# As the first release made it: this text never changes.
VERSION_1 = """
CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    execution_id INTEGER NOT NULL, event_id INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (execution_id, event_id)
) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('schema_version', '1');
"""
SETTINGS = {
    "task_list": "main",
    "task_priority": None,
    "execution_timeout": "3600",
    "task_timeout": "60",
    "child_policy": "TERMINATE",
    "lambda_role": None,
}


def header(number: int, **members: Any) -> dict[str, Any]:
    """The row of an execution as version 1 wrote it."""
    row: dict[str, Any] = {
        "id": number,
        "account": ACCOUNT,
        "domain": "house",
        "workflow_id": f"w{number}",
        "run_id": f"22run{number}=",
        "workflow_type": ["sample", "1"],
        "settings": SETTINGS,
        "tags": None,
        "parent": None,
        "parent_initiated_id": 0,
        "start_ms": CLOSE_MS - 1000,
        "cancel_requested": False,
        "latest_activity_ms": None,
        "latest_context": None,
        "close_status": None,
        "close_ms": None,
        "events": 0,
        "purging": False,
    }
    return row | members


def closed(number: int, **members: Any) -> dict[str, Any]:
    return header(number, close_status="COMPLETED", close_ms=CLOSE_MS + number, events=3) | members


def event(number: int, kind: str, **attributes: Any) -> bytes:
    stamp = (CLOSE_MS - 1000) / 1000
    member = f"{kind[0].lower()}{kind[1:]}EventAttributes"
    return orjson.dumps({"eventId": number, "eventTimestamp": stamp, "eventType": kind, member: attributes})


RECORDS = [
    ("meta", "next_execution_id", 2000),
    ("domain", f"{ACCOUNT}/house", {"account": ACCOUNT, "name": "house", "retention": "2", "description": None}),
    ("domain", f"{ACCOUNT}/brief", {"account": ACCOUNT, "name": "brief", "retention": "NONE", "description": None}),
    ("execution", "1", header(1)),
    ("execution", "2", closed(2, tags=["", "ü"], parent=["p", "22p="], parent_initiated_id=5)),
    ("execution", "3", closed(3, domain="brief", latest_activity_ms=7, latest_context="c", cancel_requested=True)),
    ("execution", "4", closed(4, purging=True, events=2)),
    *(("execution", str(number), closed(number)) for number in range(10, 1300)),
]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file of version 1 with rows inside, in WAL mode, left by a process that was killed."""
    file = tmp_path / "engine.sqlite3"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA page_size=8192")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(VERSION_1)
    connection.execute("INSERT INTO meta VALUES ('secret', ?)", (b"s" * 32,))
    connection.executemany(
        "INSERT INTO record VALUES (?, ?, ?)", [(kind, key, orjson.dumps(value)) for kind, key, value in RECORDS]
    )
    run = {"name": "sample", "version": "1"}
    connection.executemany(
        "INSERT INTO event VALUES (?, ?, ?)",
        [
            (1, 1, event(1, "WorkflowExecutionStarted", workflowType=run)),
            (1, 2, event(2, "DecisionTaskScheduled", taskList={"name": "main"})),
            *((number, event_id, b"{}") for number in (2, 3, 4) for event_id in (1, 2, 3)),
        ],
    )
    connection.commit()
    yield file
    connection.close()


async def loaded(book: journal.Journal) -> core.Engine:
    engine = core.Engine(core.Limits(), await book.secret())
    await book.restore(engine.load)
    return engine


async def test_version_1_keeps_everything(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        engine = await loaded(book)
        assert engine.statistics().open_executions == 1
        task = engine.poll(ACCOUNT, "PollForDecisionTask", {"domain": "house", "taskList": {"name": "main"}}, 1.8e9, 1)
        assert isinstance(task, core.Transition)
        assert isinstance(task.result, core.HistoryPage)
        assert task.result.head["workflowExecution"] == {"workflowId": "w1", "runId": "22run1="}
        assert await book.secret() == b"s" * 32

        second = await book.read(core.ClosedById(2, CLOSE_MS))
        assert second is not None
        assert (second.tags, second.purge_ms) == (("", "ü"), CLOSE_MS + 2 + 2 * DAY_MS)
        assert second == await book.read(core.ClosedRun(ACCOUNT, "house", "w2", "22run2=", CLOSE_MS))
        assert await book.read(core.Events(2, 1, 9)) == [b"{}"] * 3
        everything = core.Selection(ACCOUNT, "house", by_close=True, oldest_ms=0, latest_ms=2 * CLOSE_MS)
        assert await book.read(core.ClosedCount(everything, CLOSE_MS, 10_000)) == 1291
        over = await book.read(core.RetentionOver(CLOSE_MS + 3, 500))
        assert over == core.Expired(((4, 3), (3, 3)), CLOSE_MS + 2 + 2 * DAY_MS)
    async with journal.Journal.open(path) as book:
        assert (await loaded(book)).statistics().open_executions == 1


async def test_migrated_executions_are_described_in_full(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        engine = await loaded(book)
        run = {"workflowId": "w2", "runId": "22run2="}
        params: dict[str, core.Json] = {"domain": "house", "execution": run}
        answer = engine.call(ACCOUNT, "DescribeWorkflowExecution", params, CLOSE_MS / 1000, b"e" * 32).result
        assert isinstance(answer, core.Read)
        described = answer.resume(await book.read(answer.query))
        assert isinstance(described, dict)
        assert described["executionInfo"] == {
            "execution": run,
            "workflowType": {"name": "sample", "version": "1"},
            "startTimestamp": CLOSE_MS / 1000 - 1,
            "executionStatus": "CLOSED",
            "cancelRequested": False,
            "closeTimestamp": (CLOSE_MS + 2) / 1000,
            "closeStatus": "COMPLETED",
            "parent": {"workflowId": "p", "runId": "22p="},
            "tagList": ["", "ü"],
        }
        assert described["executionConfiguration"] == {
            "executionStartToCloseTimeout": "3600",
            "taskStartToCloseTimeout": "60",
            "childPolicy": "TERMINATE",
            "taskList": {"name": "main"},
        }


async def test_a_migration_that_fails_leaves_the_old_version_intact(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE record SET value = 'broken' WHERE kind = 'execution' AND key = '999'")
        before = dump(connection)
    connection.close()
    with pytest.raises(journal.JournalUnusable, match="migration from schema version 1 failed: JSONDecodeError"):
        async with journal.Journal.open(path):
            pytest.fail("opened half a migration")
    with sqlite3.connect(path) as connection:
        assert dump(connection) == before
        connection.execute("DELETE FROM record WHERE kind = 'execution' AND key = '999'")
    connection.close()
    async with journal.Journal.open(path) as book:
        assert (await loaded(book)).statistics().open_executions == 1


def dump(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The schema and every row."""
    found: list[tuple[Any, ...]] = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    for table in ("meta", "record", "event"):
        found += connection.execute(f"SELECT * FROM {table}")
    return found


def test_each_step_is_one_transaction_with_its_version() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)

    def fails(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x)")
        raise ValueError("no further")

    def further(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE t (x)")

    with pytest.raises(ValueError, match="no further"):
        migrations.migrate(connection, 0, [*migrations.STEPS, fails])
    assert version(connection) == str(migrations.LATEST)
    assert "half" not in tables(connection)
    migrations.migrate(connection, migrations.LATEST, [*migrations.STEPS, further])
    assert version(connection) == str(migrations.LATEST + 1)
    assert "t" in tables(connection)
    connection.close()


def version(connection: sqlite3.Connection) -> str:
    (found,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    return str(found)


def tables(connection: sqlite3.Connection) -> Iterable[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


async def test_new_and_migrated_files_have_one_schema(path: Path, tmp_path: Path) -> None:
    schemas = []
    for file in (path, tmp_path / "new.sqlite3"):
        async with journal.Journal.open(file):
            pass
        with sqlite3.connect(file) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.close()
        assert page_size == 8192
        schemas.append({name: "".join((sql or "").split()) for name, sql in found})
    assert schemas[0] == schemas[1]
    assert "closed_by_purge" in schemas[1]
