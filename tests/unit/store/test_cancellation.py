"""A cancelled user of the store leaves nothing behind, not even work in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from tests.unit.store.conftest import ACCOUNT

from elbflow import store


async def test_a_cancelled_transaction_is_rolled_back_and_lets_the_next_one_write(db: store.Store) -> None:
    inside = asyncio.Event()

    async def write() -> None:
        async with db.transaction() as tx:
            await tx.access_keys.save(store.AccessKey("AKIA1", "secret", ACCOUNT))
            inside.set()
            await asyncio.Event().wait()

    writing = asyncio.create_task(write())
    await inside.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    async with asyncio.timeout(5), db.transaction() as tx:
        assert await tx.access_keys.find("AKIA1") is None


async def test_a_writer_cancelled_while_sqlite_makes_it_wait_ends_with_the_wait(db: store.Store, url: str) -> None:
    async def write() -> None:
        async with db.transaction():
            pytest.fail("another process writes")

    async with db.transaction() as tx:  # from now on the file has its write-ahead log
        assert await tx.outbox.size() == 0
    with closing(sqlite3.connect(url.partition("///")[2], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(write())
        await asyncio.sleep(0.05)
        for _ in range(2):  # a second time, while it waits for its thread
            writing.cancel()
            await asyncio.sleep(0.02)
        assert not writing.done()
        other.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError):
            await writing

    async with db.transaction() as tx:
        assert await tx.outbox.size() == 0


async def test_rows_are_read_before_the_block_ends_and_not_by_the_reader(db: store.Store) -> None:
    async with db.transaction() as tx:
        for number in range(3):
            await tx.cloud_resources.save("role", f"role-{number}", {"number": number})
    async with db.reading() as tx:
        roles = await tx.cloud_resources.of_kind("role")
    assert [data["number"] for data in roles.values()] == [0, 1, 2]
