"""Load balancers in a VPC: where they live, their subnets and security groups."""

from __future__ import annotations

from typing import Any

from tests.integration.api.golden.table import (
    HTTP_80,
    NONE,
    NOT_FOUND,
    WEB,
    Call,
    Refused,
    Row,
    conflict,
    on_web,
    shows_web,
    web,
)

A, A2, B, C = "subnet-0000000a", "subnet-000000a2", "subnet-0000000b", "subnet-0000000c"
DEFAULT, FRONT, BACK = "sg-00000001", "sg-00000002", "sg-00000003"
VPC = {
    "vpc_id": "vpc-00000001",
    "subnets": {A: "local-1a", A2: "local-1a", B: "local-1b", C: "local-1c"},
    "security_groups": {DEFAULT: "default", FRONT: "front", BACK: "back"},
}
"""What the stage declares."""

SAME_ZONE = "cannot be attached to multiple subnets in the same AZ"
"""Terraform repeats its call when it reads this."""


def inside(**changes: Any) -> Call:
    """The creation of a load balancer in a subnet."""
    return Call("CreateLoadBalancer", WEB | {"Listeners": [HTTP_80], "Subnets": [A]} | changes)


CREATE = [
    Row(
        inside(SecurityGroups=[FRONT]),
        {"DNSName": "web-{account}.lb.elbflow.internal"},
        sees=(
            shows_web("[Subnets, AvailabilityZones, SecurityGroups]", [[A], ["local-1a"], [FRONT]]),
            shows_web("[VPCId, Scheme]", ["vpc-00000001", "internet-facing"]),
            shows_web("SourceSecurityGroup", {"OwnerAlias": "{account}", "GroupName": "front"}),
        ),
    ),
    Row(
        inside(Scheme="internal", Subnets=[A, B]),
        {"DNSName": "internal-web-{account}.lb.elbflow.internal"},
        sees=(
            shows_web("[Scheme, SecurityGroups, CanonicalHostedZoneName]", ["internal", [DEFAULT], None]),
            shows_web("sort(Subnets)", [A, B]),
        ),
    ),
    Row(inside(Subnets=[A, "subnet-99999999"]), Refused("SubnetNotFound", says="subnet-99999999")),
    Row(inside(Subnets=[A, A2]), conflict(SAME_ZONE)),
    Row(inside(SecurityGroups=["sg-99999999"]), Refused("InvalidSecurityGroup", says="do not exist")),
    Row(inside(SecurityGroups=[f"sg-0000000{n}" for n in range(6)]), conflict("5 security groups")),
    Row(inside(Scheme="outwards"), Refused("InvalidScheme")),
    Row(inside(AvailabilityZones=["local-1a"]), Refused("ValidationError", says="Only one of SubnetIds")),
    Row(web(Scheme="internal"), Refused("InvalidScheme", says="load balancers in a VPC")),
    Row(web(SecurityGroups=[FRONT]), conflict("in a VPC")),
    Row(inside(Scheme="internal"), Refused("DuplicateLoadBalancerName"), after=(inside(),)),
]


def _attach(*subnets: str) -> Call:
    return on_web("AttachLoadBalancerToSubnets", Subnets=list(subnets))


def _detach(*subnets: str) -> Call:
    return on_web("DetachLoadBalancerFromSubnets", Subnets=list(subnets))


SUBNETS = [
    Row(
        _attach(B),
        {"Subnets": [A, B]},
        after=(inside(),),
        sees=(shows_web("AvailabilityZones", ["local-1a", "local-1b"]),),
    ),
    Row(_attach(A), {"Subnets": [A]}, after=(inside(),)),
    Row(_attach(A2), conflict(SAME_ZONE), after=(inside(),)),
    Row(_attach("subnet-99999999"), Refused("SubnetNotFound"), after=(inside(),)),
    Row(_attach(B), conflict("in a VPC"), after=(web(),)),
    Row(_attach(), Refused("ValidationError"), after=(inside(),)),
    Row(Call("AttachLoadBalancerToSubnets", NONE | {"Subnets": [A]}), NOT_FOUND),
    Row(
        _detach(A),
        {"Subnets": [B]},
        after=(inside(Subnets=[A, B]),),
        sees=(shows_web("AvailabilityZones", ["local-1b"]),),
    ),
    Row(_detach(C), {"Subnets": [A]}, after=(inside(),)),
    Row(_detach(A), conflict("at least one subnet"), after=(inside(),)),
    Row(_detach(A), conflict("in a VPC"), after=(web(),)),
    Row(Call("DetachLoadBalancerFromSubnets", NONE | {"Subnets": [A]}), NOT_FOUND),
]


def _apply(*groups: str) -> Call:
    return on_web("ApplySecurityGroupsToLoadBalancer", SecurityGroups=list(groups))


GROUPS = [
    Row(
        _apply(BACK, FRONT),
        {"SecurityGroups": [FRONT, BACK]},
        after=(inside(),),
        sees=(shows_web("SecurityGroups", [FRONT, BACK]),),
    ),
    Row(_apply(DEFAULT), {"SecurityGroups": [DEFAULT]}, after=(inside(),)),
    Row(_apply(FRONT, "sg-99999999"), Refused("InvalidSecurityGroup"), after=(inside(),)),
    Row(_apply(*(f"sg-0000000{n}" for n in range(6))), conflict("5 security groups"), after=(inside(),)),
    Row(_apply(FRONT), conflict("in a VPC"), after=(web(),)),
    Row(_apply(), Refused("ValidationError"), after=(inside(),)),
    Row(Call("ApplySecurityGroupsToLoadBalancer", NONE | {"SecurityGroups": [FRONT]}), NOT_FOUND),
]

ZONES = [
    Row(on_web(f"{kind}AvailabilityZonesForLoadBalancer", AvailabilityZones=zones), expected, after=(inside(),))
    for kind in ("Enable", "Disable")
    for zones, expected in ((["local-1b"], conflict("subnets")), ([], Refused("ValidationError")))
]

ROWS = [*CREATE, *SUBNETS, *GROUPS, *ZONES]
