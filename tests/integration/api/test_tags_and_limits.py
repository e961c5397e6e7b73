"""Tags, attributes and limits, as boto3 sees them."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, BOTH, Elb, House, code, open_house

from elbflow import store
from elbflow.contract import document

DATABASES = BOTH

DESYNC = "elb.http.desyncmitigationmode"


async def tags_of(elb: Elb, *names: str) -> Any:
    answer = await elb.describe_tags(LoadBalancerNames=list(names))
    return {
        one["LoadBalancerName"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in answer["TagDescriptions"]
    }


async def test_tags_come_change_and_go(house: House, elb: Elb) -> None:
    await elb.create("web", Tags=[{"Key": "team", "Value": "blue"}])
    added = [{"Key": "team", "Value": "red"}, {"Key": "empty"}, {"Key": "größe +-=._:/@", "Value": "L"}]
    await elb.add_tags(LoadBalancerNames=["WEB"], Tags=added)
    assert await tags_of(elb, "web") == {"web": {"team": "red", "empty": "", "größe +-=._:/@": "L"}}
    await elb.remove_tags(LoadBalancerNames=["web"], Tags=[{"Key": "team"}, {"Key": "none"}])
    assert await tags_of(elb, "web") == {"web": {"empty": "", "größe +-=._:/@": "L"}}
    with pytest.raises(ClientError) as caught:
        await elb.add_tags(LoadBalancerNames=["web"], Tags=[{"Key": f"k{n}"} for n in range(49)])
    assert code(caught) == ("TooManyTags", 400)
    await elb.add_tags(LoadBalancerNames=["web"], Tags=[{"Key": f"k{n}"} for n in range(48)])
    assert len((await tags_of(elb, "web"))["web"]) == 50
    assert await house.generation("web") == 1


async def test_several_load_balancers_where_operators_allow_it(store_url: str) -> None:
    async with open_house(store_url, max_tagged_load_balancers=2, max_tags=1) as house:
        elb = house.elb
        await asyncio.gather(elb.create("one"), elb.create("two", Tags=[{"Key": "a"}]))
        with pytest.raises(ClientError) as caught:
            await elb.add_tags(LoadBalancerNames=["one", "two"], Tags=[{"Key": "b"}])
        assert code(caught) == ("TooManyTags", 400)
        assert await tags_of(elb, "one", "two") == {"one": {}, "two": {"a": ""}}
        await elb.add_tags(LoadBalancerNames=["two", "one", "ONE"], Tags=[{"Key": "a", "Value": "x"}])
        assert await tags_of(elb, "one", "two") == {"one": {"a": "x"}, "two": {"a": "x"}}
        with pytest.raises(ClientError) as caught:
            await elb.remove_tags(LoadBalancerNames=["one", "none"], Tags=[{"Key": "a"}])
        assert code(caught) == ("LoadBalancerNotFound", 400)
        assert await tags_of(elb, "one") == {"one": {"a": "x"}}


async def test_limits_in_pages_and_enforced(store_url: str) -> None:
    async with open_house(store_url, max_load_balancers=5, max_instances=2) as house:
        elb = house.elb
        async with house.db.transaction() as tx:
            await tx.accounts.save(
                store.Account(ACCOUNT, quotas=(("classic-listeners", 2), ("classic-load-balancers", 2)))
            )
        expected = [
            {"Name": "classic-load-balancers", "Max": "2"},
            {"Name": "classic-listeners", "Max": "2"},
            {"Name": "classic-registered-instances", "Max": "2"},
        ]
        assert (await elb.describe_account_limits())["Limits"] == expected
        pages = elb.boto.get_paginator("describe_account_limits").paginate(PaginationConfig={"PageSize": 2})
        sizes = [len(page["Limits"]) for page in await asyncio.to_thread(list, pages)]
        assert sizes == [2, 1]
        outcomes = await asyncio.gather(*(elb.create(f"web{n}") for n in range(4)), return_exceptions=True)
        refused: list[Any] = [one for one in outcomes if isinstance(one, ClientError)]
        assert [one.response["Error"]["Code"] for one in refused] == ["TooManyLoadBalancers"] * 2
        (name, _) = [f"web{n}" for n, one in enumerate(outcomes) if isinstance(one, dict)]
        await elb.create(name)  # it exists: no further one
        more = [{"Protocol": "TCP", "LoadBalancerPort": port, "InstancePort": 1} for port in (81, 82, 83)]
        await elb.create_load_balancer_listeners(LoadBalancerName=name, Listeners=more[:1])
        with pytest.raises(ClientError, match="more than 2 listeners") as caught:
            await elb.create_load_balancer_listeners(LoadBalancerName=name, Listeners=more[:2])
        assert code(caught) == ("InvalidConfigurationRequest", 409)
        with pytest.raises(ClientError, match="more than 2 listeners"):
            await elb.create("more", Listeners=more)
        with pytest.raises(ClientError) as caught:
            await elb.register_instances_with_load_balancer(
                LoadBalancerName=name, Instances=[{"InstanceId": f"10.0.0.{n}"} for n in range(1, 4)]
            )
        assert code(caught) == ("InvalidConfigurationRequest", 409)


async def test_all_attributes_are_stored_and_shown(house: House, elb: Elb) -> None:
    await elb.create("web")
    wanted = {
        "CrossZoneLoadBalancing": {"Enabled": True},
        "AccessLog": {"Enabled": True, "S3BucketName": "logs", "S3BucketPrefix": "a/b", "EmitInterval": 5},
        "ConnectionDraining": {"Enabled": True, "Timeout": 3600},
        "ConnectionSettings": {"IdleTimeout": 1},
        "AdditionalAttributes": [{"Key": DESYNC, "Value": "strictest"}],
    }
    modify = elb.modify_load_balancer_attributes
    answer = await modify(LoadBalancerName="web", LoadBalancerAttributes=wanted)
    assert answer["LoadBalancerAttributes"] == wanted
    found = await house.load_balancer("web")
    assert found is not None
    assert found.attributes == document.Attributes(
        idle_timeout_s=1,
        cross_zone=True,
        draining_enabled=True,
        draining_timeout_s=3600,
        access_log_enabled=True,
        access_log_bucket="logs",
        access_log_prefix="a/b",
        access_log_interval_min=5,
        desync_mitigation=document.DesyncMitigation.STRICTEST,
    )
    off = {"AccessLog": {"Enabled": False}}
    answer = await modify(LoadBalancerName="web", LoadBalancerAttributes=off)
    assert answer["LoadBalancerAttributes"] == off
    shown = await elb.describe_load_balancer_attributes(LoadBalancerName="web")
    assert shown["LoadBalancerAttributes"] == wanted | off


async def test_buckets_that_logs_may_go_to(store_url: str) -> None:
    async with open_house(store_url, access_log_buckets={"ours"}, compatibility_all_attributes_answered=True) as house:
        await house.elb.create("web")
        modify = house.elb.modify_load_balancer_attributes
        with pytest.raises(ClientError, match="Access Denied for bucket: theirs") as caught:
            await modify(
                LoadBalancerName="web",
                LoadBalancerAttributes={"AccessLog": {"Enabled": True, "S3BucketName": "theirs"}},
            )
        assert code(caught) == ("InvalidConfigurationRequest", 409)
        answer = await modify(
            LoadBalancerName="web", LoadBalancerAttributes={"AccessLog": {"Enabled": True, "S3BucketName": "ours"}}
        )
        assert set(answer["LoadBalancerAttributes"]) == {
            "CrossZoneLoadBalancing",
            "AccessLog",
            "ConnectionDraining",
            "ConnectionSettings",
            "AdditionalAttributes",
        }
        assert answer["LoadBalancerAttributes"]["AccessLog"]["EmitInterval"] == 60


async def test_the_originals_ways(store_url: str) -> None:
    async with open_house(
        store_url,
        compatibility_unknown_names_skipped=True,
        compatibility_error_state=True,
        compatibility_default_health_check=True,
    ) as house:
        elb = house.elb
        await elb.create("web")
        shown = await elb.describe_load_balancers(LoadBalancerNames=["none", "web"])
        assert [one["LoadBalancerName"] for one in shown["LoadBalancerDescriptions"]] == ["web"]
        check = shown["LoadBalancerDescriptions"][0]["HealthCheck"]
        assert (check["UnhealthyThreshold"], check["HealthyThreshold"]) == (3, 3)
        await elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.1"}])
        found = await house.load_balancer("web")
        assert found is not None
        async with house.db.transaction() as tx:
            await tx.backends.set_state(
                found.id, "10.0.0.1", store.BackendState.ERROR, reason_code="ELB", description="gone", reported_at=1.0
            )
        health = await elb.describe_instance_health(
            LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.9"}, {"InstanceId": "10.0.0.1"}]
        )
        assert [(one["InstanceId"], one["State"]) for one in health["InstanceStates"]] == [("10.0.0.1", "Error")]


async def test_nul_in_a_name_or_a_marker_names_nothing(elb: Elb) -> None:
    """PostgreSQL takes no text with it."""
    for operation, given in (
        ("describe_load_balancers", {"LoadBalancerNames": ["a\0"]}),
        ("add_tags", {"LoadBalancerNames": ["a\0"], "Tags": [{"Key": "k"}]}),
        ("describe_instance_health", {"LoadBalancerName": "a\0"}),
    ):
        with pytest.raises(ClientError) as caught:
            await getattr(elb, operation)(**given)
        assert code(caught) == ("LoadBalancerNotFound", 400), operation
    with pytest.raises(ClientError) as caught:
        await elb.describe_load_balancers(Marker=base64.urlsafe_b64encode(b"a\0/1").decode())
    assert code(caught) == ("ValidationError", 400)
