"""The smaller repositories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import sqlalchemy as sa
from tests.unit.store.conftest import ACCOUNT, Maker

from elbflow import store


async def test_backends(db: store.Store, make: Maker, backend: Callable[..., store.Backend]) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
        await tx.backends.add(lb.id, [backend("i-1"), backend("i-2"), backend("i-3")])
        await tx.backends.remove(lb.id, ["i-2", "i-unknown"])
        await tx.backends.set_state(
            lb.id, "i-1", store.BackendState.IN_SERVICE, reason_code="N/A", description="N/A", reported_at=200.0
        )
        await tx.backends.set_state(
            lb.id, "i-3", store.BackendState.ERROR, reason_code="ELB", description="Gone.", reported_at=None
        )
        await tx.backends.set_location(lb.id, "i-3", address="10.0.0.3", zone="local-1b")
        await tx.backends.touch(lb.id, ["i-1"], 300.0)
        one, three = (await tx.load_balancers.get(lb.key)).backends
    assert (one.state, one.reported_at) == (store.BackendState.IN_SERVICE, 300.0)
    assert (three.instance_id, three.address, three.zone, three.reported_at) == ("i-3", "10.0.0.3", "local-1b", None)


async def test_vms(db: store.Store, make: Maker, vm: Callable[..., store.Vm]) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
        await tx.vms.save(lb.id, vm("vm-1"))
        await tx.vms.set_failures("vm-1", 3, 50.0)
        await tx.vms.set_reported("vm-1", 60.0)
        await tx.vms.save(lb.id, vm("vm-1", address="127.0.1.2", launched_at=999.0))
        await tx.vms.set_state(["vm-1"], store.VmState.ERROR)
        (found,) = (await tx.load_balancers.get(lb.key)).vms
        await tx.vms.remove(["vm-1"])
        assert (await tx.load_balancers.get(lb.key)).vms == ()
    assert (found.address, found.launched_at, found.failures, found.failure_window_at, found.reported_at) == (
        "127.0.1.2",
        100.0,
        3,
        50.0,
        60.0,
    )
    assert found.state is store.VmState.ERROR


async def test_access_keys(db: store.Store) -> None:
    key = store.AccessKey("AKIA1", "first", ACCOUNT, admin=True)
    async with db.transaction() as tx:
        await tx.access_keys.save(key)
        await tx.access_keys.save(store.AccessKey("AKIA1", "second", ACCOUNT))
        found = await tx.access_keys.find("AKIA1")
        assert await tx.access_keys.find("akia1") is None
    assert found == store.AccessKey("AKIA1", "second", ACCOUNT, admin=False)
    assert "second" not in repr(found)


async def test_instances(db: store.Store) -> None:
    one = store.Instance(ACCOUNT, "i-1", "10.0.0.1", "local-1a")
    async with db.transaction() as tx:
        await tx.instances.save(one)
        await tx.instances.save(store.Instance("210987654321", "i-1", "10.9.9.9", "local-1b"))
        await tx.instances.save(store.Instance(ACCOUNT, "i-2", "10.0.0.2", "local-1a", "stopped"))
        assert await tx.instances.find(ACCOUNT, ["i-1", "i-9"]) == [one]
        assert [found.state for found in await tx.instances.of_account(ACCOUNT)] == ["running", "stopped"]


async def test_cloud_resources(db: store.Store) -> None:
    async with db.transaction() as tx:
        assert await tx.cloud_resources.add("role", "r", {"a": [1]}) is True
        assert await tx.cloud_resources.add("role", "r", {"a": [3]}) is False
        assert await tx.cloud_resources.get("role", "r") == {"a": [1]}
        await tx.cloud_resources.save("role", "r", {"a": [2]})
        await tx.cloud_resources.save("profile", "r", {})
        assert await tx.cloud_resources.get("role", "r") == {"a": [2]}
        assert await tx.cloud_resources.of_kind("role") == {"r": {"a": [2]}}
        assert await tx.cloud_resources.remove("role", "r") is True
        assert await tx.cloud_resources.remove("role", "r") is False
        assert await tx.cloud_resources.get("role", "r") is None


async def test_datapoints(db: store.Store) -> None:
    def point(at: float) -> store.Datapoint:
        return store.Datapoint(ACCOUNT, "AWS/ELB", "Latency", (("Zone", "a"),), "Seconds", at, 1.0, 2.0, 2.0, 2.0)

    async with db.transaction() as tx:
        await tx.datapoints.add([point(3.0), point(1.0), point(2.0)])
        assert await tx.datapoints.of_account(ACCOUNT, since=2.0) == [point(2.0), point(3.0)]
        assert await tx.datapoints.prune(3.0) == 2
        assert await tx.datapoints.of_account(ACCOUNT, since=0.0) == [point(3.0)]


async def test_outbox(db: store.Store) -> None:
    async with db.transaction() as tx:
        for number in range(5):
            row = await tx.outbox.add(
                store.OutboxKind.START,
                workflow_id=f"w{number}",
                name="Create",
                payload="{}",
                tags=("a", "b"),
                created_at=float(number),
                claimed_until=float(number),
            )
        assert (row.workflow_id, row.tags) == ("w4", ("a", "b"))
        assert await tx.outbox.size() == 5
        first = await tx.outbox.unclaimed(3.0, limit=2)
        assert [one.workflow_id for one in first] == ["w0", "w1"]
        rest = await tx.outbox.unclaimed(3.0, after_id=first[-1].id)
        assert [one.workflow_id for one in rest] == ["w2", "w3"]
        await tx.outbox.remove(rest[0].id)
        assert await tx.outbox.size() == 4


async def test_an_order_belongs_to_one_process_at_a_time(db: store.Store) -> None:
    async with db.transaction() as tx:
        row = await tx.outbox.add(
            store.OutboxKind.START, workflow_id="w", name="Create", payload="{}", created_at=1.0, claimed_until=3.0
        )

    async def claimed(now: float) -> bool:
        async with db.transaction() as tx:
            return await tx.outbox.claim(row.id, now=now, until=now + 10)

    assert not await claimed(2.9)
    assert sorted(await asyncio.gather(*(claimed(3.0) for _ in range(4)))) == [False, False, False, True]
    assert not await claimed(12.9)
    async with db.transaction() as tx:
        assert await tx.outbox.unclaimed(12.9) == []
        await tx.outbox.release(row.id, until=13.5)  # of a claim that has ended: it is another's now
        assert await tx.outbox.unclaimed(12.9) == []
        await tx.outbox.release(row.id, until=13.0)
        assert await tx.outbox.unclaimed(12.9) == [row]
    assert await claimed(12.9)
    async with db.transaction() as tx:
        await tx.outbox.remove(row.id)
    assert not await claimed(100.0)


async def test_who_removes_an_order_late_does_not_remove_the_next_one(db: store.Store) -> None:
    async def ordered(workflow_id: str) -> store.OutboxRow:
        async with db.transaction() as tx:
            return await tx.outbox.add(
                store.OutboxKind.START, workflow_id=workflow_id, name="Create", payload="{}", created_at=1.0
            )

    first = await ordered("first")
    for _ in range(2):  # by the one who took it over, and by the one who lost it
        async with db.transaction() as tx:
            await tx.outbox.remove(first.id)
        second = await ordered("second")
        assert second.id > first.id


async def test_writers_come_one_after_the_other(db: store.Store, make: Maker) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())

    async def bump() -> int:
        async with db.transaction() as tx:
            before = await tx.load_balancers.get(lb.key, for_update=True)
            await asyncio.sleep(0)
            after = await tx.load_balancers.bump_generation(lb.id)
            assert after == before.generation + 1
            return after

    assert sorted(await asyncio.gather(*(bump() for _ in range(8)))) == list(range(2, 10))


async def test_temporary_keys_that_ended_are_found_without_looking_at_all(db: store.Store) -> None:
    """Every request for a temporary key clears them away, and there may be very many."""
    async with db.transaction() as tx:
        for name, expires_at in (("ended", 5.0), ("lives", 15.0), ("lasts", None)):
            await tx.access_keys.save(store.AccessKey(name, "secret", ACCOUNT, expires_at=expires_at))
        assert await tx.access_keys.remove_expired(10.0) == 1
        assert [await tx.access_keys.find(name) is None for name in ("ended", "lives", "lasts")] == [True, False, False]
        plan = await tx.access_keys._connection.execute(
            sa.text(
                "EXPLAIN QUERY PLAN DELETE FROM access_keys WHERE access_key_id IN "
                "(SELECT access_key_id FROM access_keys WHERE expires_at < 10 LIMIT 1000)"
            )
        )
        assert "ix_access_keys_expires_at" in str(plan.all())


async def test_temporary_keys_of_an_account_are_counted_without_looking_at_those_of_others(db: store.Store) -> None:
    async with db.transaction() as tx:
        for name, account, expires_at in (("a", ACCOUNT, 5.0), ("b", ACCOUNT, 15.0), ("c", "210987654321", 15.0)):
            await tx.access_keys.save(store.AccessKey(name, "secret", account, expires_at=expires_at))
        await tx.access_keys.save(store.AccessKey("d", "secret", ACCOUNT))
        assert await tx.access_keys.count_for_temporary(ACCOUNT, 10.0) == 1
        plan = await tx.access_keys._connection.execute(
            sa.text(
                f"EXPLAIN QUERY PLAN SELECT count(*) FROM access_keys WHERE account = '{ACCOUNT}' AND expires_at >= 10"
            )
        )
        assert "ix_access_keys_account" in str(plan.all())
