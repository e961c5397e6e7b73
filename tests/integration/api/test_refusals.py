"""Bad input gets the code and status that AWS's tools know, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import House, code

GOOD = {
    "LoadBalancerName": "new",
    "AvailabilityZones": ["local-1a"],
    "Listeners": [{"Protocol": "HTTP", "LoadBalancerPort": 81, "InstancePort": 8000}],
}
HTTPS = {
    "Protocol": "HTTPS",
    "LoadBalancerPort": 443,
    "InstancePort": 8000,
    "SSLCertificateId": "arn:aws:iam::123456789012:server-certificate/shop",
}
TAG = {"Tags": [{"Key": "team"}]}
CHECK = {"Target": "HTTP:80/", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 2}


def create(**changes: Any) -> tuple[str, dict[str, Any]]:
    return "create_load_balancer", GOOD | changes


def check(**changes: Any) -> tuple[str, dict[str, Any]]:
    return "configure_health_check", {"LoadBalancerName": "web", "HealthCheck": CHECK | changes}


def attributes(**given: Any) -> tuple[str, dict[str, Any]]:
    return "modify_load_balancer_attributes", {"LoadBalancerName": "web", "LoadBalancerAttributes": given}


def policy(**given: Any) -> tuple[str, dict[str, Any]]:
    return "create_lb_cookie_stickiness_policy", {"LoadBalancerName": "web", "PolicyName": "p"} | given


REFUSED: list[tuple[tuple[str, dict[str, Any]], tuple[str, int]]] = [
    (create(LoadBalancerName="a_b"), ("ValidationError", 400)),
    (create(LoadBalancerName="x" * 33), ("ValidationError", 400)),
    (create(Listeners=[]), ("ValidationError", 400)),
    (create(AvailabilityZones=[]), ("ValidationError", 400)),
    (create(AvailabilityZones=["mars-1a"]), ("ValidationError", 400)),
    (create(Scheme="internal"), ("InvalidScheme", 400)),
    (create(Subnets=["subnet-1"]), ("ValidationError", 400)),
    (create(Subnets=["subnet-1"], AvailabilityZones=[]), ("SubnetNotFound", 400)),
    (create(SecurityGroups=["sg-1"]), ("InvalidConfigurationRequest", 409)),
    (create(Listeners=[HTTPS]), ("CertificateNotFound", 400)),
    (create(Listeners=[{**GOOD["Listeners"][0], "LoadBalancerPort": 22}]), ("ValidationError", 400)),  # type: ignore[dict-item]
    (create(Listeners=[{**GOOD["Listeners"][0], "InstanceProtocol": "TCP"}]), ("ValidationError", 400)),  # type: ignore[dict-item]
    (create(Listeners=[{**GOOD["Listeners"][0], "Protocol": "GOPHER"}]), ("UnsupportedProtocol", 400)),  # type: ignore[dict-item]
    (create(Tags=[{"Key": "a"}, {"Key": "a"}]), ("DuplicateTagKeys", 400)),
    (create(Tags=[{"Key": f"k{n}"} for n in range(51)]), ("TooManyTags", 400)),
    (create(Tags=[{"Key": "aws:mine"}]), ("InvalidConfigurationRequest", 409)),
    (check(Target="HTTP:80"), ("ValidationError", 400)),
    (check(Target="HTTP:80/a\r\nX: y"), ("ValidationError", 400)),
    (check(Target="UDP:53"), ("ValidationError", 400)),
    (check(Interval=301), ("ValidationError", 400)),
    (check(Interval=5, Timeout=5), ("ValidationError", 400)),
    (check(UnhealthyThreshold=1), ("ValidationError", 400)),
    (attributes(ConnectionSettings={"IdleTimeout": 4001}), ("ValidationError", 400)),
    (attributes(ConnectionSettings={"IdleTimeout": 0}), ("ValidationError", 400)),
    (attributes(ConnectionDraining={"Enabled": True, "Timeout": 0}), ("ValidationError", 400)),
    (attributes(ConnectionDraining={"Enabled": True, "Timeout": 3601}), ("ValidationError", 400)),
    (attributes(AccessLog={"Enabled": True, "S3BucketName": "b"}), ("InvalidConfigurationRequest", 409)),
    (attributes(AdditionalAttributes=[{"Key": "x", "Value": "y"}]), ("LoadBalancerAttributeNotFound", 400)),
    (
        attributes(AdditionalAttributes=[{"Key": "elb.http.desyncmitigationmode", "Value": "lax"}]),
        ("InvalidConfigurationRequest", 409),
    ),
    (attributes(), ("ValidationError", 400)),
    (policy(PolicyName="p\nq"), ("ValidationError", 400)),
    (policy(CookieExpirationPeriod=0), ("ValidationError", 400)),
    (policy(CookieExpirationPeriod=-1), ("ValidationError", 400)),
    (policy(CookieExpirationPeriod=2**40), ("ValidationError", 400)),
    (("describe_load_balancers", {"PageSize": 401}), ("ValidationError", 400)),
    (("describe_account_limits", {"PageSize": 401}), ("ValidationError", 400)),
    (("describe_account_limits", {"Marker": "b3RoZXI="}), ("ValidationError", 400)),
    (attributes(AccessLog={"Enabled": True}), ("InvalidConfigurationRequest", 409)),
    (
        attributes(AccessLog={"Enabled": True, "S3BucketName": "logs", "EmitInterval": 10}),
        ("InvalidConfigurationRequest", 409),
    ),
    (attributes(AdditionalAttributes=[{"Value": "y"}]), ("LoadBalancerAttributeNotFound", 400)),
    (("add_tags", {"LoadBalancerNames": ["web", "new"], "Tags": [{"Key": "a"}]}), ("ValidationError", 400)),
    (("add_tags", {"LoadBalancerNames": [], "Tags": [{"Key": "a"}]}), ("ValidationError", 400)),
    (("add_tags", {"LoadBalancerNames": ["web"], "Tags": []}), ("ValidationError", 400)),
    (("add_tags", {"LoadBalancerNames": ["web"], "Tags": [{"Key": "a"}, {"Key": "a"}]}), ("DuplicateTagKeys", 400)),
    (
        ("add_tags", {"LoadBalancerNames": ["web"], "Tags": [{"Key": f"k{n}"} for n in range(51)]}),
        ("TooManyTags", 400),
    ),
    (
        ("add_tags", {"LoadBalancerNames": ["web"], "Tags": [{"Key": "aws:x"}]}),
        ("InvalidConfigurationRequest", 409),
    ),
    (
        ("remove_tags", {"LoadBalancerNames": ["web"], "Tags": [{"Key": "aws:x"}]}),
        ("InvalidConfigurationRequest", 409),
    ),
    (("remove_tags", {"LoadBalancerNames": ["web"], "Tags": []}), ("ValidationError", 400)),
    (
        ("attach_load_balancer_to_subnets", {"LoadBalancerName": "web", "Subnets": ["subnet-1"]}),
        ("InvalidConfigurationRequest", 409),
    ),
    (("attach_load_balancer_to_subnets", {"LoadBalancerName": "web", "Subnets": []}), ("ValidationError", 400)),
    (
        ("detach_load_balancer_from_subnets", {"LoadBalancerName": "web", "Subnets": ["subnet-1"]}),
        ("InvalidConfigurationRequest", 409),
    ),
    (
        ("apply_security_groups_to_load_balancer", {"LoadBalancerName": "web", "SecurityGroups": ["sg-1"]}),
        ("InvalidConfigurationRequest", 409),
    ),
    (
        (
            "enable_availability_zones_for_load_balancer",
            {"LoadBalancerName": "web", "AvailabilityZones": ["mars-1a"]},
        ),
        ("ValidationError", 400),
    ),
    (
        ("enable_availability_zones_for_load_balancer", {"LoadBalancerName": "web", "AvailabilityZones": []}),
        ("ValidationError", 400),
    ),
    (
        ("create_app_cookie_stickiness_policy", {"LoadBalancerName": "web", "PolicyName": "p", "CookieName": "c\nd"}),
        ("InvalidConfigurationRequest", 409),
    ),
    (
        ("create_load_balancer_policy", {"LoadBalancerName": "web", "PolicyName": "p q", "PolicyTypeName": "x"}),
        ("ValidationError", 400),
    ),
]

ON_UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("apply_security_groups_to_load_balancer", {"SecurityGroups": ["sg-1"]}),
    ("attach_load_balancer_to_subnets", {"Subnets": ["subnet-1"]}),
    ("detach_load_balancer_from_subnets", {"Subnets": ["subnet-1"]}),
    ("configure_health_check", {"HealthCheck": CHECK}),
    ("create_app_cookie_stickiness_policy", {"PolicyName": "p", "CookieName": "c"}),
    ("create_lb_cookie_stickiness_policy", {"PolicyName": "p"}),
    ("create_load_balancer_policy", {"PolicyName": "p", "PolicyTypeName": "ProxyProtocolPolicyType"}),
    ("delete_load_balancer_policy", {"PolicyName": "p"}),
    ("describe_load_balancer_policies", {}),
    ("set_load_balancer_listener_ssl_certificate", {"LoadBalancerPort": 443, "SSLCertificateId": "arn"}),
    ("set_load_balancer_policies_for_backend_server", {"InstancePort": 80, "PolicyNames": []}),
    ("create_load_balancer_listeners", {"Listeners": GOOD["Listeners"]}),
    ("delete_load_balancer_listeners", {"LoadBalancerPorts": [80]}),
    ("deregister_instances_from_load_balancer", {"Instances": [{"InstanceId": "10.0.0.1"}]}),
    ("describe_instance_health", {}),
    ("describe_load_balancer_attributes", {}),
    ("disable_availability_zones_for_load_balancer", {"AvailabilityZones": ["local-1a"]}),
    ("enable_availability_zones_for_load_balancer", {"AvailabilityZones": ["local-1a"]}),
    ("modify_load_balancer_attributes", {"LoadBalancerAttributes": {"ConnectionSettings": {"IdleTimeout": 5}}}),
    ("register_instances_with_load_balancer", {"Instances": [{"InstanceId": "10.0.0.1"}]}),
    ("set_load_balancer_policies_of_listener", {"LoadBalancerPort": 80, "PolicyNames": []}),
]


async def test_bad_input(house: House) -> None:
    elb = house.elb
    await elb.create("web")
    before = await house.load_balancer("web")
    for (operation, given), expected in REFUSED:
        with pytest.raises(ClientError) as caught:
            await getattr(elb, operation)(**given)
        assert code(caught) == expected, (operation, given)
    assert await house.load_balancer("web") == before
    assert await house.load_balancer("new") is None
    assert await house.rows() == 0


async def test_every_operation_on_an_unknown_load_balancer(house: House) -> None:
    for operation, given in ON_UNKNOWN:
        with pytest.raises(ClientError, match="There is no ACTIVE Load Balancer named 'none'") as caught:
            await getattr(house.elb, operation)(LoadBalancerName="none", **given)
        assert code(caught) == ("LoadBalancerNotFound", 400), operation
    for operation, given in (("describe_tags", {}), ("add_tags", TAG), ("remove_tags", TAG)):
        with pytest.raises(ClientError) as caught:
            await getattr(house.elb, operation)(LoadBalancerNames=["none"], **given)
        assert code(caught) == ("LoadBalancerNotFound", 400), operation
