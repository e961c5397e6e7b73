"""The aggregate: what is written comes back, in a constant number of queries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.unit.store.conftest import ACCOUNT, Maker

from elbflow import store
from elbflow.contract import document

BackendMaker = Callable[..., store.Backend]
VmMaker = Callable[..., store.Vm]


@contextmanager
def counted_selects() -> Iterator[list[str]]:
    """Collects the SELECT statements that any engine executes."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append(statement)

    event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)


async def test_what_is_created_comes_back(db: store.Store, make: Maker) -> None:
    wanted = make(
        health_check=document.HealthCheck("TCP:80"),
        policies=(document.Policy("p", "LBCookieStickinessPolicyType", (("CookieExpirationPeriod", "60"),)),),
        attributes=document.Attributes(idle_timeout_s=99, cross_zone=True),
    )
    async with db.transaction() as tx:
        created = await tx.load_balancers.create(wanted)
    async with db.reading() as tx:
        found = await tx.load_balancers.get(wanted.key)
    assert found == created
    assert found.id > 0
    assert (found.listeners, found.zones, found.tags) == (wanted.listeners, wanted.zones, wanted.tags)
    assert (found.policies, found.health_check) == (wanted.policies, wanted.health_check)
    assert found.attributes == wanted.attributes
    assert found.created_at == wanted.created_at


async def test_names_differ_by_more_than_case(db: store.Store, make: Maker) -> None:
    async with db.transaction() as tx:
        await tx.load_balancers.create(make("Web"))
        await tx.load_balancers.create(make("Web", account="210987654321"))
    async with db.reading() as tx:
        found = await tx.load_balancers.get(document.LoadBalancerKey(ACCOUNT, "wEB"))
    assert found.key.name == "Web"
    with pytest.raises(store.LoadBalancerExists):
        async with db.transaction() as tx:
            await tx.load_balancers.create(make("wEb"))
    async with db.reading() as tx:
        assert len(await tx.load_balancers.all()) == 2


async def test_missing(db: store.Store) -> None:
    key = document.LoadBalancerKey(ACCOUNT, "none")
    async with db.reading() as tx:
        assert await tx.load_balancers.find(key) is None
        with pytest.raises(store.LoadBalancerMissing):
            await tx.load_balancers.get(key)


async def test_the_number_of_queries_does_not_grow(
    db: store.Store, make: Maker, backend: BackendMaker, vm: VmMaker
) -> None:
    counts = []
    for size in (1, 25):
        async with db.transaction() as tx:
            for number in range(size):
                lb = await tx.load_balancers.create(make(f"lb-{size}-{number}"))
                await tx.backends.add(lb.id, [backend(f"i-{n}") for n in range(5)])
                await tx.vms.save(lb.id, vm(f"vm-{size}-{number}"))
        async with db.reading() as tx:
            for read in (
                tx.load_balancers.all,
                lambda: tx.load_balancers.of_account(ACCOUNT),
                lambda: tx.load_balancers.page(ACCOUNT, state=store.LoadBalancerState.ACTIVE, limit=100),
            ):
                with counted_selects() as seen:
                    found = await read()
                assert all(len(lb.backends) == 5 and len(lb.vms) == 1 for lb in found)
                counts.append(len(seen))
    assert set(counts) == {7}


async def test_parts_belong_to_their_load_balancer(db: store.Store, make: Maker, backend: BackendMaker) -> None:
    async with db.transaction() as tx:
        one, two = await tx.load_balancers.create(make("one")), await tx.load_balancers.create(make("two"))
        await tx.backends.add(one.id, [backend("i-1"), backend("i-2", zone=None)])
        await tx.backends.add(two.id, [backend("i-1", state=store.BackendState.IN_SERVICE)])
        await tx.load_balancers.delete_listeners(two.id, [80])
    async with db.reading() as tx:
        first, second = await tx.load_balancers.of_account(ACCOUNT)
    assert [(b.instance_id, b.zone) for b in first.backends] == [("i-1", "local-1a"), ("i-2", None)]
    assert [b.state for b in second.backends] == [store.BackendState.IN_SERVICE]
    assert len(first.listeners) == 1
    assert second.listeners == ()


async def test_pages(db: store.Store, make: Maker) -> None:
    async with db.transaction() as tx:
        for name in ("b", "A", "c", "d"):
            await tx.load_balancers.create(make(name))
        await tx.load_balancers.create(make("a2", state=store.LoadBalancerState.DELETING))
        await tx.load_balancers.create(make("e", account="210987654321"))
    active = store.LoadBalancerState.ACTIVE

    async def names(**chosen: object) -> list[str]:
        async with db.reading() as tx:
            page = await tx.load_balancers.page(ACCOUNT, state=active, **{"limit": 10, **chosen})  # type: ignore[arg-type]
        return [lb.key.name for lb in page]

    assert await names() == ["A", "b", "c", "d"]
    assert await names(limit=2) == ["A", "b"]
    assert await names(limit=2, after="B") == ["c", "d"]
    assert await names(names=["D", "a", "e"]) == ["A", "d"]
    assert await names(names=["D", "a"], after="a") == ["d"]
    assert await names(names=[]) == []


async def test_a_list_holds_what_lists_show(db: store.Store, make: Maker, backend: BackendMaker, vm: VmMaker) -> None:
    async with db.transaction() as tx:
        for name in ("b", "a", "c"):
            lb = await tx.load_balancers.create(make(name, policies=(document.Policy("p", "t"),)))
            await tx.backends.add(lb.id, [backend(f"i-{name}2"), backend(f"i-{name}1")])
            await tx.vms.save(lb.id, vm(f"vm-{name}"))
    chosen = {"state": store.LoadBalancerState.ACTIVE, "names": ["B", "c"], "limit": 10}
    async with db.reading() as tx:
        whole = await tx.load_balancers.page(ACCOUNT, **chosen)  # type: ignore[arg-type]
        with counted_selects() as seen:
            listed = await tx.load_balancers.listing(ACCOUNT, **chosen)  # type: ignore[arg-type]
        assert await tx.load_balancers.listing("210987654321", **chosen) == []  # type: ignore[arg-type]
    assert [one.lb for one in listed] == [replace(lb, backends=(), vms=()) for lb in whole]
    assert [one.instance_ids for one in listed] == [("i-b2", "i-b1"), ("i-c2", "i-c1")]
    assert len(seen) == 7


async def test_changes(db: store.Store, make: Maker) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
        assert await tx.load_balancers.bump_generation(lb.id) == 2
        assert await tx.load_balancers.bump_generation(lb.id) == 3
        await tx.load_balancers.add_listeners(
            lb.id, [document.Listener(document.Protocol.TCP, 25, document.Protocol.TCP, 2500)]
        )
        await tx.load_balancers.set_listener_policies(lb.id, 80, ["p", "q"])
        await tx.load_balancers.set_zones(lb.id, ["local-1a", "local-1b"], store.ZoneState.OUT_OF_SERVICE)
        await tx.load_balancers.set_zones(lb.id, ["local-1b"], store.ZoneState.IN_SERVICE)
        await tx.load_balancers.set_health_check(lb.id, document.HealthCheck("TCP:1", 5, 2, 2, 2))
        await tx.load_balancers.set_state(lb.id, store.LoadBalancerState.DELETING)
        changed = await tx.load_balancers.get(lb.key, for_update=True)
    assert changed.generation == 3
    assert [listener.port for listener in changed.listeners] == [25, 80]
    listener = changed.listener_on(80)
    assert listener is not None
    assert listener.policy_names == ("p", "q")
    assert changed.enabled_zones == ("local-1b",)
    assert changed.health_check == document.HealthCheck("TCP:1", 5, 2, 2, 2)
    assert changed.state is store.LoadBalancerState.DELETING


async def test_deletion_takes_everything_along(
    db: store.Store, make: Maker, backend: BackendMaker, vm: VmMaker
) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make(policies=(document.Policy("p", "t"),)))
        await tx.backends.add(lb.id, [backend("i-1")])
        await tx.vms.save(lb.id, vm("vm-1"))
        await tx.load_balancers.delete(lb.id)
        counts = await tx.row_counts()
    assert set(counts.values()) == {0}


async def test_an_error_or_a_cancellation_rolls_back(db: store.Store, make: Maker) -> None:
    async def broken_off(error: BaseException) -> None:
        async with db.transaction() as tx:
            await tx.load_balancers.create(make())
            raise error

    for error in (ValueError("no"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await broken_off(error)
    async with db.reading() as tx:
        assert await tx.load_balancers.all() == []


async def test_the_slowest_vm_counts_as_applied(db: store.Store, make: Maker, vm: VmMaker) -> None:
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
        assert lb.applied_generation == 0
        for name in ("vm-1", "vm-2"):
            await tx.vms.save(lb.id, vm(name))
        await tx.vms.save(lb.id, vm("vm-3", state=store.VmState.RETIRED))
        await tx.vms.set_applied("vm-1", document.Applied(5, "hash", (document.ListenerProblem(80, "in use"),)))
        await tx.vms.set_applied("vm-2", document.Applied(3, "hash"))
        await tx.vms.set_applied("vm-1", document.Applied(4, "older"))
        found = await tx.load_balancers.get(lb.key)
    assert found.applied_generation == 3
    assert found.vms[0].applied_generation == 5
    assert found.vms[0].problems == (document.ListenerProblem(80, "in use"),)


async def test_lists_say_what_vms_that_serve_last_said_of_listeners(db: store.Store, make: Maker, vm: VmMaker) -> None:
    one, two = document.ListenerProblem(80, "in use"), document.ListenerProblem(443, "expired", is_served=True)
    async with db.transaction() as tx:
        lb = await tx.load_balancers.create(make())
        for name, state in (("vm-1", store.VmState.IN_SERVICE), ("vm-2", store.VmState.PENDING)):
            await tx.vms.save(lb.id, vm(name, state=state))
        await tx.vms.save(lb.id, vm("vm-3", state=store.VmState.RETIRED))
        for name, problems in (("vm-1", (one, two)), ("vm-2", (two,)), ("vm-3", (one,))):
            await tx.vms.set_problems(name, problems)
        (listed,) = await tx.load_balancers.listing(lb.key.account, state=lb.state)
        found = await tx.load_balancers.get(lb.key)
        await tx.vms.set_problems("vm-1", ())
        (later,) = await tx.load_balancers.listing(lb.key.account, state=lb.state)
    assert listed.problems == (one, two, two)
    assert [vm.problems for vm in found.vms] == [(one, two), (two,), (one,)]
    assert later.problems == (two,)
