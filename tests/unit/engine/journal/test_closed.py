"""Closed executions in the journal: how they get there, how they are found, how they go (spec/swf-semantics 10)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from elbflow_engine import core, journal
from elbflow_engine.journal import migrations, reading, rows, schema
from elbflow_engine.testing import Bench

EVER = core.Selection("1", "d", by_close=False, oldest_ms=0, latest_ms=10**15)


def execution(number: int, *, events: int = 2, purge_ms: int = 1000) -> core.Closed:
    return core.Closed(
        execution_id=number,
        account="1",
        domain="d",
        workflow_id=f"w{number}",
        run_id=f"r{number}",
        workflow_type=("t", "1"),
        start_ms=number,
        close_ms=number + 1,
        close_status="COMPLETED",
        tags=("x",),
        events=events,
        purge_ms=purge_ms,
        details=b"{}",
    )


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    migrations.migrate(opened, 0)
    yield opened
    opened.close()


async def test_closing_moves_the_row_in_one_commit(tmp_path: Path) -> None:
    async with journal.Journal.open(tmp_path / "engine.sqlite3") as book:
        await book.commit((core.Put("execution", "7", b"open"), core.Append(7, 1, (b"a",))))
        await book.commit((core.Append(7, 2, (b"b",)), core.Close(execution(7))))
        seen: list[core.Put] = []
        await book.restore(lambda records, _events: seen.extend(records))
        assert seen == []
        assert await book.read(core.ClosedRun("1", "d", "w7", "r7", 0)) == execution(7)
        assert await book.read(core.Events(7, 1, 9)) == [b"a", b"b"]


def test_an_execution_that_opens_and_closes_within_a_group_was_never_open(connection: sqlite3.Connection) -> None:
    rows.write_group(
        connection,
        [
            (core.Put("execution", "7", b"open"), core.Append(7, 1, (b"a", b"b"))),
            (core.Close(execution(7)),),
        ],
    )
    assert connection.execute("SELECT count(*) FROM record").fetchone() == (0,)
    assert reading.Reader(connection).closed_by_id(core.ClosedById(7, 0)) == execution(7)


def test_a_purge_within_the_group_of_the_close_leaves_nothing(connection: sqlite3.Connection) -> None:
    rows.write_group(connection, [(core.Append(7, 1, (b"early",)),)])
    rows.write_group(
        connection,
        [
            (core.Append(7, 2, (b"b", b"c")), core.Close(execution(7, events=3))),
            (core.Purge(7, 2),),
            (core.Purge(7, 0),),
        ],
    )
    for table in ("record", "event", "closed"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_what_is_half_purged_is_hidden_at_any_time_and_comes_first(connection: sqlite3.Connection) -> None:
    """The clock may be set back while a long history is being deleted."""
    rows.write_group(
        connection,
        [(core.Append(number, 1, (b"e",) * 3), core.Close(execution(number, events=3))) for number in (1, 2)],
    )
    rows.write_group(connection, [(core.Purge(2, 1),)])
    reader = reading.Reader(connection)
    assert reader.closed_by_id(core.ClosedById(2, 0)) is None
    assert [row.execution_id for row in reader.closed_page(core.ClosedPage(EVER, 0, True, None, 9))] == [1]
    assert reader.retention_over(core.RetentionOver(0, 9)) == core.Expired(((2, 1),), 1000)
    assert reader.retention_over(core.RetentionOver(1000, 9)) == core.Expired(((2, 1), (1, 3)), None)


def test_purging_many_at_once(connection: sqlite3.Connection) -> None:
    changes = [(core.Append(number, 1, (b"e",)), core.Close(execution(number))) for number in range(1, 601)]
    rows.write_group(connection, changes)
    rows.write_group(connection, [tuple(core.Purge(number, 0) for number in range(1, 600))])
    assert connection.execute("SELECT execution_id FROM closed").fetchall() == [(600,)]
    assert connection.execute("SELECT execution_id FROM event").fetchall() == [(600,)]


@pytest.mark.parametrize("by_close", [False, True])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("after", [None, (5, "r")])
@pytest.mark.parametrize("exclusive", [{}, {"tag": "x"}, {"close_status": "FAILED"}, {"type_name": "t"}])
def test_pages_walk_an_index_in_order(
    connection: sqlite3.Connection,
    by_close: bool,
    newest_first: bool,
    after: core.Position | None,
    exclusive: dict[str, str],
) -> None:
    """No page reads and sorts what it does not show."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    selection = core.Selection("1", "d", by_close, 0, 10, **exclusive)
    assert reading.Reader(connection).closed_page(core.ClosedPage(selection, 0, newest_first, after, 3)) == []
    connection.set_trace_callback(None)
    (plan,) = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]
    column = "close" if by_close else "start"
    assert plan.startswith(f"SEARCH closed USING INDEX closed_by_{column} (account=? AND domain=? AND")
    assert "ms>?" in plan
    assert "ms<?" in plan or "<(?,?)" in plan


def test_every_other_question_uses_its_index(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    reader = reading.Reader(connection)
    reader.closed_run(core.ClosedRun("1", "d", "w", "r", 0))
    reader.closed_by_id(core.ClosedById(1, 0))
    reader.closed_count(core.ClosedCount(core.Selection("1", "d", False, 0, 1, workflow_id="w"), 0, 9))
    reader.retention_over(core.RetentionOver(0, 9))
    connection.set_trace_callback(None)
    plans = [
        [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}") if "closed" in row[3]]
        for text in statements
    ]
    assert [plan[0].split(" (")[0] for plan in plans] == [
        "SEARCH closed USING INDEX closed_by_run",
        "SEARCH closed USING INTEGER PRIMARY KEY",
        "SEARCH closed USING INDEX closed_by_workflow",
        "SEARCH closed USING COVERING INDEX closed_by_purge",
        "SEARCH closed USING COVERING INDEX closed_by_purge",
    ]


async def test_a_long_scan_delays_no_other_read(tmp_path: Path) -> None:
    released = threading.Event()

    class Slow(core.ClosedCount):
        def run(self, store: core.Store) -> int:
            assert released.wait(30)
            return store.closed_count(self)

    async with journal.Journal.open(tmp_path / "engine.sqlite3") as book:
        await book.commit((core.Append(7, 1, (b"a",)), core.Close(execution(7))))
        scan = asyncio.create_task(book.read(Slow(EVER, 0, 9)))
        await asyncio.sleep(0)
        assert await book.read(core.Events(7, 1, 9)) == [b"a"]
        assert await book.read(core.ClosedById(7, 0)) == execution(7)
        assert not scan.done()
        released.set()
        assert await scan == 1


async def test_of_a_large_file_the_part_that_every_start_needs_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_CHECKED_BYTES", 0)
    path = tmp_path / "engine.sqlite3"
    async with journal.Journal.open(path) as book:
        await book.commit(tuple(core.Put("t", f"key-{number:04}", b"\0" * 500) for number in range(400)))
        await book.commit(tuple(core.Append(number, 1, (b"occurred",) * 500) for number in range(40)))
    content = path.read_bytes()
    half, part = damaged(content, b"key-0200"), damaged(content, b"occurred")
    path.write_bytes(half)
    with pytest.raises(journal.JournalUnusable, match=r"engine\.sqlite3: "):
        async with journal.Journal.open(path):
            pytest.fail("opened a damaged file")
    path.write_bytes(part)
    async with journal.Journal.open(path) as book:
        with pytest.raises(journal.JournalUnusable, match="The journal cannot be loaded: DatabaseError"):
            await book.restore(lambda _records, events: deque(map(events, range(40)), maxlen=0).clear())


def damaged(content: bytes, where: bytes) -> bytes:
    """The file with garbage instead of the first page that holds these bytes."""
    start = content.index(where) // 8192 * 8192
    return content[:start] + b"\xff" * 8192 + content[start + 8192 :]


async def test_a_history_with_a_gap_is_told_at_the_start(tmp_path: Path) -> None:
    bench = Bench()
    bench.start()
    async with journal.Journal.open(tmp_path / "engine.sqlite3") as book:
        await book.commit(tuple(bench.journal.rows()))
        await book.commit((core.Append(1, 2, (bench.journal.history(1)[1],)),))
        engine = core.Engine(core.Limits(), b"secret")
        with pytest.raises(journal.JournalUnusable, match=r"The journal cannot be loaded: .*gap"):
            await book.restore(engine.load)


async def test_leaving_while_a_scan_is_under_way_closes_its_connection_in_its_own_thread(tmp_path: Path) -> None:
    """SQLite crashed the process when the writer's thread closed a connection in the middle of a query."""
    path = tmp_path / "engine.sqlite3"
    many = core.Selection("1", "d", by_close=True, oldest_ms=0, latest_ms=10**15, tag="nobody")
    async with journal.Journal.open(path) as book:
        await book.commit([core.Close(execution(number, purge_ms=10**15)) for number in range(1, 20_001)])
    for _ in range(3):
        async with journal.Journal.open(path) as book:
            scans = [asyncio.create_task(book.read(core.ClosedCount(many, now_ms=0, most=10**6))) for _ in range(20)]
            await asyncio.sleep(0.005)
            for scan in scans:
                scan.cancel()
            ended = await asyncio.gather(*scans, return_exceptions=True)
            assert {type(one) for one in ended} <= {asyncio.CancelledError, int}


async def test_reads_that_nobody_waits_for_any_more_are_not_done(tmp_path: Path) -> None:
    done: list[int] = []
    going = threading.Event()

    class Counted(core.ClosedCount):
        def run(self, store: core.Store) -> int:
            going.wait(5)
            done.append(1)
            return 0

    async with journal.Journal.open(tmp_path / "engine.sqlite3") as book:
        reads = [asyncio.create_task(book.read(Counted(EVER, now_ms=0, most=1))) for _ in range(5)]
        await asyncio.sleep(0.02)
        for read in reads[1:]:
            read.cancel()
        await asyncio.gather(*reads[1:], return_exceptions=True)
        going.set()
        assert await reads[0] == 0
        assert await book.read(core.ClosedCount(EVER, now_ms=0, most=1)) == 0
    assert done == [1]


def test_a_late_page_walks_no_earlier_one_again(connection: sqlite3.Connection) -> None:
    rows.write_group(connection, [[core.Close(execution(number, purge_ms=10**15)) for number in range(1, 5001)]])
    store = reading.Reader(connection)
    for newest_first, after in ((True, (50, "r50")), (False, (4950, "r4950"))):
        steps: list[int] = []
        connection.set_progress_handler(lambda counted=steps: counted.append(1), 10)  # type: ignore[misc]
        page = store.closed_page(core.ClosedPage(EVER, 0, newest_first, after, 10))
        connection.set_progress_handler(None, 0)
        assert len(page) == 10
        assert 10 * len(steps) < 2000
