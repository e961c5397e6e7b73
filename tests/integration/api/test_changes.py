"""Changing a load balancer: what is stored, what is pushed, what is answered."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, BOTH, Elb, House, code

from elbflow import store
from elbflow.contract import document, names, transport, workflows
from elbflow_api.rules import transportable

DATABASES = BOTH

TCP_25 = {"Protocol": "TCP", "LoadBalancerPort": 25, "InstanceProtocol": "TCP", "InstancePort": 2500}


async def ports(elb: Elb) -> list[int]:
    shown = await elb.describe("web")
    return [one["Listener"]["LoadBalancerPort"] for one in shown["ListenerDescriptions"]]


async def directory(house: House, *instances: store.Instance) -> None:
    async with house.db.transaction() as tx:
        for instance in instances:
            await tx.instances.save(instance)


async def test_listeners_come_and_go(house: House, elb: Elb) -> None:
    await elb.create("web")
    await house.start_update()
    await elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25])
    assert await ports(elb) == [25, 80]
    await elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25])
    with pytest.raises(ClientError) as caught:
        await elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25 | {"InstancePort": 1}])
    assert code(caught) == ("DuplicateListener", 400)
    await elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[80, 9999])
    assert await ports(elb) == [25]
    await elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[80])
    assert await house.pushed() == [2, 3]
    assert await house.generation("web") == 3
    assert house.shop.calls[-2:] == [("authorize", "web"), ("revoke", "web")]


async def test_a_listener_that_could_not_be_opened_is_gone_again(house: House, elb: Elb) -> None:
    await elb.create("web")
    house.shop.refuse["web"] = "the security group is full"
    with pytest.raises(ClientError, match="the security group is full") as caught:
        await elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25])
    assert code(caught) == ("InternalFailure", 400)
    assert await ports(elb) == [80]


async def test_a_repeated_call_joins_the_workflow_of_the_first(house: House, elb: Elb) -> None:
    await elb.create("web")
    house.shop.hold["web"] = asyncio.Event()
    calls = [
        asyncio.create_task(elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25])),
    ]
    await house.first_open("CreateLoadBalancerListeners")
    calls.append(asyncio.create_task(elb.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[TCP_25])))
    await asyncio.sleep(0.2)
    assert not calls[1].done()
    house.shop.hold.pop("web").set()
    await asyncio.gather(*calls)
    assert await house.generation("web") == 2


async def test_zones(house: House, elb: Elb) -> None:
    await elb.create("web")
    answer = await elb.enable_availability_zones_for_load_balancer(
        LoadBalancerName="web", AvailabilityZones=["local-1b", "local-1a"]
    )
    assert sorted(answer["AvailabilityZones"]) == ["local-1a", "local-1b"]
    again = await elb.enable_availability_zones_for_load_balancer(
        LoadBalancerName="web", AvailabilityZones=["local-1b"]
    )
    assert again["AvailabilityZones"] == answer["AvailabilityZones"]
    left = await elb.disable_availability_zones_for_load_balancer(
        LoadBalancerName="web", AvailabilityZones=["local-1a", "local-1c"]
    )
    assert left["AvailabilityZones"] == ["local-1b"]
    with pytest.raises(ClientError, match="at least one enabled Availability Zone") as caught:
        await elb.disable_availability_zones_for_load_balancer(LoadBalancerName="web", AvailabilityZones=["local-1b"])
    assert code(caught) == ("InvalidConfigurationRequest", 409)
    assert (await elb.describe("web"))["AvailabilityZones"] == ["local-1b"]
    assert await house.generation("web") == 3


async def test_two_calls_cannot_together_disable_every_zone(house: House, elb: Elb) -> None:
    await elb.create("web", AvailabilityZones=["local-1a", "local-1b"])
    house.shop.hold["web"] = asyncio.Event()
    disable = elb.disable_availability_zones_for_load_balancer
    first = asyncio.create_task(disable(LoadBalancerName="web", AvailabilityZones=["local-1a"]))
    await house.first_open("DisableAvailabilityZone")
    second = asyncio.create_task(disable(LoadBalancerName="web", AvailabilityZones=["local-1b"]))
    await asyncio.sleep(0.2)
    house.shop.hold.pop("web").set()
    assert (await first)["AvailabilityZones"] == ["local-1b"]
    with pytest.raises(ClientError) as caught:
        await second
    assert code(caught) == ("InvalidConfigurationRequest", 409)


async def test_more_instances_than_a_document_can_carry_are_refused_all_together(elb: Elb) -> None:
    await elb.create("web")
    register = elb.register_instances_with_load_balancer
    numbered = [{"InstanceId": f"127.1.{number // 250}.{number % 250}"} for number in range(1001)]
    await register(LoadBalancerName="web", Instances=numbered[:2])
    with pytest.raises(ClientError, match="more than 1000 registered instances") as caught:
        await register(LoadBalancerName="web", Instances=numbered[2:])
    assert code(caught) == ("InvalidConfigurationRequest", 409)
    assert len((await elb.describe("web"))["Instances"]) == 2
    answer = await register(LoadBalancerName="web", Instances=numbered[:1000])
    assert len(answer["Instances"]) == 1000


async def test_instances(house: House, elb: Elb) -> None:
    await elb.create("web")
    await house.start_update()
    await directory(
        house,
        store.Instance(ACCOUNT, "i-0000000a", "10.0.0.10", "local-1a"),
        store.Instance(ACCOUNT, "i-0000000b", "10.0.0.11", "local-1b"),
        store.Instance(ACCOUNT, "i-0000000c", "10.0.0.12", "local-1a", "stopped"),
        store.Instance("210987654321", "i-0000000d", "10.0.0.13", "local-1a"),
    )

    def register(*ids: str) -> Any:
        return elb.register_instances_with_load_balancer(
            LoadBalancerName="web", Instances=[{"InstanceId": one} for one in ids]
        )

    answer = await register("i-0000000a", "127.0.0.9")
    assert answer["Instances"] == [{"InstanceId": "i-0000000a"}, {"InstanceId": "127.0.0.9"}]
    assert (await register("i-0000000a"))["Instances"] == answer["Instances"]
    for ids, expected in {
        ("i-0000000c",): ("InvalidInstance", 400),
        ("i-0000000d",): ("InvalidInstance", 400),
        ("i-0000000e",): ("InvalidInstance", 400),
        ("10.0.0.1", "nonsense"): ("InvalidInstance", 400),
    }.items():
        with pytest.raises(ClientError) as caught:
            await register(*ids)
        assert code(caught) == expected
    health = await elb.describe_instance_health(LoadBalancerName="web")
    assert health["InstanceStates"] == [
        {
            "InstanceId": instance_id,
            "State": "OutOfService",
            "ReasonCode": "ELB",
            "Description": "Instance registration is still in progress.",
        }
        for instance_id in ("i-0000000a", "127.0.0.9")
    ]
    found = await house.load_balancer("web")
    assert found is not None
    assert [(one.address, one.zone) for one in found.backends] == [("10.0.0.10", "local-1a"), ("127.0.0.9", None)]
    left = await elb.deregister_instances_from_load_balancer(
        LoadBalancerName="web", Instances=[{"InstanceId": "i-0000000a"}]
    )
    assert left["Instances"] == [{"InstanceId": "127.0.0.9"}]
    with pytest.raises(ClientError, match="Could not find EC2 instance i-0000000a") as caught:
        await elb.deregister_instances_from_load_balancer(
            LoadBalancerName="web", Instances=[{"InstanceId": "127.0.0.9"}, {"InstanceId": "i-0000000a"}]
        )
    assert code(caught) == ("InvalidInstance", 400)
    assert len((await elb.describe("web"))["Instances"]) == 1
    assert await house.pushed() == [2, 3]


async def test_a_change_that_could_not_reach_the_vms_is_refused_and_changes_nothing(
    house: House, elb: Elb, monkeypatch: pytest.MonkeyPatch
) -> None:
    await elb.create("web")
    monkeypatch.setattr(transportable, "SURE", 0)
    for limit in ("_MOST_ALONE", "MOST_PART"):
        monkeypatch.setattr(transport, limit, 1000)
    monkeypatch.setattr(transport, "MOST_PARTS", 1)
    few, many = ([{"InstanceId": f"10.0.{count}.{last}"} for last in range(count)] for count in (3, 200))
    await elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=few)
    generation = await house.generation("web")
    with pytest.raises(ClientError, match="web has a configuration of") as caught:
        await elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=many)
    assert code(caught) == ("InvalidConfigurationRequest", 409)
    assert len((await elb.describe("web"))["Instances"]) == 3
    assert await house.generation("web") == generation


async def test_problems_of_listeners_are_told_and_change_no_state(house: House, elb: Elb) -> None:
    """In the descriptions of instances' health, and in an element that clients made from AWS's model skip."""
    await elb.create("web", Listeners=[TCP_25, TCP_25 | {"LoadBalancerPort": 26}])
    instances = [{"InstanceId": "10.0.0.1"}, {"InstanceId": "10.0.0.2"}]
    await elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=instances)
    before = await elb.describe("web")
    found = await house.load_balancer("web")
    assert found is not None
    async with house.db.transaction() as tx:
        in_service = store.BackendState.IN_SERVICE
        await tx.backends.set_state(
            found.id, "10.0.0.2", in_service, reason_code="N/A", description="N/A", reported_at=1.0
        )
        for number in range(2):
            vm = store.Vm(f"vm-{number}", "local-1a", "127.0.0.1", store.VmState.IN_SERVICE, 1.0)
            await tx.vms.save(found.id, vm)
            problem = document.ListenerProblem(25, "port is in use by another process")
            logs = document.ListenerProblem(document.WHOLE, "Access logs cannot be stored", is_served=True)
            await tx.vms.set_problems(f"vm-{number}", (logs, problem, document.ListenerProblem(99, "gone")))
    of_all, said = "Access logs cannot be stored.", "Listener 25 is not served: port is in use by another process."
    health = await elb.describe_instance_health(LoadBalancerName="web")
    assert [tuple(one.values()) for one in health["InstanceStates"]] == [
        ("10.0.0.1", "OutOfService", "ELB", f"Instance registration is still in progress. {of_all} {said}"),
        ("10.0.0.2", "InService", "N/A", f"{of_all} {said}"),
    ]
    seen: list[bytes] = []
    elb.boto.meta.events.register("after-call.elb", lambda http_response, **_: seen.append(http_response.content))
    assert await elb.describe("web") == before
    told = re.findall(r"<Problems>(.*?)</Problems>", seen[-1].decode())
    assert told == [f"<member>{each}</member>" for each in (said, of_all)]


async def test_health_of_some_instances(house: House, elb: Elb) -> None:
    await elb.create("web")
    await elb.register_instances_with_load_balancer(
        LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.1"}, {"InstanceId": "10.0.0.2"}]
    )
    found = await house.load_balancer("web")
    assert found is not None
    async with house.db.transaction() as tx:
        await tx.backends.set_state(
            found.id, "10.0.0.2", store.BackendState.IN_SERVICE, reason_code="", description="", reported_at=1.0
        )
    health = await elb.describe_instance_health(LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.2"}])
    assert health["InstanceStates"] == [
        {"InstanceId": "10.0.0.2", "State": "InService", "ReasonCode": "N/A", "Description": "N/A"}
    ]
    foreign = await elb.describe_instance_health(LoadBalancerName="web", Instances=[{"InstanceId": "10.0.0.3"}])
    assert foreign["InstanceStates"] == [
        {
            "InstanceId": "10.0.0.3",
            "State": "OutOfService",
            "ReasonCode": "Instance",
            "Description": "Instance is not currently registered with the LoadBalancer.",
        }
    ]
    with pytest.raises(ClientError) as caught:
        await elb.describe_instance_health(LoadBalancerName="web", Instances=[{"InstanceId": "i-0000000f"}])
    assert code(caught) == ("InvalidInstance", 400)


async def test_health_check(house: House, elb: Elb) -> None:
    await elb.create("web")
    await house.start_update()
    check = {"Target": "http:08000/ping", "Interval": 7, "Timeout": 3, "UnhealthyThreshold": 2, "HealthyThreshold": 4}
    for _ in range(2):
        answer = await elb.configure_health_check(LoadBalancerName="web", HealthCheck=check)
        assert answer["HealthCheck"] == check | {"Target": "HTTP:8000/ping"}
    assert (await elb.describe("web"))["HealthCheck"] == answer["HealthCheck"]
    assert await house.pushed() == [2]


async def test_cookie_policies(house: House, elb: Elb) -> None:
    await elb.create("web", Listeners=[TCP_25, {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}])
    await house.start_update()
    await elb.create_lb_cookie_stickiness_policy(LoadBalancerName="web", PolicyName="hour", CookieExpirationPeriod=3600)
    await elb.create_lb_cookie_stickiness_policy(LoadBalancerName="web", PolicyName="session")
    with pytest.raises(ClientError) as caught:
        await elb.create_lb_cookie_stickiness_policy(LoadBalancerName="web", PolicyName="hour")
    assert code(caught) == ("DuplicatePolicyName", 400)
    assert await house.pushed() == []

    def attach(port: int, *policies: str) -> Any:
        return elb.set_load_balancer_policies_of_listener(
            LoadBalancerName="web", LoadBalancerPort=port, PolicyNames=list(policies)
        )

    await attach(80, "hour")
    await attach(80, "session")
    await attach(80, "session")
    shown = await elb.describe("web")
    assert shown["Policies"]["LBCookieStickinessPolicies"] == [
        {"PolicyName": "hour", "CookieExpirationPeriod": 3600},
        {"PolicyName": "session"},
    ]
    assert [one["PolicyNames"] for one in shown["ListenerDescriptions"]] == [[], ["session"]]
    for port, policies, expected in (
        (80, ("none",), ("PolicyNotFound", 400)),
        (81, ("hour",), ("ListenerNotFound", 400)),
        (25, ("hour",), ("InvalidConfigurationRequest", 409)),
        (80, ("hour", "session"), ("InvalidConfigurationRequest", 409)),
    ):
        with pytest.raises(ClientError) as caught:
            await attach(port, *policies)
        assert code(caught) == expected
    await attach(80)
    assert [one["PolicyNames"] for one in (await elb.describe("web"))["ListenerDescriptions"]] == [[], []]
    assert await house.pushed() == [2, 3, 4]


async def test_attributes(house: House, elb: Elb) -> None:
    await elb.create("web")
    defaults = {
        "CrossZoneLoadBalancing": {"Enabled": False},
        "AccessLog": {"Enabled": False},
        "ConnectionDraining": {"Enabled": False, "Timeout": 300},
        "ConnectionSettings": {"IdleTimeout": 60},
        "AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "defensive"}],
    }
    shown = await elb.describe_load_balancer_attributes(LoadBalancerName="web")
    assert shown["LoadBalancerAttributes"] == defaults
    wanted = {"ConnectionSettings": {"IdleTimeout": 4000}, "CrossZoneLoadBalancing": {"Enabled": True}}
    answer = await elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=wanted)
    assert answer["LoadBalancerName"] == "web"
    draining = {"ConnectionDraining": {"Enabled": True, "Timeout": 20}}
    await elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=draining)
    shown = await elb.describe_load_balancer_attributes(LoadBalancerName="web")
    assert shown["LoadBalancerAttributes"] == defaults | wanted | draining
    before = await house.generation("web")
    await elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes=draining)
    assert await house.generation("web") == before


async def test_changes_of_attributes_at_the_same_time_do_not_undo_each_other(house: House, elb: Elb) -> None:
    await elb.create("web")
    house.shop.hold["web"] = asyncio.Event()
    modify = elb.modify_load_balancer_attributes
    first = asyncio.create_task(
        modify(LoadBalancerName="web", LoadBalancerAttributes={"ConnectionSettings": {"IdleTimeout": 5}})
    )
    await house.first_open("ModifyLoadBalancerAttributes")
    second = asyncio.create_task(
        modify(LoadBalancerName="web", LoadBalancerAttributes={"CrossZoneLoadBalancing": {"Enabled": True}})
    )
    await asyncio.sleep(0.2)
    house.shop.hold.pop("web").set()
    await asyncio.gather(first, second)
    found = await house.load_balancer("web")
    assert found is not None
    assert (found.attributes.idle_timeout_s, found.attributes.cross_zone) == (5, True)


async def test_names_in_another_case_mean_the_same_load_balancer(house: House, elb: Elb) -> None:
    await elb.create("Web")
    await elb.create_load_balancer_listeners(LoadBalancerName="wEB", Listeners=[TCP_25])
    closed = await house.swf.list_closed_workflow_executions(names.DOMAIN, tag="loadbalancer:Web")
    assert workflows.CREATE_LISTENERS.name in {info.workflow_type.name for info in closed}
    await elb.delete_load_balancer(LoadBalancerName="WEB")
    assert await house.load_balancer("web") is None
