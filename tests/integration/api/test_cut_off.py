"""Workflows that time out or are terminated: what is answered to them and to repeated calls is what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import Elb, House, code, open_house

from elbflow.contract import names

PORT_25 = {"Protocol": "TCP", "LoadBalancerPort": 25, "InstancePort": 2500}
PORT_26 = {"Protocol": "TCP", "LoadBalancerPort": 26, "InstancePort": 2600}


@pytest.fixture
async def house(store_url: str) -> Any:
    async with open_house(store_url) as made:
        yield made


@pytest.fixture
def elb(house: House) -> Elb:
    return house.elb


async def terminated(house: House, type_name: str, call: Callable[[], Awaitable[Any]]) -> None:
    """Make the call; its workflow is terminated while it works."""
    house.shop.hold["web"] = asyncio.Event()
    calling = asyncio.ensure_future(call())
    workflow_id = await house.first_open(type_name)
    await house.swf.terminate_workflow_execution(names.DOMAIN, workflow_id, reason="operator")
    with pytest.raises(ClientError) as caught:
        await calling
    assert code(caught) == ("InternalFailure", 500)
    house.shop.hold.pop("web").set()
    house.shop.calls.clear()


def add(elb: Elb, *listeners: dict[str, Any]) -> Any:
    return elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=list(listeners))


async def ports(elb: Elb) -> list[int]:
    return [one["Listener"]["LoadBalancerPort"] for one in (await elb.describe())["ListenerDescriptions"]]


async def test_a_repeated_call_does_the_work_of_listeners_that_was_cut_off(house: House, elb: Elb) -> None:
    await elb.create()
    await terminated(house, "CreateLoadBalancerListeners", lambda: add(elb, PORT_25))
    await add(elb, PORT_25, PORT_26)
    assert house.shop.calls == [("authorize", "web")]
    assert await ports(elb) == [25, 26, 80]
    await add(elb, PORT_25)
    assert house.shop.calls == [("authorize", "web")]  # done, so there is nothing to do


async def test_a_repeated_call_that_cannot_do_it_either_says_so_and_leaves_nothing(house: House, elb: Elb) -> None:
    await elb.create()
    await terminated(house, "CreateLoadBalancerListeners", lambda: add(elb, PORT_25))
    house.shop.refuse["web"] = "There is no room"
    with pytest.raises(ClientError) as caught:
        await add(elb, PORT_25)
    assert code(caught) == ("InternalFailure", 400)
    assert await ports(elb) == [80]
    house.shop.refuse.clear()
    await add(elb, PORT_25)
    assert await ports(elb) == [25, 80]


async def test_listeners_that_came_anew_since_are_not_done_again(house: House, elb: Elb) -> None:
    await elb.create()
    await terminated(house, "CreateLoadBalancerListeners", lambda: add(elb, PORT_25))
    await elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[25])
    await add(elb, PORT_25)
    house.shop.calls.clear()
    await add(elb, PORT_25)
    assert house.shop.calls == []


async def test_cut_off_work_of_an_earlier_load_balancer_of_the_name_does_not_count(house: House, elb: Elb) -> None:
    await elb.create()
    await terminated(house, "CreateLoadBalancerListeners", lambda: add(elb, PORT_25))
    await elb.delete_load_balancer(LoadBalancerName="web")
    await asyncio.sleep(1.1)  # clocks of SWF and the API may differ by a second
    await elb.create(Listeners=[PORT_25])
    house.shop.calls.clear()
    await add(elb, PORT_25)
    assert house.shop.calls == []


async def test_a_repeated_call_closes_ports_whose_deletion_was_cut_off(house: House, elb: Elb) -> None:
    def delete(*ports: int) -> Any:
        return elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=list(ports))

    await elb.create(Listeners=[PORT_25, PORT_26])
    await terminated(house, "DeleteLoadBalancerListeners", lambda: delete(25))
    await delete(25)
    assert house.shop.calls == [("revoke", "web")]
    await delete(25)
    assert house.shop.calls == [("revoke", "web")]
    assert await ports(elb) == [26]
