"""Writers that want the store at the same time."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest
from tests.unit.store.conftest import ACCOUNT

from elbflow import errors, store
from elbflow.store import database


async def test_many_writers_of_one_process_get_the_store_in_the_order_they_came(db: store.Store) -> None:
    order: list[int] = []

    async def write(number: int) -> None:
        async with db.transaction() as tx:
            await tx.access_keys.save(store.AccessKey(f"AKIA{number}", "secret", ACCOUNT))
            await asyncio.sleep(0.005)  # long enough for SQLite's own waiting to let later ones overtake
            order.append(number)

    await asyncio.gather(*(write(number) for number in range(30)))

    assert order == list(range(30))


async def test_a_store_that_another_process_keeps_locked_is_busy_not_broken(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_SQLITE_BUSY_TIMEOUT_MS", 50)
    path = url.partition("///")[2]
    async with store.Store(url) as db:
        async with db.transaction() as tx:
            assert await tx.outbox.size() == 0
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(store.StoreBusy):
                async with db.transaction():
                    pytest.fail("the other process writes")
            other.execute("ROLLBACK")
        async with db.transaction() as tx:
            await tx.access_keys.save(store.AccessKey("AKIA1", "secret", ACCOUNT))
    assert issubclass(store.StoreBusy, errors.Retryable)


async def test_a_writer_does_not_wait_forever_for_its_turn(db: store.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_LONGEST_TURN_S", 0.05)
    async with db.transaction():
        began = time.monotonic()
        with pytest.raises(store.StoreBusy):
            async with db.transaction():
                pytest.fail("the first transaction is open")
    assert time.monotonic() - began < 5
    async with db.transaction() as tx:
        assert await tx.outbox.size() == 0
