from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from elbflow_engine import core, journal


def nothing(done: int, total: int) -> None:
    """Nobody watches."""


async def test_a_backup_is_one_instant_while_the_engine_writes(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite3"
    steps: list[tuple[int, int]] = []
    stop = asyncio.Event()

    async def write(book: journal.Journal, first: int) -> int:
        """Executions of two events, each one commit."""
        number = first
        while not stop.is_set():
            await book.commit((core.Append(number, 1, (bytes(3000), bytes(3000))), core.Put("t", str(number), b"x")))
            number += 4
        return number

    async with journal.Journal.open(written) as book:
        writers = [asyncio.create_task(write(book, first)) for first in range(1000, 1004)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(
            journal.backup, written, target, lambda path: None, lambda done, total: steps.append((done, total))
        )
        at_end = [writer.done() for writer in writers]
        stop.set()
        last = max(await asyncio.gather(*writers))
    assert not any(at_end)
    with sqlite3.connect(target) as connection:
        counts = connection.execute(
            "SELECT count(*), count(DISTINCT execution_id) FROM event WHERE execution_id >= 1000"
        )
        events, executions = counts.fetchone()
        (records,) = connection.execute("SELECT count(*) FROM record WHERE kind = 't'").fetchone()
    connection.close()
    assert events == 2 * executions == 2 * records > 0
    assert executions < last - 1000
    assert steps[-1][0] == steps[-1][1]
    assert {total for _, total in steps} == {steps[0][1]}


def test_the_copy_is_whole_private_and_alone(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "backups" / "copy.sqlite3"
    target.parent.mkdir()
    journal.backup(written, target, journal.verify, nothing)
    assert os.listdir(target.parent) == ["copy.sqlite3"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert journal.examine(target, nothing).findings == []
    assert os.listdir(target.parent) == ["copy.sqlite3"]


@pytest.mark.usefixtures("may_block")
async def test_an_engine_continues_from_a_backup(written: Path, tmp_path: Path) -> None:
    restored = tmp_path / "new" / journal.FILE_NAME
    restored.parent.mkdir()
    journal.backup(written, restored, journal.verify, nothing)
    async with journal.Journal.open(written) as old, journal.Journal.open(restored) as new:
        assert await new.secret() == await old.secret()
        await new.commit((core.Put("t", "k", b"1"),))
        assert restored.with_name(f"{restored.name}-wal").exists()
    assert journal.examine(restored, nothing).findings == []


def test_an_existing_file_is_left_alone(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite3"
    target.write_text("precious")
    with pytest.raises(FileExistsError, match="exists already"):
        journal.backup(written, target, journal.verify, nothing)
    assert target.read_text() == "precious"


def test_a_file_that_appears_meanwhile_is_left_alone(written: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite3"

    def verify(path: Path) -> None:
        target.write_text("precious")

    with pytest.raises(FileExistsError, match="exists already"):
        journal.backup(written, target, verify, nothing)
    assert target.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "copy.sqlite3"}


def test_a_damaged_journal_makes_no_backup(written: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(written)
    with connection:
        connection.execute("DELETE FROM event WHERE execution_id = 3 AND event_id = 2")
    connection.close()
    with pytest.raises(journal.Damaged, match="Execution 3"):
        journal.backup(written, tmp_path / "copy.sqlite3", journal.verify, nothing)
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_a_failure_half_way_leaves_nothing(written: Path, tmp_path: Path) -> None:
    def fail(done: int, total: int) -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        journal.backup(written, tmp_path / "copy.sqlite3", journal.verify, fail)
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
