"""What holds on SQLite holds on PostgreSQL: the same tests, and those that need more than one writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine
from tests.integration import postgresql
from tests.unit.store import test_load_balancers as aggregates
from tests.unit.store import test_migrations as migrations
from tests.unit.store import test_repositories as repositories
from tests.unit.store.conftest import Maker

from elbflow import store
from elbflow.store import database, tables

test_migrated = migrations.test_every_row_of_the_first_schema_is_kept
test_newer = migrations.test_a_store_that_a_newer_build_made_is_left_alone
test_migration_fails = migrations.test_a_migration_that_fails_leaves_the_store_as_it_was
test_created_comes_back = aggregates.test_what_is_created_comes_back
test_names = aggregates.test_names_differ_by_more_than_case
test_queries = aggregates.test_the_number_of_queries_does_not_grow
test_pages = aggregates.test_pages
test_lists = aggregates.test_a_list_holds_what_lists_show
test_changes = aggregates.test_changes
test_deletion = aggregates.test_deletion_takes_everything_along
test_rollback = aggregates.test_an_error_or_a_cancellation_rolls_back
test_applied = aggregates.test_the_slowest_vm_counts_as_applied
test_backends = repositories.test_backends
test_vms = repositories.test_vms
test_access_keys = repositories.test_access_keys
test_instances = repositories.test_instances
test_cloud_resources = repositories.test_cloud_resources
test_datapoints = repositories.test_datapoints
test_outbox = repositories.test_outbox
test_claims = repositories.test_an_order_belongs_to_one_process_at_a_time
test_ids_of_orders = repositories.test_who_removes_an_order_late_does_not_remove_the_next_one
test_writers = repositories.test_writers_come_one_after_the_other


async def test_one_of_two_creators_is_told(db: store.Store, make: Maker) -> None:
    async def create() -> store.LoadBalancer:
        async with db.transaction() as tx:
            made = await tx.load_balancers.create(make())
            await asyncio.sleep(0.05)
            return made

    results = await asyncio.gather(*(create() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, store.LoadBalancer) for one in results) == 1
    assert sum(isinstance(one, store.LoadBalancerExists) for one in results) == 3


async def test_writers_of_the_same_new_row_do_not_fail(db: store.Store) -> None:
    """As when two load balancers of an account are created at once, which share a security group."""
    account, arn = "123456789012", "arn:aws:iam::123456789012:user/bob"
    async with db.transaction() as tx:
        await tx.principals.add(store.Principal(arn, account, store.PrincipalKind.USER, "bob", 1.0))

    async def write() -> bool:
        async with db.transaction() as tx:
            added = await tx.cloud_resources.add("group", "shared", {"ports": []})
            await tx.cloud_resources.save("profile", "shared", {"role": "r"})
            await tx.accounts.save(store.Account(account, "house"))
            await tx.access_keys.save(store.AccessKey("AKIA1", "secret", account))
            await tx.instances.save(store.Instance(account, "i-1", "10.0.0.1", "local-1a"))
            await tx.principals.put_policy(arn, "p", "{}")
            await asyncio.sleep(0.05)
            return added

    assert sorted(await asyncio.gather(*(write() for _ in range(3)))) == [False, False, True]
    async with db.reading() as tx:
        rows = await tx.row_counts()
        assert await tx.access_keys.find("AKIA1") == store.AccessKey("AKIA1", "secret", account)
    written = ("cloud_resources", "accounts", "access_keys", "instances", "principal_policies")
    assert [rows[table] for table in written] == [2, 1, 1, 1, 1]


async def test_a_reader_does_not_wait_for_a_writer(db: store.Store, make: Maker) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
    async with db.transaction() as writing:
        await writing.load_balancers.get(lb.key, for_update=True)
        await writing.load_balancers.bump_generation(lb.id)
        async with asyncio.timeout(5), db.reading() as tx:
            assert (await tx.load_balancers.get(lb.key)).generation == 1


async def test_two_may_migrate_at_once(empty_url: str) -> None:
    async with store.Store(empty_url) as opened:
        with pytest.raises(store.SchemaOutdated):
            await opened.require_current_schema()
        await asyncio.gather(*(store.migrate(empty_url) for _ in range(3)))
        await opened.require_current_schema()


async def test_migrations_make_exactly_the_tables_of_the_code(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            differences = await connection.run_sync(
                lambda plain: compare_metadata(MigrationContext.configure(plain), tables.metadata)
            )
    finally:
        await engine.dispose()
    assert differences == []


async def test_a_reader_sees_one_moment(db: store.Store, make: Maker) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
    async with db.reading() as tx:
        before = await tx.load_balancers.get(lb.key)
        async with db.transaction() as writing:
            await writing.load_balancers.bump_generation(lb.id)
            await writing.load_balancers.delete_listeners(lb.id, [80])
        assert await tx.load_balancers.get(lb.key) == before
    async with db.reading() as tx:
        after = await tx.load_balancers.get(lb.key)
    assert (after.generation, after.listeners) == (2, ())


async def test_who_waits_too_long_for_a_lock_is_told_to_repeat(
    url: str, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database._SERVER_SETTINGS, "lock_timeout", "50ms")
    async with store.Store(url) as db:
        async with db.transaction() as tx:
            lb = await tx.load_balancers.create(make())
        async with db.transaction() as tx:
            await tx.load_balancers.get(lb.key, for_update=True)
            with pytest.raises(store.StoreBusy):
                async with db.transaction() as other:
                    await other.load_balancers.get(lb.key, for_update=True)
        async with db.transaction() as tx:
            assert await tx.load_balancers.bump_generation(lb.id) == 2


async def test_a_connection_that_the_server_cut_is_replaced(db: store.Store, url: str, make: Maker) -> None:
    """As after a restart of the server: whoever was in the middle is told to repeat, the next one notices nothing."""

    async def interrupted() -> None:
        async with db.transaction() as tx:
            await tx.load_balancers.create(make())
            await cut_all_connections(url)
            await tx.load_balancers.all()

    with pytest.raises(store.StoreBusy):
        await interrupted()
    async with db.reading() as tx:
        assert await tx.load_balancers.all() == []


async def cut_all_connections(url: str) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql(postgresql.ALONE)
    finally:
        await engine.dispose()


async def test_a_server_that_is_not_there_is_busy(tmp_path: Path) -> None:
    async with store.Store(f"postgresql+asyncpg://elbflow@/none?host={tmp_path}") as db:
        with pytest.raises(store.StoreBusy):
            async with db.reading() as tx:
                await tx.load_balancers.all()


async def test_a_database_that_is_not_there_is_told_in_words(url: str) -> None:
    missing = url.replace("elbflow@/", "elbflow@/none_of_")
    with pytest.raises(store.NotMigrated, match=r'database "none_of_.*" does not exist'):
        await store.migrate(missing)
    async with store.Store(missing) as db:
        with pytest.raises(store.StoreBusy, match="does not exist"):
            await db.require_current_schema()


async def test_reports_of_vms_count_on_beyond_2038(db: store.Store, make: Maker, vm: Callable[..., store.Vm]) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
        await tx.vms.save(lb.id, vm("vm-1"))
        assert await tx.vms.note_metrics("vm-1", 2**31, None)
        (kept,) = (await tx.load_balancers.get(lb.key)).vms
    assert kept.metrics_sequence == 2**31


async def test_temporary_keys_are_cleared_away_by_several_at_once(db: store.Store) -> None:
    """Those that another process is about to delete are its own."""
    account = "123456789012"
    async with db.transaction() as tx:
        for number in range(20):
            await tx.access_keys.save(store.AccessKey(f"ASIA{number}", "s", account, expires_at=1.0))

    async def clear() -> int:
        async with db.transaction() as tx:
            cleared = await tx.access_keys.remove_expired(2.0)
            await asyncio.sleep(0.05)
            return cleared

    assert sorted(await asyncio.gather(*(clear() for _ in range(3)))) == [0, 0, 20]
