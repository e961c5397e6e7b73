"""Calls for one load balancer that meet: neither sees the other's workflow yet, and both must count."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import BOTH, KEY, Elb, House, code

from elbflow import store
from elbflow.contract import workflows
from elbflow_api import dependencies, orders
from elbflow_api.actions import create, delete

DATABASES = BOTH

CROSS_ZONE = {"CrossZoneLoadBalancing": {"Enabled": True}}
PATIENT = {"ConnectionSettings": {"IdleTimeout": 120}}
TCP_25 = {"Protocol": "TCP", "LoadBalancerPort": 25, "InstanceProtocol": "TCP", "InstancePort": 2500}


async def test_two_changes_of_attributes_at_once_both_last(house: House, elb: Elb) -> None:
    await elb.create("web")
    async with house.another_api() as url:
        other = Elb(url, KEY.access_key_id, KEY.secret_access_key)
        await asyncio.gather(
            elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=CROSS_ZONE),
            other.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=PATIENT),
        )
    shown = (await elb.describe_load_balancer_attributes(LoadBalancerName="web"))["LoadBalancerAttributes"]
    assert (shown["CrossZoneLoadBalancing"]["Enabled"], shown["ConnectionSettings"]["IdleTimeout"]) == (True, 120)


async def test_two_calls_at_the_same_moment_leave_one_zone(house: House, elb: Elb) -> None:
    await elb.create("web", AvailabilityZones=["local-1a", "local-1b"])
    outcomes = await asyncio.gather(
        *(
            elb.disable_availability_zones_for_load_balancer(LoadBalancerName="web", AvailabilityZones=[zone])
            for zone in ("local-1a", "local-1b")
        ),
        return_exceptions=True,
    )
    (refused,) = [one for one in outcomes if isinstance(one, ClientError)]
    assert "at least one enabled Availability Zone" in str(refused)
    assert len((await elb.describe("web"))["AvailabilityZones"]) == 1


async def test_a_change_waits_for_one_whose_order_is_not_delivered_yet(house: House, elb: Elb) -> None:
    """The API that wrote it died before it could start the workflow; a sweep starts it."""
    await elb.create("web")
    lb = await _web(house)
    async with house.db.transaction() as tx:
        generation = await tx.load_balancers.bump_generation(lb.id)
        await orders.start(
            tx,
            workflows.MODIFY_ATTRIBUTES,
            orders.mutation_workflow_id("modify-attributes", lb.key, generation),
            lb.key,
            workflows.AttributesInput(lb.key, replace(lb.attributes, idle_timeout_s=120)),
            now=lb.created_at - 60,
        )
    await elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=CROSS_ZONE)
    attributes = (await _web(house)).attributes
    assert (attributes.cross_zone, attributes.idle_timeout_s) == (True, 120)


async def test_a_change_that_a_deletion_overtakes_finds_no_load_balancer(house: House, elb: Elb) -> None:
    await elb.create("web")
    house.shop.hold["web"] = asyncio.Event()
    changing = asyncio.create_task(
        elb.create_load_balancer_listeners(
            LoadBalancerName="web", Listeners=[{"Protocol": "TCP", "LoadBalancerPort": 25, "InstancePort": 25}]
        )
    )
    await house.first_open("CreateLoadBalancerListeners")
    async with house.db.transaction() as tx:
        await tx.load_balancers.set_state((await _web(house)).id, store.LoadBalancerState.DELETING)
    house.shop.refuse["web"] = "Load balancer web is being deleted"
    house.shop.hold.pop("web").set()
    with pytest.raises(ClientError) as caught:
        await changing
    assert code(caught) == ("LoadBalancerNotFound", 400)


async def _web(house: House) -> store.LoadBalancer:
    found = await house.load_balancer("web")
    assert found is not None
    return found


async def test_a_deletion_waits_for_a_creation_that_began_since_it_looked(
    house: House, elb: Elb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw an earlier load balancer of the name; the creation of the next one must not be cut off."""
    await elb.create("web")
    earlier = await _web(house)
    await elb.delete_load_balancer(LoadBalancerName="web")

    async def find(_call: dependencies.Call, _room: dependencies.Dependencies) -> store.LoadBalancer:
        return earlier

    monkeypatch.setattr(delete, "_find", find)
    house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(elb.create("web"))
    await house.first_open("CreateLoadBalancer")
    deleting = asyncio.create_task(elb.delete_load_balancer(LoadBalancerName="web"))
    await asyncio.sleep(0.2)
    assert not deleting.done()
    house.shop.hold.pop("web").set()
    await asyncio.gather(creating, deleting)
    assert await house.load_balancer("web") is None


async def test_a_failed_creation_does_not_clear_away_the_next_one_with_its_row_id(house: House, elb: Elb) -> None:
    house.shop.refuse["web"] = "There is no room"
    with pytest.raises(ClientError, match="There is no room"):
        await elb.create("web")
    house.shop.refuse.clear()
    house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(elb.create("web"))
    await house.first_open("CreateLoadBalancer")
    next_one = await _web(house)
    room = house.api.endpoint._room
    await create._clear_away(replace(next_one, created_at=next_one.created_at - 1), room)
    house.shop.hold.pop("web").set()
    await creating
    assert (await _web(house)).state is store.LoadBalancerState.ACTIVE


async def test_a_listener_does_not_come_while_another_on_its_port_goes(house: House, elb: Elb) -> None:
    """The deletion would close the port that the creation has opened."""
    await elb.create("web", Listeners=[TCP_25, TCP_25 | {"LoadBalancerPort": 26}])
    house.shop.hold["web"] = asyncio.Event()
    going = asyncio.create_task(elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[25]))
    await house.first_open("DeleteLoadBalancerListeners")
    coming = asyncio.create_task(elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25]))
    await asyncio.sleep(0.2)
    assert ("authorize", "web") not in house.shop.calls
    house.shop.hold.pop("web").set()
    await asyncio.gather(going, coming)
    assert [step for step, _ in house.shop.calls][-2:] == ["revoke", "authorize"]
    assert len((await elb.describe("web"))["ListenerDescriptions"]) == 2


async def test_a_listener_does_not_go_while_it_comes(house: House, elb: Elb) -> None:
    """The creation would open a port without a listener, and answer success."""
    await elb.create("web", Listeners=[TCP_25 | {"LoadBalancerPort": 26}])
    house.shop.hold["web"] = asyncio.Event()
    coming = asyncio.create_task(elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25]))
    await house.first_open("CreateLoadBalancerListeners")
    going = asyncio.create_task(elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[25]))
    await asyncio.sleep(0.2)
    assert len((await _web(house)).listeners) == 2
    house.shop.hold.pop("web").set()
    await asyncio.gather(coming, going)
    assert [step for step, _ in house.shop.calls][-2:] == ["authorize", "revoke"]


async def test_a_change_that_was_not_delivered_does_not_find_the_next_load_balancer_of_the_name(
    house: House, elb: Elb
) -> None:
    await elb.create("web")
    lb = await _web(house)
    async with house.db.transaction() as tx:
        value = workflows.AttributesInput(lb.key, replace(lb.attributes, idle_timeout_s=120))
        written_later = lb.created_at + 60  # no sweep takes it up meanwhile
        await orders.start(tx, workflows.MODIFY_ATTRIBUTES, "modify-1", lb.key, value, now=written_later)
    await elb.delete_load_balancer(LoadBalancerName="web")
    assert await house.rows() == 0


async def test_a_creation_does_not_wait_for_a_deletion_that_nobody_carries_out(house: House, elb: Elb) -> None:
    """A failed creation that is being undone is marked like a deletion, and no workflow deletes it."""
    await elb.create("web")
    async with house.db.transaction() as tx:
        await tx.load_balancers.set_state((await _web(house)).id, store.LoadBalancerState.DELETING)
    async with asyncio.timeout(10):
        await elb.create("web", AvailabilityZones=["local-1b"])
    assert (await _web(house)).enabled_zones == ("local-1b",)


async def test_a_change_that_waited_looks_again_when_another_load_balancer_took_the_name(
    house: House, elb: Elb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have the row id and the generation of the one that was waited for, and a workflow of its own."""
    await elb.create("web")
    desk = house.api.endpoint._room.workflows
    look, looked = desk.running, 0

    async def running(*given: Any) -> Any:
        nonlocal looked
        looked += 1
        if looked == 1:
            former = await _web(house)
            async with house.db.transaction() as tx:
                await tx.load_balancers.delete(former.id)
                await tx.load_balancers.create(replace(former, created_at=former.created_at + 1))
        return await look(*given)

    monkeypatch.setattr(desk, "running", running)
    await elb.create_load_balancer_listeners(
        LoadBalancerName="web", Listeners=[{"Protocol": "TCP", "LoadBalancerPort": 25, "InstancePort": 25}]
    )
    assert looked == 2
