"""What ``elbflow-engine check`` notices: each test damages a sound journal in one way."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from elbflow_engine import journal


def examine(path: Path) -> journal.Report:
    return journal.examine(path, lambda done, total: None)


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(statement, values).rowcount
    connection.close()


def test_a_sound_journal_has_no_findings(written: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = journal.examine(written, lambda done, total: seen.append((done, total)))
    assert report.findings == []
    assert (report.open_executions, report.closed_executions) == (2, 2)
    assert report.events == sqlite3.connect(written).execute("SELECT count(*) FROM event").fetchone()[0]
    assert report.version == str(journal.SCHEMA_VERSION)
    assert seen == [(4, 4)]
    journal.verify(written)


@pytest.mark.usefixtures("may_block")
async def test_it_sees_one_instant_beside_an_engine_that_writes(written: Path) -> None:
    async with journal.Journal.open(written) as book:
        log = written.with_name(f"{written.name}-wal")
        await book.commit(())
        before = written.read_bytes()
        assert examine(written).findings == []
        assert written.read_bytes() == before
        assert log.exists()
        assert not book.failed


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("DELETE FROM event WHERE execution_id = 3 AND event_id = 2", "Execution 3 .*open.*: 2 events with ids from 1"),
        ("DELETE FROM event WHERE execution_id = 1 AND event_id = 1", "Execution 1 .*closed.*: 4 events with ids from"),
        ("DELETE FROM event WHERE execution_id = 4", "Execution 4 .*: 0 events"),
        ("DELETE FROM event WHERE execution_id = 1 AND event_id = 5", "Execution 1 .* cannot replay .*no close event"),
        ("DELETE FROM closed WHERE execution_id = 2", "Execution 2: there are events, but no execution"),
        ("UPDATE closed SET close_status = 'FAILED' WHERE execution_id = 1", "Execution 1 .* tells another end"),
        ("UPDATE closed SET start_ms = 7, close_ms = 8 WHERE execution_id = 2", "Execution 2 .* tells another end"),
        ("UPDATE event SET event_id = 4 WHERE execution_id = 3 AND event_id = 3", "Execution 3 .*: 3 events with ids"),
        ("UPDATE event SET body = 'no' WHERE execution_id = 3 AND event_id = 3", "Execution 3 .*"),
        (
            "UPDATE event SET body = replace(body, 'DecisionTaskStarted', 'DecisionTaskTimedOut')"
            " WHERE execution_id = 3 AND event_id = 3",
            "Execution 3 .*",
        ),
        ("UPDATE record SET value = '4' WHERE kind = 'meta'", "next execution would get id 4, but 4 is taken"),
        ("DELETE FROM record WHERE kind = 'domain'", "The engine cannot load it: KeyError"),
        ("UPDATE record SET key = '4/99' WHERE kind = 'heartbeat'", "The engine cannot load it: KeyError"),
        ("DELETE FROM meta WHERE key = 'secret'", "key of the task tokens is missing"),
        ("UPDATE meta SET value = '9' WHERE key = 'schema_version'", "Schema version 9"),
        ("UPDATE record SET value = '{' WHERE kind = 'execution' AND key = '3'", "Row execution/3 is not valid JSON"),
        ("UPDATE record SET value = '{}' WHERE kind = 'execution' AND key = '3'", "Execution 3 .* lacks account"),
        ("UPDATE record SET value = 'x' WHERE kind = 'meta'", "Row meta/next_execution_id is not valid JSON"),
        ("UPDATE closed SET tags = 'x' WHERE execution_id = 1", "Execution 1 .*: its row cannot be read"),
        ("DROP TABLE meta", "not a journal"),
    ],
)
def test_damage_is_found(written: Path, statement: str, finding: str) -> None:
    if statement.startswith("DROP"):
        connection = sqlite3.connect(written)
        connection.execute(statement)
        connection.close()
    else:
        change(written, statement)
    report = examine(written)
    assert any(re.search(finding, found) for found in report.findings), report.findings
    with pytest.raises(journal.Damaged):
        journal.verify(written)


def test_of_an_older_version_only_the_file_is_verified(written: Path) -> None:
    """A backup before an upgrade is made by the program that will upgrade."""
    change(written, "UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    assert len(examine(written).findings) == 1
    journal.verify(written)


def test_a_history_that_retention_is_deleting_is_no_damage(written: Path) -> None:
    change(written, "UPDATE closed SET purge_ms = 0 WHERE execution_id = 1")
    change(written, "DELETE FROM event WHERE execution_id = 1 AND event_id > 2")
    assert examine(written).findings == []
    change(written, "DELETE FROM event WHERE execution_id = 1 AND event_id = 1")
    assert len(examine(written).findings) == 1


def test_torn_pages_are_found(written: Path) -> None:
    with written.open("r+b") as file:
        file.seek(3 * 8192)
        file.write(b"\xff" * 4000)
    assert examine(written).findings


def test_findings_are_bounded(written: Path) -> None:
    connection = sqlite3.connect(written)
    with connection:
        connection.executemany("INSERT INTO event VALUES (?, 1, '')", [(number,) for number in range(1000, 1300)])
    connection.close()
    assert len(examine(written).findings) == 101


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(journal.JournalUnusable, match="no such file"):
        examine(tmp_path / "nothing")
    text = tmp_path / "text"
    text.write_text("not a database, only a long text " * 1000)
    with pytest.raises(journal.JournalUnusable, match="not a database"):
        examine(text)
