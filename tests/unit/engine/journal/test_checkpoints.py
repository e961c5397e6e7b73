"""The log is moved into the file beside the commits (spec/swf-long-poll-scale 6.5)."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from elbflow_engine import core, journal
from elbflow_engine.journal import checkpoints


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / journal.FILE_NAME


async def write(book: journal.Journal, first: int, count: int) -> None:
    for number in range(first, first + count):
        await book.commit(tuple(core.Append(number * 10 + one, 1, (bytes(900),)) for one in range(10)))


async def test_the_log_does_not_grow_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LONG_PAGES", 100)
    monkeypatch.setattr(checkpoints, "FIRST_ROWS", 200)
    moves: list[int] = []
    genuine = checkpoints.move

    def counted(connection: sqlite3.Connection) -> int:
        moves.append(genuine(connection))
        return moves[-1]

    monkeypatch.setattr(checkpoints, "move", counted)
    async with journal.Journal.open(path) as book:
        sizes = []
        for turn in range(8):
            before = len(moves)
            await write(book, turn * 100, 100)
            async with asyncio.timeout(20):  # its thread may get its turn late
                while len(moves) == before or len(moves) % 2:
                    await asyncio.sleep(0.002)
            sizes.append((await asyncio.to_thread(path.with_name(f"{path.name}-wal").stat)).st_size)
        database = (await asyncio.to_thread(path.stat)).st_size
    assert sizes[-1] < 4 * sizes[0]
    assert database > 5_000_000


async def test_a_short_log_is_moved_when_the_engine_rests(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "IDLE_S", 0.05)
    async with journal.Journal.open(path) as book:
        before = (await asyncio.to_thread(path.stat)).st_size
        await write(book, 0, 5)
        async with asyncio.timeout(5):
            while (await asyncio.to_thread(path.stat)).st_size == before:
                await asyncio.sleep(0.02)
        assert not book.failed


async def test_a_checkpoint_that_fails_harms_no_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(connection: sqlite3.Connection) -> int:
        loop.call_soon_threadsafe(tried.set)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(checkpoints, "IDLE_S", 0.01)
    monkeypatch.setattr(checkpoints, "move", fail)
    async with journal.Journal.open(path) as book:
        await write(book, 0, 5)
        await asyncio.wait_for(tried.wait(), 5)
        await write(book, 5, 5)
        assert not book.failed
    assert sqlite3.connect(path).execute("SELECT count(*) FROM event").fetchone() == (100,)
