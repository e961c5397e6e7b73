"""Rows that presuppose another cloud or other settings than the usual stage has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.integration.api.golden.changes import BUCKET, DEFAULTS
from tests.integration.api.golden.in_vpc import VPC, A, B, inside
from tests.integration.api.golden.table import Call, Refused, Row, ids, on_web, shows_web, web


@dataclass(frozen=True, slots=True)
class Stage:
    """Settings, and the rows to play with them."""

    settings: Mapping[str, Any]
    rows: list[Row]


_LOGS = {"Enabled": True, "S3BucketName": BUCKET, "EmitInterval": 7, "S3BucketPrefix": ""}
_NAME = {"DNSName": "web-{account}.lb.elbflow.internal"}

ORIGINAL: Mapping[str, list[Row]] = {
    "compatibility_default_health_check": [
        Row(
            web(),
            _NAME,
            sees=(shows_web("HealthCheck.[HealthyThreshold, UnhealthyThreshold]", [3, 3]),),
        ),
    ],
    "compatibility_zones_beside_subnets": [
        Row(inside(AvailabilityZones=["local-1a"]), _NAME, sees=(shows_web("Subnets", [A]),)),
        Row(inside(AvailabilityZones=["local-1b"]), Refused("InvalidConfigurationRequest", 409)),
    ],
    "compatibility_access_log_intervals": [
        Row(
            on_web("ModifyLoadBalancerAttributes", LoadBalancerAttributes={"AccessLog": _LOGS}),
            {"LoadBalancerName": "web", "LoadBalancerAttributes": DEFAULTS | {"AccessLog": _LOGS}},
            after=(web(),),
        ),
    ],
    "compatibility_all_attributes_answered": [
        Row(
            on_web("ModifyLoadBalancerAttributes", LoadBalancerAttributes={"ConnectionSettings": {"IdleTimeout": 9}}),
            {
                "LoadBalancerName": "web",
                "LoadBalancerAttributes": DEFAULTS | {"ConnectionSettings": {"IdleTimeout": 9}},
            },
            after=(web(),),
        ),
    ],
    "compatibility_unknown_names_skipped": [
        Row(Call("DescribeLoadBalancers", {"LoadBalancerNames": ["none"]}), {"LoadBalancerDescriptions": []}),
        Row(Call("DescribeTags", {"LoadBalancerNames": ["none"]}), {"TagDescriptions": []}),
        Row(
            on_web("DescribeInstanceHealth", Instances=ids("i-000000ff", "10.9.9.9")),
            {"InstanceStates": []},
            after=(web(),),
        ),
    ],
    "compatibility_other_zones_refused": [
        Row(
            on_web("RegisterInstancesWithLoadBalancer", Instances=ids("i-000000b1")),
            Refused("InvalidConfigurationRequest", 409, says="local-1b"),
            after=(web(),),
        ),
    ],
    "compatibility_unknown_policies_ignored": [
        Row(on_web("DescribeLoadBalancerPolicies", PolicyNames=["none"]), {"PolicyDescriptions": []}, after=(web(),)),
        Row(
            Call("DescribeLoadBalancerPolicyTypes", {"PolicyTypeNames": ["none"]}),
            {"PolicyTypeDescriptions": []},
        ),
    ],
}
"""What clients of the original get back, by the setting."""

OWN_TESTS: Mapping[str, str] = {
    "compatibility_create_denied_as_internal_failure": "tests/integration/api/test_authorisation.py",
    "compatibility_error_state": "tests/integration/api/test_tags_and_limits.py",
    "compatibility_original_downloads": "tests/integration/api/iam/test_downloads.py",
}
"""Where settings are tested whose effect needs more than requests."""

LIKE_AWS: Mapping[str, Stage] = {
    "without an internet gateway": Stage(
        {"vpc": VPC | {"internet_gateway": False}},
        [
            Row(inside(), Refused("InvalidSubnet", says="internet gateway")),
            Row(inside(Scheme="internal"), {"DNSName": "internal-web-{account}.lb.elbflow.internal"}),
        ],
    ),
    "default VPC": Stage(
        {"vpc": VPC | {"default": True}},
        [
            Row(web(), _NAME, sees=(shows_web("[VPCId, Subnets]", ["vpc-00000001", [A]]),)),
            Row(web(Scheme="internal"), {"DNSName": "internal-web-{account}.lb.elbflow.internal"}),
            Row(
                on_web("EnableAvailabilityZonesForLoadBalancer", AvailabilityZones=["local-1b"]),
                {"AvailabilityZones": ["local-1a", "local-1b"]},
                after=(web(),),
                sees=(shows_web("Subnets", [A, B]),),
            ),
            Row(
                on_web("DisableAvailabilityZonesForLoadBalancer", AvailabilityZones=["local-1a"]),
                {"AvailabilityZones": ["local-1b"]},
                after=(web(AvailabilityZones=["local-1a", "local-1b"]),),
                sees=(shows_web("Subnets", [B]),),
            ),
        ],
    ),
}

STAGES: Mapping[str, Stage] = {
    "original": Stage(dict.fromkeys(ORIGINAL, True), [row for some in ORIGINAL.values() for row in some]),
    **LIKE_AWS,
}
