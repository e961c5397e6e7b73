"""APIs as processes on one PostgreSQL behave as one: conflicting calls get truthful answers, and nothing doubles."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api import processes
from tests.integration.api.conftest import POSTGRESQL, Elb, House, open_house

DATABASES = (POSTGRESQL,)

HTTP_81 = {"Protocol": "HTTP", "LoadBalancerPort": 81, "InstanceProtocol": "HTTP", "InstancePort": 8001}
OTHER_81 = HTTP_81 | {"InstancePort": 8002}
PERIOD_S = 60


@pytest.fixture
async def house(store_url: str) -> AsyncIterator[House]:
    async with open_house(store_url) as opened:
        yield opened


async def said(call: Awaitable[Any]) -> str:
    """``OK`` or the code of the refusal. 503 is no answer: it asks to be called again."""
    try:
        await call
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "OK"


async def test_conflicting_calls_at_three_processes(house: House) -> None:
    endpoint = str(house.settings.swf_endpoint)
    async with processes.apis(house, endpoint, endpoint, endpoint) as served:
        elbs = [api.elb for api in served]
        await creations_of_one_name(house, elbs)
        await asyncio.gather(
            instances_come_and_go(house, elbs),
            a_listener_is_one(house, elbs),
            a_policy_in_use_stays(house, elbs),
            creation_and_deletion(house, elbs),
        )
        assert all(api.is_alive() for api in served)
    await house.settled()


async def creations_of_one_name(house: House, elbs: list[Elb]) -> None:
    """Equal requests all succeed and make one; of different ones exactly one succeeds."""
    equal = await asyncio.gather(*(said(elb.create("same")) for elb in elbs * 2))
    assert equal == ["OK"] * 6
    zones = ("local-1a", "local-1b", "local-1c")
    differing = await asyncio.gather(
        *(said(elb.create("one-of", AvailabilityZones=[zone])) for elb, zone in zip(elbs, zones, strict=True))
    )
    assert Counter(differing) == {"OK": 1, "DuplicateLoadBalancerName": 2}
    shown = await elbs[0].describe("one-of")
    assert shown["AvailabilityZones"] == [zones[differing.index("OK")]]
    assert await executions(house, "CreateLoadBalancer") == 2


async def instances_come_and_go(house: House, elbs: list[Elb]) -> None:
    """Every change is seen by the next one, wherever it is made: each counts once, none is lost."""
    await elbs[0].create("crowd")
    one, other = [{"InstanceId": "10.0.0.1"}], [{"InstanceId": "10.0.0.2"}]
    await asyncio.gather(
        *(
            elb.register_instances_with_load_balancer(LoadBalancerName="crowd", Instances=instances)
            for elb in elbs
            for instances in (one, other)
        )
    )
    assert sorted(await registered(elbs[1])) == ["10.0.0.1", "10.0.0.2"]
    assert await house.generation("crowd") == 3
    answers = await asyncio.gather(
        *(said(elb.deregister_instances_from_load_balancer(LoadBalancerName="crowd", Instances=one)) for elb in elbs)
    )
    assert Counter(answers) == {"OK": 1, "InvalidInstance": 2}
    assert await registered(elbs[2]) == ["10.0.0.2"]
    assert await house.generation("crowd") == 4


async def a_listener_is_one(house: House, elbs: list[Elb]) -> None:
    """Two of one port that differ: one is made, the other refused; equal ones join it."""
    await elbs[1].create("ports")
    wanted = (HTTP_81, HTTP_81, OTHER_81)
    answers = await asyncio.gather(
        *(
            said(elb.create_load_balancer_listeners(LoadBalancerName="ports", Listeners=[listener]))
            for elb, listener in zip(elbs, wanted, strict=True)
        )
    )
    assert answers in (["OK", "OK", "DuplicateListener"], ["DuplicateListener", "DuplicateListener", "OK"])
    listeners = (await elbs[2].describe("ports"))["ListenerDescriptions"]
    (made,) = [one["Listener"] for one in listeners if one["Listener"]["LoadBalancerPort"] == 81]
    assert made == (HTTP_81 if answers[0] == "OK" else OTHER_81)
    assert await executions(house, "CreateLoadBalancerListeners") == 1


async def a_policy_in_use_stays(house: House, elbs: list[Elb]) -> None:
    """Setting a policy and deleting it at once: whichever is first makes the other impossible."""
    await elbs[2].create("cookies")
    for attempt in range(4):
        name = f"sticky-{attempt}"
        made = await asyncio.gather(
            *(
                said(
                    elb.create_lb_cookie_stickiness_policy(
                        LoadBalancerName="cookies", PolicyName=name, CookieExpirationPeriod=PERIOD_S
                    )
                )
                for elb in elbs
            )
        )
        assert Counter(made) == {"OK": 1, "DuplicatePolicyName": 2}
        chosen, gone = await asyncio.gather(
            said(
                elbs[0].set_load_balancer_policies_of_listener(
                    LoadBalancerName="cookies", LoadBalancerPort=80, PolicyNames=[name]
                )
            ),
            said(elbs[1].delete_load_balancer_policy(LoadBalancerName="cookies", PolicyName=name)),
        )
        shown = await elbs[2].describe("cookies")
        kept = [one["PolicyName"] for one in shown["Policies"]["LBCookieStickinessPolicies"]]
        used = shown["ListenerDescriptions"][0]["PolicyNames"]
        if chosen == "OK":
            assert (gone, used) == ("InvalidConfigurationRequest", [name])
            assert name in kept
        else:
            assert (chosen, gone) == ("PolicyNotFound", "OK")
            assert name not in kept


async def creation_and_deletion(house: House, elbs: list[Elb]) -> None:
    """In any order: it is there with everything that belongs to it, or it is not there at all."""
    for _ in range(3):
        created, deleted, again = await asyncio.gather(
            said(elbs[0].create("brief")),
            said(elbs[1].delete_load_balancer(LoadBalancerName="brief")),
            said(elbs[2].create("brief")),
        )
        assert (created, deleted, again) == ("OK", "OK", "OK")
        found = await house.load_balancer("brief")
        listed = (await elbs[1].describe_load_balancers())["LoadBalancerDescriptions"]
        shown = [lb["LoadBalancerName"] for lb in listed].count("brief")
        assert shown == (0 if found is None else 1)
        assert found is None or (len(found.listeners), found.enabled_zones) == (1, ("local-1a",))


async def registered(elb: Elb) -> list[str]:
    answer = await elb.describe_instance_health(LoadBalancerName="crowd")
    return [one["InstanceId"] for one in answer["InstanceStates"]]


async def executions(house: House, type_name: str) -> int:
    """How many executions of a type there ever were; none is open."""
    opened = await house.swf.list_open_workflow_executions(house.settings.swf_domain)
    assert type_name not in [info.workflow_type.name for info in opened]
    closed = await house.swf.list_closed_workflow_executions(house.settings.swf_domain)
    return [info.workflow_type.name for info in closed].count(type_name)
