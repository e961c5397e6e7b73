from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import structlog.testing

from elbflow_engine import core, journal
from elbflow_engine.journal import database as databases
from elbflow_engine.journal import rows


class Commits:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def committed(self, seconds: float, group_size: int) -> None:
        assert seconds >= 0
        self.sizes.append(group_size)


class Contents:
    """Everything a journal gives back, as ``restore`` delivers it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], bytes] = {}
        self.histories: dict[int, Sequence[bytes]] = {}

    async def read(self, book: journal.Journal, *executions: int) -> Contents:
        def load(records: Iterable[core.Put], events: core_events) -> None:
            self.rows = {(one.table, one.key): one.value for one in records}
            self.histories = {number: events(number) for number in executions}

        await book.restore(load)
        return self


core_events = journal.journal.EventReader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "engine.sqlite3"


async def test_what_was_committed_is_there_after_opening_again(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        secret = await book.secret()
        await book.commit((core.Put("domain", "a", b"1"), core.Append(7, 1, (b"one", b"two"))))
        await book.commit((core.Put("domain", "b", b"2"), core.Delete("domain", "a"), core.Append(7, 3, (b"three",))))
    async with journal.Journal.open(path) as book:
        contents = await Contents().read(book, 7, 8)
        assert contents.rows == {("domain", "b"): b"2"}
        assert contents.histories == {7: [b"one", b"two", b"three"], 8: []}
        assert await book.secret() == secret
        assert len(secret) == 32


@pytest.mark.parametrize("where", ["file", "memory"])
async def test_events_are_read_by_range_in_order(where: str, path: Path) -> None:
    async with journal.Journal.open(path if where == "file" else journal.MEMORY) as book:
        await book.commit((core.Append(1, 1, tuple(str(number).encode() for number in range(1, 11))),))
        assert await book.read(core.Events(1, 3, 5)) == [b"3", b"4", b"5"]
        assert await book.read(core.Events(1, 9, 99)) == [b"9", b"10"]
        assert await book.read(core.Events(2, 1, 9)) == []


async def test_what_arrives_during_a_commit_shares_the_next_one(path: Path) -> None:
    commits = Commits()
    async with journal.Journal.open(path, commits) as book:
        first = book.commit((core.Put("t", "0", b"0"),))
        await asyncio.sleep(0)
        later = [book.commit((core.Put("t", str(number), b"x"),)) for number in range(1, 40)]
        assert not book.settled
        await asyncio.gather(first, *later)
        assert commits.sizes == [1, 39]
        assert book.settled


async def test_one_tick_is_one_commit(path: Path) -> None:
    commits = Commits()
    async with journal.Journal.open(path, commits) as book:
        await asyncio.gather(*(book.commit((core.Put("t", str(number), b"x"),)) for number in range(20)))
    assert commits.sizes == [20]


async def test_a_large_backlog_is_cut_into_groups(path: Path) -> None:
    commits = Commits()
    async with journal.Journal.open(path, commits) as book:
        await asyncio.gather(*(book.commit((core.Put("t", str(number), b"x"),)) for number in range(1200)))
        contents = await Contents().read(book)
    assert commits.sizes == [512, 512, 176]
    assert len(contents.rows) == 1200


async def test_a_backlog_in_memory_may_have_any_number_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group was written inside the end of the one before, until the interpreter's stack was used up."""
    monkeypatch.setattr(journal.journal, "MAX_GROUP", 1)
    async with journal.Journal.open(journal.MEMORY) as book, asyncio.timeout(30):
        await asyncio.gather(*(book.commit((core.Put("domain", str(number), b"1"),)) for number in range(1000)))
        assert len((await Contents().read(book)).rows) == 1000


async def test_a_barrier_waits_for_what_is_queued_and_is_free_otherwise(path: Path) -> None:
    commits = Commits()
    async with journal.Journal.open(path, commits) as book:
        assert book.commit(()).done()
        writing = book.commit((core.Put("t", "k", b"v"),))
        barrier = book.commit(())
        assert not barrier.done()
        await barrier
        assert writing.done()
    assert commits.sizes == [1]


async def test_leaving_waits_for_queued_commits(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        book.commit((core.Put("t", "k", b"v"),))
    async with journal.Journal.open(path) as book:
        assert (await Contents().read(book)).rows == {("t", "k"): b"v"}


async def test_a_cancelled_caller_does_not_take_its_changes_back(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        book.commit((core.Put("t", "k", b"v"),)).cancel()
        await book.commit((core.Put("t", "l", b"w"),))
        assert (await Contents().read(book)).rows == {("t", "k"): b"v", ("t", "l"): b"w"}


async def test_truncate_removes_the_tail_also_within_one_group(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        await book.commit((core.Append(1, 1, (b"a", b"b", b"c")),))
        await asyncio.gather(
            book.commit((core.Append(1, 4, (b"lost",)),)),
            book.commit((core.Truncate(1, 2),)),
            book.commit((core.Append(1, 3, (b"C", b"D")),)),
            book.commit((core.Truncate(1, 3),)),
        )
        assert await book.read(core.Events(1, 1, 9)) == [b"a", b"b", b"C"]
        await book.commit((core.Truncate(1, 0),))
        assert await book.read(core.Events(1, 1, 9)) == []


async def test_a_change_that_cannot_be_stored_fails_alone_of_those_before_it(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        await book.commit((core.Append(1, 1, (b"a",)),))
        outcomes = [book.commit((core.Put("t", "k", b"v"),)), book.commit((core.Append(1, 1, (b"again",)),))]
        outcomes.append(book.commit((core.Put("t", "behind", b"v"),)))
        await asyncio.sleep(0)
        outcomes.append(book.commit((core.Put("t", "queued", b"v"),)))
        results = await asyncio.gather(*outcomes, return_exceptions=True)
        kinds = [type(None), journal.ChangeRejected, journal.CommitFailed, journal.CommitFailed]
        assert [type(result) for result in results] == kinds
        assert "UNIQUE" in str(results[1])
        assert book.failed
        with pytest.raises(journal.CommitFailed):
            await book.commit((core.Put("t", "refused", b"v"),))
        await book.recover()
        await book.commit((core.Put("t", "after", b"v"),))
        contents = await Contents().read(book, 1)
        assert contents.rows == {("t", "k"): b"v", ("t", "after"): b"v"}
        assert contents.histories == {1: [b"a"]}


async def test_a_barrier_behind_a_rejected_change_fails_with_it(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        await book.commit((core.Append(1, 1, (b"a",)),))
        rejected, barrier = book.commit((core.Append(1, 1, (b"again",)),)), book.commit(())
        results = await asyncio.gather(rejected, barrier, return_exceptions=True)
        assert [type(result) for result in results] == [journal.ChangeRejected, journal.CommitFailed]


class Flaky(databases.Database):
    """Fails commits on purpose: ``errors`` are raised one after the other, None lets one pass."""

    errors: ClassVar[list[Exception | None]] = []

    def commit(self, group: Sequence[Sequence[core.Change]]) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        super().commit(group)


@pytest.mark.parametrize("reason", ["database or disk is full", "disk I/O error"])
async def test_a_failing_disk_fails_the_whole_group_without_a_second_try(reason: str, path: Path) -> None:
    Flaky.errors = [sqlite3.OperationalError(reason)]
    async with journal.Journal.open(path, database=Flaky) as book:
        outcomes = [book.commit((core.Put("t", str(number), b"v"),)) for number in range(3)]
        results = await asyncio.gather(*outcomes, return_exceptions=True)
        assert [type(result) for result in results] == [journal.CommitFailed] * 3
        assert all(reason in str(result) for result in results)
        await book.recover()
        assert (await Contents().read(book)).rows == {}


async def test_a_group_that_fails_once_is_written_one_by_one(path: Path) -> None:
    Flaky.errors = [sqlite3.IntegrityError("once")]
    async with journal.Journal.open(path, database=Flaky) as book:
        await asyncio.gather(*(book.commit((core.Put("t", str(number), b"v"),)) for number in range(3)))
        assert not book.failed
        assert len((await Contents().read(book)).rows) == 3


async def test_a_disk_that_fails_during_the_second_try_rejects_nobody(path: Path) -> None:
    Flaky.errors = [sqlite3.IntegrityError("once"), None, sqlite3.OperationalError("disk I/O error")]
    async with journal.Journal.open(path, database=Flaky) as book:
        outcomes = [book.commit((core.Put("t", str(number), b"v"),)) for number in range(3)]
        results = await asyncio.gather(*outcomes, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), journal.CommitFailed, journal.CommitFailed]
        assert list((await Contents().read(book)).rows) == [("t", "0")]


async def test_a_full_disk_fails_commits_until_there_is_room(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        await book.commit((core.Put("t", "k", b"v"),))
        await limit_pages(book, 1)
        with pytest.raises(journal.CommitFailed, match="full"):
            await book.commit((core.Put("t", "big", bytes(200_000)),))
        with pytest.raises(journal.CommitFailed, match="full"):
            await book.recover()
        assert book.failed
        await limit_pages(book, 1_000_000)
        await book.recover()
        await book.commit((core.Put("t", "big", bytes(200_000)),))
        contents = await Contents().read(book)
        assert contents.rows == {("t", "k"): b"v", ("t", "big"): bytes(200_000)}


async def limit_pages(book: journal.Journal, pages: int) -> None:
    """SQLite's own stand-in for a full disk; the limit never falls below the present size."""
    database = book._database

    def limit() -> None:
        assert database._writer is not None
        database._writer.execute(f"PRAGMA max_page_count={pages}").fetchone()

    await database.write(limit)


async def test_the_files_belong_to_their_owner_alone(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        await book.commit((core.Put("t", "k", b"v"),))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes) >= {"engine.sqlite3", "engine.sqlite3-wal", "engine.lock"}
    assert set(modes.values()) == {0o600}


async def test_the_log_is_gone_after_a_clean_end(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        await book.commit((core.Put("t", "k", b"v"),))
    assert {file.name for file in path.parent.iterdir()} == {"engine.sqlite3", "engine.lock"}


async def test_two_engines_cannot_share_a_directory(path: Path) -> None:
    async with journal.Journal.open(path):
        with pytest.raises(journal.JournalUnusable, match="another engine"):
            async with journal.Journal.open(path):
                pytest.fail("opened twice")
    async with journal.Journal.open(path) as book:
        assert book.settled


async def test_other_files_and_versions_are_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, it only has its name" * 40)
    with pytest.raises(journal.JournalUnusable, match="not a database"):
        async with journal.Journal.open(path):
            pytest.fail("opened a text file")
    path.unlink()
    async with journal.Journal.open(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '9' WHERE key = 'schema_version'")
    connection.close()
    with pytest.raises(journal.JournalUnusable, match="schema version 9, this engine needs 2"):
        async with journal.Journal.open(path):
            pytest.fail("opened a newer schema")


async def test_a_foreign_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(journal.JournalUnusable, match="not a journal"):
        async with journal.Journal.open(path):
            pytest.fail("opened a foreign database")


async def test_a_damaged_file_is_noticed(path: Path) -> None:
    async with journal.Journal.open(path) as book:
        await book.commit(tuple(core.Put("t", str(number), bytes(500)) for number in range(400)))
    with path.open("r+b") as file:
        file.seek(3 * 8192)
        file.write(b"\xff" * 8192)
    with pytest.raises(journal.JournalUnusable):
        async with journal.Journal.open(path):
            pytest.fail("opened a damaged file")


def test_rows_written_twice_in_a_group_are_written_once() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE record (kind, key, value, PRIMARY KEY (kind, key))")
    connection.execute("CREATE TABLE event (execution_id, event_id, body, PRIMARY KEY (execution_id, event_id))")
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    rows.write_group(
        connection,
        [
            (core.Put("t", "k", b"1"), core.Put("t", "gone", b"1")),
            (core.Delete("t", "gone"), core.Put("t", "k", b"2")),
            (core.Put("t", "k", b"3"),),
        ],
    )
    written = [statement for statement in statements if statement.startswith("INSERT")]
    assert len(written) == 1
    assert connection.execute("SELECT kind, key, value FROM record").fetchall() == [("t", "k", b"3")]
    connection.close()


def test_the_same_event_twice_in_a_group_is_an_error() -> None:
    with pytest.raises(sqlite3.IntegrityError, match="1:2 appended twice"):
        rows.Fold().add((core.Append(1, 1, (b"a", b"b")), core.Append(1, 2, (b"c",))))


async def test_a_writer_that_cannot_be_started_fails_the_commit_and_leaves_nobody_waiting(path: Path) -> None:
    class Broken(databases.Database):
        broken = False

        def start(self, *arguments: object) -> None:
            if self.broken:
                raise RuntimeError("can't start new thread")
            super().start(*arguments)  # type: ignore[arg-type]

    made: list[Broken] = []

    def make(name: str) -> Broken:
        made.append(Broken(name))
        return made[-1]

    async with journal.Journal.open(path, database=make) as book:
        await book.commit((core.Put("domain", "a", b"1"),))
        made[0].broken = True
        with pytest.raises(journal.CommitFailed, match="can't start new thread"):
            await book.commit((core.Put("domain", "b", b"1"),))
        assert book.failed
        made[0].broken = False
        await book.recover()
        await book.commit((core.Put("domain", "b", b"2"),))


async def test_an_observer_that_fails_keeps_nobody_from_his_commit(path: Path) -> None:
    class Failing:
        def committed(self, seconds: float, group_size: int) -> None:
            raise RuntimeError("nobody expects this")

    with structlog.testing.capture_logs() as logs:
        async with journal.Journal.open(path, Failing()) as book, asyncio.timeout(5):
            await book.commit((core.Put("domain", "a", b"1"),))
            await book.commit((core.Put("domain", "b", b"1"),))
    assert {entry["event"] for entry in logs} == {"helper_callback_failed"}
