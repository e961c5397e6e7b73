from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from elbflow_engine.journal import batches


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute("CREATE TABLE t (kind TEXT, key INTEGER, PRIMARY KEY (kind, key)) WITHOUT ROWID")
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 1000])
def test_all_rows_arrive_in_few_statements(connection: sqlite3.Connection, count: int) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    batches.insert(connection, "INSERT INTO t", [("a", number) for number in range(count)])
    connection.set_trace_callback(None)
    assert connection.execute("SELECT count(*), count(DISTINCT key) FROM t").fetchone() == (count, count)
    assert len(statements) <= count // batches.LARGEST + batches.LARGEST.bit_length()


def test_delete_takes_the_named_keys_and_no_others(connection: sqlite3.Connection) -> None:
    batches.insert(connection, "INSERT INTO t", [(kind, number) for kind in "ab" for number in range(600)])
    batches.among(connection, "DELETE FROM t WHERE kind = ? AND key IN", list(range(1, 600)), "a")
    assert connection.execute("SELECT * FROM t WHERE kind = 'a'").fetchall() == [("a", 0)]
    assert connection.execute("SELECT count(*) FROM t WHERE kind = 'b'").fetchone() == (600,)


def test_delete_uses_the_whole_key(connection: sqlite3.Connection) -> None:
    plan = connection.execute("EXPLAIN QUERY PLAN DELETE FROM t WHERE kind = ? AND key IN (?, ?)", ("a", 1, 2))
    assert "kind=? AND key=?" in plan.fetchone()[3]
