"""What holds on SQLite holds on PostgreSQL: the same tests, and those that need more than one writer."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.store import test_load_balancers as aggregates
from tests.unit.store import test_repositories as repositories
from tests.unit.store.conftest import Maker

from elbflow import store

test_created_comes_back = aggregates.test_what_is_created_comes_back
test_names = aggregates.test_names_differ_by_more_than_case
test_queries = aggregates.test_the_number_of_queries_does_not_grow
test_pages = aggregates.test_pages
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
