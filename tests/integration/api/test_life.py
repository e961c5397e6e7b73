"""The life of a load balancer through boto3, with real workflows behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, BOTH, KEY, OTHER_KEY, Elb, House, code, open_house

from elbflow.contract import document, names
from elbflow_api.rules import naming

DATABASES = BOTH

HTTP_80 = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}


async def test_create_describe_delete(house: House, elb: Elb) -> None:
    created = await elb.create("web", Tags=[{"Key": "team", "Value": "blue"}])
    assert created["DNSName"] == f"web-{ACCOUNT}.lb.elbflow.internal"
    shown = await elb.describe("web")
    assert shown.pop("CreatedTime").timestamp() > 1_600_000_000
    assert shown == {
        "LoadBalancerName": "web",
        "DNSName": created["DNSName"],
        "CanonicalHostedZoneName": created["DNSName"],
        "CanonicalHostedZoneNameID": naming.hosted_zone_id("lb.elbflow.internal"),
        "ListenerDescriptions": [{"Listener": HTTP_80 | {"InstanceProtocol": "HTTP"}, "PolicyNames": []}],
        "Policies": {"AppCookieStickinessPolicies": [], "LBCookieStickinessPolicies": [], "OtherPolicies": []},
        "BackendServerDescriptions": [],
        "AvailabilityZones": ["local-1a"],
        "Subnets": [],
        "Instances": [],
        "HealthCheck": {
            "Target": "TCP:8000",
            "Interval": 30,
            "Timeout": 5,
            "UnhealthyThreshold": 2,
            "HealthyThreshold": 10,
        },
        "SourceSecurityGroup": {"OwnerAlias": "000000000000", "GroupName": f"euca-internal-{ACCOUNT}-web"},
        "SecurityGroups": [],
        "Scheme": "internet-facing",
    }
    tags = await elb.describe_tags(LoadBalancerNames=["web"])
    assert tags["TagDescriptions"] == [{"LoadBalancerName": "web", "Tags": [{"Key": "team", "Value": "blue"}]}]
    await elb.delete_load_balancer(LoadBalancerName="web")
    assert (await elb.describe_load_balancers())["LoadBalancerDescriptions"] == []
    assert await house.rows() == 0


async def test_the_execution_carries_the_names_that_tools_rely_on(house: House, elb: Elb) -> None:
    await elb.create("web")
    key = document.LoadBalancerKey(ACCOUNT, "web")
    (info,) = await house.swf.list_closed_workflow_executions(names.DOMAIN, tag="loadbalancer:web")
    assert info.workflow_type.name == "CreateLoadBalancer"
    assert info.execution.workflow_id.startswith(f"create-loadbalancer-{ACCOUNT}-web-1")
    assert tuple(info.tags) == names.workflow_tags(key)


async def test_the_same_request_again_finds_the_load_balancer(house: House, elb: Elb) -> None:
    first = await elb.create("web", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    again = await elb.create("web", Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}])
    assert again["DNSName"] == first["DNSName"]
    assert len([call for call in house.shop.calls if call[0] == "admission_control"]) == 1


async def test_another_one_of_that_name_is_refused(elb: Elb) -> None:
    await elb.create("web")
    different: list[dict[str, Any]] = [
        {"Listeners": [HTTP_80 | {"InstancePort": 8001}]},
        {"Listeners": [HTTP_80, HTTP_80 | {"LoadBalancerPort": 81}]},
        {"AvailabilityZones": ["local-1b"]},
        {"AvailabilityZones": ["local-1a", "local-1b"]},
        {"Tags": [{"Key": "new", "Value": ""}]},
        {"name": "WEB"},
    ]
    for changes in different:
        with pytest.raises(ClientError, match="it is configured with different parameters") as caught:
            await elb.create(**{"name": "web", **changes})
        assert code(caught) == ("DuplicateLoadBalancerName", 400)


async def test_equal_requests_at_the_same_time_make_one(house: House, elb: Elb) -> None:
    answers = await asyncio.gather(*(elb.create("web") for _ in range(6)))
    assert len({answer["DNSName"] for answer in answers}) == 1
    closed = await house.swf.list_closed_workflow_executions(names.DOMAIN)
    assert [info.workflow_type.name for info in closed] == ["CreateLoadBalancer"]


async def test_a_failed_creation_leaves_nothing(house: House, elb: Elb) -> None:
    house.shop.refuse["web"] = "There is no room in zone local-1a"
    with pytest.raises(ClientError) as caught:
        await elb.create("web")
    assert code(caught) == ("InternalFailure", 400)
    assert "There is no room in zone local-1a" in str(caught.value)
    async with house.db.reading() as tx:
        counts = await tx.row_counts()
    assert {table for table, count in counts.items() if count} == {"access_keys"}
    house.shop.refuse.clear()
    await elb.create("web", AvailabilityZones=["local-1b"])


async def test_a_creation_whose_workflow_is_lost_leaves_nothing_either(house: House, elb: Elb) -> None:
    house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(elb.create("web"))
    workflow_id = await house.first_open("CreateLoadBalancer")
    await house.swf.terminate_workflow_execution(names.DOMAIN, workflow_id, reason="operator")
    with pytest.raises(ClientError) as caught:
        await creating
    assert code(caught) == ("InternalFailure", 500)
    house.shop.hold.pop("web").set()
    await house.until_gone("web")


async def test_others_do_not_see_it_before_it_is_there(house: House, elb: Elb) -> None:
    house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(elb.create("web"))
    await house.first_open("CreateLoadBalancer")
    assert (await elb.describe_load_balancers())["LoadBalancerDescriptions"] == []
    with pytest.raises(ClientError) as caught:
        await elb.describe("web")
    assert code(caught) == ("LoadBalancerNotFound", 400)
    with pytest.raises(ClientError) as caught:
        await elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.1"}])
    assert code(caught) == ("LoadBalancerNotFound", 400)
    house.shop.hold.pop("web").set()
    await creating
    assert (await elb.describe("web"))["LoadBalancerName"] == "web"


async def test_accounts_do_not_see_each_other(house: House, elb: Elb) -> None:
    other = Elb(elb.url, OTHER_KEY.access_key_id, OTHER_KEY.secret_access_key)
    await asyncio.gather(elb.create("web"), other.create("web", AvailabilityZones=["local-1b"]))
    assert (await elb.describe("web"))["DNSName"].startswith(f"web-{ACCOUNT}")
    assert (await other.describe("web"))["DNSName"].startswith(f"web-{OTHER_KEY.account}")
    await other.delete_load_balancer(LoadBalancerName="web")
    assert len((await elb.describe_load_balancers())["LoadBalancerDescriptions"]) == 1


async def test_deleting_what_is_not_there_succeeds(elb: Elb) -> None:
    await elb.delete_load_balancer(LoadBalancerName="never-was")
    await elb.delete_load_balancer(LoadBalancerName="no/such name")


async def test_a_failed_deletion_can_be_repeated(house: House, elb: Elb) -> None:
    await elb.create("web")
    house.shop.refuse["web"] = "the security group is in use"
    with pytest.raises(ClientError, match="the security group is in use") as caught:
        await elb.delete_load_balancer(LoadBalancerName="web")
    assert code(caught) == ("InternalFailure", 400)
    assert (await elb.describe_load_balancers())["LoadBalancerDescriptions"] == []
    with pytest.raises(ClientError, match="could not be deleted yet"):
        await elb.create("web")
    house.shop.refuse.clear()
    await elb.delete_load_balancer(LoadBalancerName="web")
    await elb.create("web")


async def test_deletions_at_the_same_time_are_one(house: House, elb: Elb) -> None:
    await elb.create("web")
    await asyncio.gather(*(elb.delete_load_balancer(LoadBalancerName="web") for _ in range(4)))
    closed = await house.swf.list_closed_workflow_executions(names.DOMAIN)
    assert sorted({info.workflow_type.name for info in closed}) == ["CreateLoadBalancer", "DeleteLoadBalancer"]


async def test_a_creation_waits_for_the_deletion_of_its_name(house: House, elb: Elb) -> None:
    await elb.create("web")
    house.shop.hold["web"] = asyncio.Event()
    deleting = asyncio.create_task(elb.delete_load_balancer(LoadBalancerName="web"))
    await house.first_open("DeleteLoadBalancer")
    creating = asyncio.create_task(elb.create("web", AvailabilityZones=["local-1c"]))
    await asyncio.sleep(0.2)
    assert not creating.done()
    house.shop.hold.pop("web").set()
    await asyncio.gather(deleting, creating)
    assert (await elb.describe("web"))["AvailabilityZones"] == ["local-1c"]


async def test_a_deletion_waits_for_the_creation(house: House, elb: Elb) -> None:
    house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(elb.create("web"))
    await house.first_open("CreateLoadBalancer")
    deleting = asyncio.create_task(elb.delete_load_balancer(LoadBalancerName="web"))
    await asyncio.sleep(0.2)
    assert not deleting.done()
    house.shop.hold.pop("web").set()
    await asyncio.gather(creating, deleting)
    assert (await elb.describe_load_balancers())["LoadBalancerDescriptions"] == []


async def test_pages(elb: Elb) -> None:
    await asyncio.gather(*(elb.create(f"lb-{number}") for number in range(5)))
    first = await elb.describe_load_balancers(PageSize=2)
    second = await elb.describe_load_balancers(PageSize=2, Marker=first["NextMarker"])
    third = await elb.describe_load_balancers(PageSize=2, Marker=second["NextMarker"])
    pages = [[one["LoadBalancerName"] for one in page["LoadBalancerDescriptions"]] for page in (first, second, third)]
    assert pages == [["lb-0", "lb-1"], ["lb-2", "lb-3"], ["lb-4"]]
    assert "NextMarker" not in third
    named = await elb.describe_load_balancers(LoadBalancerNames=["lb-4", "LB-1"])
    assert [one["LoadBalancerName"] for one in named["LoadBalancerDescriptions"]] == ["lb-1", "lb-4"]
    with pytest.raises(ClientError) as caught:
        await elb.describe_load_balancers(Marker="?!")
    assert code(caught) == ("ValidationError", 400)
    with pytest.raises(ClientError, match="There is no ACTIVE Load Balancer named 'lb-9'") as caught:
        await elb.describe_load_balancers(LoadBalancerNames=["lb-1", "lb-9"])
    assert code(caught) == ("LoadBalancerNotFound", 400)


async def test_a_call_that_outlives_its_api_is_joined_at_another(store_url: str) -> None:
    """The first API stops while a call waits: 503 at once; repeated at a second API, it joins the same workflow."""
    async with open_house(store_url) as house:
        house.shop.hold["web"] = asyncio.Event()
        creating = asyncio.create_task(house.elb.create("web"))
        await house.first_open("CreateLoadBalancer")
        house.stopping.set()
        with pytest.raises(ClientError) as caught:
            await creating
        assert code(caught) == ("ServiceUnavailable", 503)
        async with house.another_api() as url:
            again = asyncio.create_task(Elb(url, KEY.access_key_id, KEY.secret_access_key).create("web"))
            await asyncio.sleep(0.1)
            house.shop.hold.pop("web").set()
            assert (await again)["DNSName"].startswith("web-")
        closed = await house.swf.list_closed_workflow_executions(names.DOMAIN)
        assert len(closed) == 1


async def test_the_deadline_of_a_call(store_url: str) -> None:
    async with open_house(store_url, workflow_wait_s=0.3) as house:
        house.shop.hold["web"] = asyncio.Event()
        with pytest.raises(ClientError) as caught:
            await house.elb.create("web")
        assert code(caught) == ("ServiceUnavailable", 503)
        house.shop.hold.pop("web").set()
        await _repeat(house.elb.create)


async def _repeat(call: Callable[[], Awaitable[Any]]) -> None:
    """Do as the refusal says: repeat the call until it had the time it needs."""
    async with asyncio.timeout(10):
        while True:
            try:
                await call()
            except ClientError as error:
                if error.response["Error"]["Code"] != "ServiceUnavailable":
                    raise
            else:
                return


async def test_an_api_that_died_before_delivery(store_url: str) -> None:
    """Orders that only the store knows are delivered by whichever API runs next."""
    async with open_house(store_url) as house:
        await house.elb.create("web")
        await house.abandon_order("web", port=81)
        await house.settled()
        async with asyncio.timeout(10):
            while ("authorize", "web") not in house.shop.calls:
                await asyncio.sleep(0.02)
