"""Load balancers in a VPC, as boto3 sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, Elb, House, code, open_house

VPC: dict[str, Any] = {
    "vpc_id": "vpc-1",
    "subnets": {"subnet-a": "local-1a", "subnet-a2": "local-1a", "subnet-b": "local-1b", "subnet-c": "local-1c"},
    "security_groups": {"sg-0": "default", "sg-1": "web", "sg-2": "db"},
}
TWO = ["subnet-a", "subnet-b"]


@pytest.fixture
async def house(store_url: str) -> AsyncIterator[House]:
    async with open_house(store_url, vpc=VPC) as opened:
        yield opened


async def create(elb: Elb, **more: Any) -> Any:
    listeners = [{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}]
    given: dict[str, Any] = {"Listeners": listeners, "Subnets": TWO} | more
    return await elb.create_load_balancer(LoadBalancerName="web", **given)


async def refusal(elb: Elb, operation: str, **given: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        await getattr(elb, operation)(LoadBalancerName="web", **given)
    return code(caught)


async def test_in_subnets(house: House, elb: Elb) -> None:
    created = await create(elb, Scheme="internal", SecurityGroups=["sg-2", "sg-1"])
    assert created["DNSName"] == f"internal-web-{ACCOUNT}.lb.elbflow.internal"
    shown = await elb.describe("web")
    assert shown["VPCId"] == "vpc-1"
    assert shown["Scheme"] == "internal"
    assert shown["Subnets"] == TWO
    assert shown["AvailabilityZones"] == ["local-1a", "local-1b"]
    assert shown["SecurityGroups"] == ["sg-1", "sg-2"]
    assert shown["SourceSecurityGroup"] == {"OwnerAlias": ACCOUNT, "GroupName": "web"}
    assert "CanonicalHostedZoneName" not in shown
    assert shown["CanonicalHostedZoneNameID"].startswith("Z")
    again = await create(elb, Scheme="internal", SecurityGroups=["sg-1", "sg-2"], Subnets=TWO[::-1])
    assert again["DNSName"] == created["DNSName"]
    for other in ({"Subnets": ["subnet-a2", "subnet-b"]}, {"SecurityGroups": ["sg-1"]}, {"Scheme": "internet-facing"}):
        given = {"Scheme": "internal", "SecurityGroups": ["sg-1", "sg-2"]} | other
        with pytest.raises(ClientError) as caught:
            await create(elb, **given)
        assert code(caught) == ("DuplicateLoadBalancerName", 400)


async def test_subnets_come_and_go(house: House, elb: Elb) -> None:
    await create(elb, Subnets=["subnet-b"])
    assert (await elb.describe("web"))["SecurityGroups"] == ["sg-0"]
    attach, detach = elb.attach_load_balancer_to_subnets, elb.detach_load_balancer_from_subnets
    for _ in range(2):
        attached = await attach(LoadBalancerName="web", Subnets=["subnet-a", "subnet-c"])
        assert sorted(attached["Subnets"]) == ["subnet-a", "subnet-b", "subnet-c"]
    assert await house.generation("web") == 2
    for subnets, expected in (
        (["subnet-a2"], ("InvalidConfigurationRequest", 409)),
        (["subnet-9"], ("SubnetNotFound", 400)),
        (["subnet-a", "subnet-a2"], ("InvalidConfigurationRequest", 409)),
    ):
        assert await refusal(elb, "attach_load_balancer_to_subnets", Subnets=subnets) == expected
    left = await detach(LoadBalancerName="web", Subnets=["subnet-a", "subnet-9"])
    assert sorted(left["Subnets"]) == ["subnet-b", "subnet-c"]
    # The zone is free now, for its other subnet too.
    attached = await attach(LoadBalancerName="web", Subnets=["subnet-a2"])
    assert sorted(attached["Subnets"]) == ["subnet-a2", "subnet-b", "subnet-c"]
    everything = attached["Subnets"]
    expected = ("InvalidConfigurationRequest", 409)
    assert await refusal(elb, "detach_load_balancer_from_subnets", Subnets=everything) == expected
    assert (await elb.describe("web"))["Subnets"] == everything


async def test_two_subnets_of_one_zone_at_the_same_time(house: House, elb: Elb) -> None:
    await create(elb, Subnets=["subnet-b"])
    calls = (
        elb.attach_load_balancer_to_subnets(LoadBalancerName="web", Subnets=[one]) for one in ("subnet-a", "subnet-a2")
    )
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    (refused,) = (one for one in outcomes if isinstance(one, ClientError))
    (answer,) = (one for one in outcomes if isinstance(one, dict))
    wire: Any = refused.response
    assert wire["Error"]["Code"] == "InvalidConfigurationRequest"
    assert (await elb.describe("web"))["Subnets"] == answer["Subnets"]


async def test_a_subnet_that_is_attached_while_it_is_being_detached(house: House, elb: Elb) -> None:
    await create(elb)
    house.shop.hold["web"] = asyncio.Event()
    detaching = asyncio.create_task(elb.detach_load_balancer_from_subnets(LoadBalancerName="web", Subnets=["subnet-b"]))
    await house.first_open("DisableAvailabilityZone")
    attaching = asyncio.create_task(elb.attach_load_balancer_to_subnets(LoadBalancerName="web", Subnets=["subnet-b"]))
    await asyncio.sleep(0.2)
    assert not attaching.done()
    house.shop.hold.pop("web").set()
    assert (await detaching)["Subnets"] == ["subnet-a"]
    assert (await attaching)["Subnets"] == TWO


async def test_two_load_balancers_never_have_one_dns_name(house: House, elb: Elb) -> None:
    """An internal one has its name with a word before it, which others may be called."""
    await create(elb, Scheme="internal")
    assert (await elb.describe("web"))["DNSName"] == f"internal-web-{ACCOUNT}.lb.elbflow.internal"
    with pytest.raises(ClientError, match="that of Load Balancer 'web'") as caught:
        await elb.create("Internal-web")
    assert code(caught) == ("InvalidConfigurationRequest", 409)
    await create(elb, Scheme="internal")  # the same again
    await elb.delete_load_balancer(LoadBalancerName="web")
    await elb.create("internal-web")
    with pytest.raises(ClientError, match="that of Load Balancer 'internal-web'"):
        await create(elb, Scheme="internal")
    await create(elb)
    await elb.create("internal-other")


async def test_security_groups_are_replaced(house: House, elb: Elb) -> None:
    await create(elb)
    answer = await elb.apply_security_groups_to_load_balancer(
        LoadBalancerName="web", SecurityGroups=["sg-2", "sg-1", "sg-2"]
    )
    assert answer["SecurityGroups"] == ["sg-1", "sg-2"]
    await elb.apply_security_groups_to_load_balancer(LoadBalancerName="web", SecurityGroups=["sg-1", "sg-2"])
    shown = await elb.describe("web")
    assert shown["SecurityGroups"] == ["sg-1", "sg-2"]
    assert shown["SourceSecurityGroup"]["GroupName"] == "web"
    assert house.shop.calls.count(("apply_security_groups", "web")) == 1
    assert await house.generation("web") == 2
    operation = "apply_security_groups_to_load_balancer"
    for groups, expected in (
        (["sg-1", "sg-9"], ("InvalidSecurityGroup", 400)),
        ([], ("ValidationError", 400)),
        ([f"sg-{n}" for n in range(6)], ("InvalidConfigurationRequest", 409)),
    ):
        assert await refusal(elb, operation, SecurityGroups=groups) == expected
    house.shop.refuse["web"] = "the interfaces are gone"
    assert await refusal(elb, operation, SecurityGroups=["sg-0"]) == ("InternalFailure", 400)
    assert (await elb.describe("web"))["SecurityGroups"] == ["sg-1", "sg-2"]


async def test_groups_that_are_applied_at_the_same_time_come_one_after_the_other(house: House, elb: Elb) -> None:
    await create(elb)
    apply = elb.apply_security_groups_to_load_balancer
    first, second, third = await asyncio.gather(
        apply(LoadBalancerName="web", SecurityGroups=["sg-1"]),
        apply(LoadBalancerName="web", SecurityGroups=["sg-2"]),
        elb.attach_load_balancer_to_subnets(LoadBalancerName="web", Subnets=["subnet-c"]),
    )
    assert (first["SecurityGroups"], second["SecurityGroups"]) == (["sg-1"], ["sg-2"])
    assert third["Subnets"] == [*TWO, "subnet-c"]
    assert (await elb.describe("web"))["SecurityGroups"] in (["sg-1"], ["sg-2"])
    assert await house.generation("web") == 4


async def test_zones_of_a_vpc_that_is_not_the_default_one(house: House, elb: Elb) -> None:
    await create(elb)
    for operation in ("enable_availability_zones_for_load_balancer", "disable_availability_zones_for_load_balancer"):
        answered = await refusal(elb, operation, AvailabilityZones=["local-1c"])
        assert answered == ("InvalidConfigurationRequest", 409)
    # Zones alone make a classic load balancer there.
    await elb.create("classic")
    shown = await elb.describe("classic")
    assert "VPCId" not in shown
    assert shown["Subnets"] == shown["SecurityGroups"] == []


async def test_zones_of_the_default_vpc_stand_for_their_default_subnets(store_url: str) -> None:
    async with open_house(store_url, vpc=VPC | {"default": True}) as house:
        elb = house.elb
        await elb.create("web", SecurityGroups=["sg-1"])
        shown = await elb.describe("web")
        assert (shown["VPCId"], shown["Subnets"], shown["SecurityGroups"]) == ("vpc-1", ["subnet-a"], ["sg-1"])
        enabled = await elb.enable_availability_zones_for_load_balancer(
            LoadBalancerName="web", AvailabilityZones=["local-1b"]
        )
        assert enabled["AvailabilityZones"] == ["local-1a", "local-1b"]
        assert (await elb.describe("web"))["Subnets"] == TWO
        await elb.disable_availability_zones_for_load_balancer(LoadBalancerName="web", AvailabilityZones=["local-1a"])
        assert (await elb.describe("web"))["Subnets"] == ["subnet-b"]


async def test_what_cannot_be_created(store_url: str) -> None:
    private = VPC | {"internet_gateway": False, "default": True, "subnets": {"subnet-a": "local-1a"}}
    async with open_house(store_url, working=False, vpc=private) as house:
        for given, expected in (
            ({"Subnets": ["subnet-a"]}, ("InvalidSubnet", 400)),
            ({"Subnets": ["subnet-a"], "AvailabilityZones": ["local-1a"]}, ("ValidationError", 400)),
            ({"Subnets": [], "AvailabilityZones": []}, ("ValidationError", 400)),
            ({"Subnets": ["subnet-a"], "Scheme": "inside"}, ("InvalidScheme", 400)),
            (
                {"Subnets": ["subnet-a"], "Scheme": "internal", "SecurityGroups": ["sg-9"]},
                ("InvalidSecurityGroup", 400),
            ),
            (
                {"Subnets": [], "AvailabilityZones": ["local-1b"], "Scheme": "internal"},
                ("InvalidConfigurationRequest", 409),
            ),
        ):
            with pytest.raises(ClientError) as caught:
                await create(house.elb, **given)
            assert code(caught) == expected, given
        assert await house.rows() == 0
        assert await house.load_balancer("web") is None


async def test_the_original_lets_zones_be_named_beside_subnets(store_url: str) -> None:
    async with open_house(store_url, vpc=VPC, compatibility_zones_beside_subnets=True) as house:
        await create(house.elb, AvailabilityZones=["local-1b", "local-1a"])
        with pytest.raises(ClientError) as caught:
            await house.elb.create("other", Subnets=["subnet-b"])
        assert code(caught) == ("InvalidConfigurationRequest", 409)
