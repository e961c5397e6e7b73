"""Load balancers of the aws cloud, as boto3 sees them, with moto in AWS's place."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.aws.conftest import REGION, Network
from tests.integration.api.conftest import ACCOUNT, OTHER_KEY, Elb, House, code

NOT_THERE = "0123456789abcdef0"


async def create(elb: Elb, **more: Any) -> Any:
    listeners = [{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}]
    return await elb.create_load_balancer(LoadBalancerName="web", **({"Listeners": listeners} | more))


async def refusal(elb: Elb, operation: str, **given: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await getattr(elb, operation)(LoadBalancerName="web", **given)
    return code(caught)[0]


def instance_ids(*ids: str) -> list[dict[str, str]]:
    return [{"InstanceId": one} for one in ids]


async def test_in_subnets(house: House, elb: Elb, network: Network) -> None:
    subnets, groups = network.subnets, network.groups
    await create(elb, Subnets=[subnets["a"], subnets["b"]], SecurityGroups=[groups["web"]])
    shown = await elb.describe("web")
    assert shown["VPCId"] == network.home
    assert shown["Subnets"] == [subnets["a"], subnets["b"]]
    assert shown["AvailabilityZones"] == [f"{REGION}a", f"{REGION}b"]
    assert shown["SourceSecurityGroup"] == {"OwnerAlias": ACCOUNT, "GroupName": "web"}

    applied = await elb.apply_security_groups_to_load_balancer(LoadBalancerName="web", SecurityGroups=[groups["db"]])
    assert applied["SecurityGroups"] == [groups["db"]]
    apply = "apply_security_groups_to_load_balancer"
    assert await refusal(elb, apply, SecurityGroups=[f"sg-{NOT_THERE}"]) == "InvalidSecurityGroup"
    assert await refusal(elb, apply, SecurityGroups=[groups["island"]]) == "InvalidConfigurationRequest"

    await elb.detach_load_balancer_from_subnets(LoadBalancerName="web", Subnets=[subnets["a"]])
    attached = await elb.attach_load_balancer_to_subnets(LoadBalancerName="web", Subnets=[subnets["a2"]])
    assert sorted(attached["Subnets"]) == sorted([subnets["a2"], subnets["b"]])
    attach = "attach_load_balancer_to_subnets"
    assert await refusal(elb, attach, Subnets=[f"subnet-{NOT_THERE}"]) == "SubnetNotFound"
    assert await refusal(elb, attach, Subnets=[subnets["island"]]) == "InvalidConfigurationRequest"


async def test_what_cannot_be_created(house: House, elb: Elb, network: Network) -> None:
    subnets, groups = network.subnets, network.groups
    secure = [
        {
            "Protocol": "HTTPS",
            "LoadBalancerPort": 443,
            "InstancePort": 80,
            "SSLCertificateId": network.certificate + "x",
        }
    ]
    for given, expected in (
        ({"Subnets": [f"subnet-{NOT_THERE}"]}, "SubnetNotFound"),
        ({"Subnets": ["subnet-*"]}, "SubnetNotFound"),
        ({"Subnets": [subnets["a"], subnets["a2"]]}, "InvalidConfigurationRequest"),
        ({"Subnets": [subnets["a"], subnets["island"]]}, "InvalidConfigurationRequest"),
        ({"Subnets": [subnets["island"]]}, "InvalidSubnet"),
        ({"Subnets": [subnets["a"]], "SecurityGroups": [f"sg-{NOT_THERE}"]}, "InvalidSecurityGroup"),
        ({"Subnets": [subnets["a"]], "SecurityGroups": [groups["island"]]}, "InvalidConfigurationRequest"),
        ({"AvailabilityZones": ["local-1a"]}, "ValidationError"),
        ({"Subnets": [subnets["a"]], "Listeners": secure}, "CertificateNotFound"),
    ):
        assert await refusal(elb, "create_load_balancer", **({"Listeners": _HTTP} | given)) == expected, given
    assert await house.load_balancer("web") is None
    others = Elb(elb.url, OTHER_KEY.access_key_id, OTHER_KEY.secret_access_key)
    assert await refusal(others, "create_load_balancer", Listeners=_HTTP, Subnets=[subnets["a"]]) == "SubnetNotFound"


_HTTP = [{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}]


async def test_in_the_default_vpc(house: House, elb: Elb, network: Network) -> None:
    await create(elb, AvailabilityZones=[f"{REGION}a"], Scheme="internal")
    enabled = await elb.enable_availability_zones_for_load_balancer(
        LoadBalancerName="web", AvailabilityZones=[f"{REGION}b"]
    )
    assert sorted(enabled["AvailabilityZones"]) == [f"{REGION}a", f"{REGION}b"]
    shown = await elb.describe("web")
    assert shown["VPCId"] == network.default
    assert len(shown["Subnets"]) == 2


async def test_instances(house: House, elb: Elb, network: Network) -> None:
    there = network.instances
    await create(elb, Subnets=[network.subnets["a"]])
    answer = await elb.register_instances_with_load_balancer(LoadBalancerName="web", Instances=instance_ids(there["a"]))
    assert answer["Instances"] == instance_ids(there["a"])
    found = await house.load_balancer("web")
    assert found is not None
    (backend,) = found.backends
    assert backend.address.startswith("10.1.1.")
    assert backend.zone == f"{REGION}a"
    register = "register_instances_with_load_balancer"
    for instance_id, expected in (
        (f"i-{NOT_THERE}", "InvalidInstance"),
        (there["stopped"], "InvalidInstance"),
        (there["island"], "InvalidInstance"),
        ("10.1.1.9", "InvalidInstance"),
    ):
        assert await refusal(elb, register, Instances=instance_ids(instance_id)) == expected, instance_id
    health = await elb.describe_instance_health(LoadBalancerName="web", Instances=instance_ids(there["b"]))
    assert [one["State"] for one in health["InstanceStates"]] == ["OutOfService"]
    assert await refusal(elb, "describe_instance_health", Instances=instance_ids(f"i-{NOT_THERE}")) == "InvalidInstance"


async def test_certificates_and_log_buckets(house: House, elb: Elb, network: Network) -> None:
    listeners = [
        {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 80, "SSLCertificateId": network.certificate}
    ]
    await create(elb, Subnets=[network.subnets["a"]], Listeners=listeners)
    change = "set_load_balancer_listener_ssl_certificate"
    wrong = {"LoadBalancerPort": 443, "SSLCertificateId": network.certificate + "x"}
    assert await refusal(elb, change, **wrong) == "CertificateNotFound"
    same = wrong | {"SSLCertificateId": network.certificate}
    await elb.set_load_balancer_listener_ssl_certificate(LoadBalancerName="web", **same)
    log = {"Enabled": True, "S3BucketName": "the-logs", "EmitInterval": 5}
    await elb.modify_load_balancer_attributes(LoadBalancerName="web", LoadBalancerAttributes={"AccessLog": log})
    wrong_log = {"AccessLog": log | {"S3BucketName": "no-logs"}}
    modify = "modify_load_balancer_attributes"
    assert await refusal(elb, modify, LoadBalancerAttributes=wrong_log) == "InvalidConfigurationRequest"
