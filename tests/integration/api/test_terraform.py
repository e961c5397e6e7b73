"""Terraform: after each apply a refresh finds what was configured, so the next plan is empty."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import Elb, House, open_house
from tests.integration.api.golden import in_vpc
from tests.integration.api.golden.policies import PUBLIC_KEY
from tests.integration.api.terraform import AwsElb, Configuration

CLASSIC = Configuration(
    name="shop",
    listeners=frozenset({("http", 80, "http", 8000)}),
    availability_zones=frozenset({"local-1a", "local-1b"}),
    health_check=("TCP:8000", 30, 3, 2, 2),
    tags={"team": "blue", "stage": "test"},
)


@pytest.fixture
async def cloud(store_url: str) -> AsyncIterator[House]:
    async with open_house(store_url, vpc=in_vpc.VPC) as house:
        yield house


@pytest.fixture
def elb(cloud: House) -> Elb:
    return cloud.elb


async def applied(elb: Elb, *configurations: Configuration) -> AwsElb:
    """Apply one after the other; each must be what a refresh reads then."""
    resource = AwsElb(elb)
    await resource.create(configurations[0])
    assert await resource.read(configurations[0].name) == configurations[0]
    for old, new in itertools.pairwise(configurations):
        await resource.update(old, new)
        assert await resource.read(new.name) == new
    return resource


async def test_a_classic_load_balancer(elb: Elb) -> None:
    grown = replace(
        CLASSIC,
        listeners=frozenset({("http", 80, "http", 8001), ("tcp", 25, "tcp", 2500)}),
        availability_zones=frozenset({"local-1b", "local-1c"}),
        instances=frozenset({"10.0.0.1", "10.0.0.2"}),
        idle_timeout=400,
        desync_mode="monitor",
        draining=True,
        draining_timeout=400,
        health_check=("HTTP:8000/ok", 60, 5, 3, 4),
        tags={"team": "red", "cost": "7"},
    )
    shrunk = replace(
        grown,
        listeners=frozenset({("tcp", 25, "tcp", 2500)}),
        instances=frozenset({"10.0.0.2"}),
        cross_zone=False,
        draining=False,
        tags={},
    )
    resource = await applied(elb, CLASSIC, grown, shrunk)
    await resource.destroy("shop")
    assert await resource.read("shop") is None
    await resource.destroy("shop")
    assert resource.calls[:6] == [
        "create_load_balancer",
        "create_load_balancer_listeners",
        *["modify_load_balancer_attributes"] * 3,
        "configure_health_check",
    ]


async def test_draining_that_is_switched_on_again_keeps_its_timeout(elb: Elb) -> None:
    """The provider sends the timeout first and then, without it, whether draining is on."""
    await applied(elb, replace(CLASSIC, draining=True, draining_timeout=20))
    shown = await elb.describe_load_balancer_attributes(LoadBalancerName="shop")
    assert shown["LoadBalancerAttributes"]["ConnectionDraining"] == {"Enabled": True, "Timeout": 20}


async def test_an_internal_load_balancer_in_subnets(elb: Elb) -> None:
    inside = replace(
        CLASSIC,
        availability_zones=frozenset({"local-1a"}),
        subnets=frozenset({in_vpc.A}),
        security_groups=frozenset({in_vpc.FRONT}),
        internal=True,
    )
    resource = AwsElb(elb)
    # Zones are computed where subnets are configured: the provider does not send them.
    await resource.create(replace(inside, availability_zones=frozenset()))
    assert await resource.read("shop") == inside
    moved = replace(
        inside,
        subnets=frozenset({in_vpc.A, in_vpc.B}),
        security_groups=frozenset({in_vpc.FRONT, in_vpc.BACK}),
    )
    await resource.update(inside, moved)
    assert await resource.read("shop") == replace(moved, availability_zones=frozenset({"local-1a", "local-1b"}))
    other_subnet = replace(moved, subnets=frozenset({in_vpc.A2, in_vpc.B}))
    await resource.update(moved, other_subnet)
    after = await resource.read("shop")
    assert after is not None
    assert after.subnets == other_subnet.subnets
    await resource.destroy("shop")
    assert await resource.read("shop") is None


async def described(elb: Elb, policy: str) -> dict[str, str] | None:
    """A policy's attributes; None when the provider would take it for gone."""
    try:
        answer = await elb.describe_load_balancer_policies(LoadBalancerName="shop", PolicyNames=[policy])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PolicyNotFound", "LoadBalancerNotFound"):
            raise
        return None
    (found,) = answer["PolicyDescriptions"]
    return {one["AttributeName"]: one["AttributeValue"] for one in found["PolicyAttributeDescriptions"]}


async def test_cookie_policies(elb: Elb) -> None:
    await applied(elb, CLASSIC)
    name = {"LoadBalancerName": "shop"}
    port = name | {"LoadBalancerPort": 80}
    await elb.create_lb_cookie_stickiness_policy(PolicyName="lb", **name)
    await elb.set_load_balancer_policies_of_listener(PolicyNames=["lb"], **port)
    assert await described(elb, "lb") == {"CookieExpirationPeriod": "0"}
    await elb.set_load_balancer_policies_of_listener(PolicyNames=[], **port)
    await elb.delete_load_balancer_policy(PolicyName="lb", **name)
    assert await described(elb, "lb") is None
    await elb.create_app_cookie_stickiness_policy(PolicyName="app", CookieName="JSESSIONID", **name)
    await elb.set_load_balancer_policies_of_listener(PolicyNames=["app"], **port)
    assert await described(elb, "app") == {"CookieName": "JSESSIONID"}


async def test_the_whole_life_of_a_resource_in_the_providers_order(elb: Elb) -> None:
    """Created, read, changed in everything with a policy on its listener, read, destroyed, and refreshed after it."""
    inside = replace(
        CLASSIC,
        availability_zones=frozenset({"local-1a"}),
        subnets=frozenset({in_vpc.A}),
        security_groups=frozenset({in_vpc.FRONT}),
    )
    resource = AwsElb(elb)
    await resource.create(replace(inside, availability_zones=frozenset()))
    assert await resource.read("shop") == inside

    name = {"LoadBalancerName": "shop"}
    port = name | {"LoadBalancerPort": 80}
    await elb.create_lb_cookie_stickiness_policy(PolicyName="lb", CookieExpirationPeriod=60, **name)
    await elb.set_load_balancer_policies_of_listener(PolicyNames=["lb"], **port)
    changed = replace(
        inside,
        listeners=inside.listeners | {("tcp", 25, "tcp", 2500)},
        availability_zones=frozenset({"local-1a", "local-1b"}),
        subnets=frozenset({in_vpc.A, in_vpc.B}),
        security_groups=frozenset({in_vpc.FRONT, in_vpc.BACK}),
        idle_timeout=400,
        draining=True,
        draining_timeout=20,
        health_check=("HTTP:8000/ok", 60, 5, 3, 4),
        tags={"team": "red", "cost": "7"},
    )
    del resource.calls[:]
    await resource.update(replace(inside, availability_zones=changed.availability_zones), changed)
    assert list(dict.fromkeys(resource.calls)) == [
        "create_load_balancer_listeners",
        "modify_load_balancer_attributes",
        "configure_health_check",
        "apply_security_groups_to_load_balancer",
        "attach_load_balancer_to_subnets",
        "remove_tags",
        "add_tags",
    ]
    assert await resource.read("shop") == changed
    assert await described(elb, "lb") == {"CookieExpirationPeriod": "60"}

    await resource.destroy("shop")
    assert await resource.read("shop") is None
    assert await described(elb, "lb") is None
    for read in (elb.describe_load_balancer_attributes, elb.describe_instance_health):
        with pytest.raises(ClientError, match="LoadBalancerNotFound"):
            await read(**name)
    await resource.destroy("shop")


async def test_policies_of_back_ends(elb: Elb) -> None:
    """``aws_proxy_protocol_policy`` and ``aws_load_balancer_backend_server_policy``."""
    await applied(elb, replace(CLASSIC, listeners=frozenset({("tcp", 25, "tcp", 2500), ("tcp", 26, "ssl", 2600)})))
    name = {"LoadBalancerName": "shop"}

    async def create(policy: str, kind: str, key: str, value: str) -> None:
        attributes = [{"AttributeName": key, "AttributeValue": value}]
        await elb.create_load_balancer_policy(
            PolicyName=policy, PolicyTypeName=kind, PolicyAttributes=attributes, **name
        )

    async def behind(port: int, *policies: str) -> None:
        await elb.set_load_balancer_policies_for_backend_server(InstancePort=port, PolicyNames=list(policies), **name)

    async def backends() -> list[tuple[int, list[str]]]:
        shown = await elb.describe("shop")
        return [(one["InstancePort"], one["PolicyNames"]) for one in shown["BackendServerDescriptions"]]

    await create("TFEnableProxyProtocol", "ProxyProtocolPolicyType", "ProxyProtocol", "True")
    await behind(2500, "TFEnableProxyProtocol")
    await create("key", "PublicKeyPolicyType", "PublicKey", PUBLIC_KEY)
    await create("trust", "BackendServerAuthenticationPolicyType", "PublicKeyPolicyName", "key")
    await behind(2600, "trust")
    assert await backends() == [(2500, ["TFEnableProxyProtocol"]), (2600, ["trust"])]
    with pytest.raises(ClientError, match="InvalidConfigurationRequest"):
        await elb.delete_load_balancer_policy(PolicyName="key", **name)
    await behind(2500)
    await behind(2600)
    assert await backends() == []
    for policy in ("TFEnableProxyProtocol", "trust", "key"):
        await elb.delete_load_balancer_policy(PolicyName=policy, **name)
        assert await described(elb, policy) is None
