"""Changes of a load balancer: listeners, zones, instances, health checks, attributes."""

from __future__ import annotations

from typing import Any

from tests.integration.api.golden.table import (
    BY_DNS_NAME,
    HTTP_80,
    INVALID,
    NONE,
    NOT_FOUND,
    TCP_25,
    Call,
    Refused,
    Row,
    Seen,
    conflict,
    ids,
    on_web,
    shows_web,
    web,
)

PORTS = "ListenerDescriptions[].Listener.LoadBalancerPort"
CHECK = {"Target": "HTTP:8000/ping", "Interval": 7, "Timeout": 3, "UnhealthyThreshold": 2, "HealthyThreshold": 4}
OTHER_ZONE = "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route traffic to."
DEFAULTS = {
    "CrossZoneLoadBalancing": {"Enabled": False},
    "AccessLog": {"Enabled": False},
    "ConnectionDraining": {"Enabled": False, "Timeout": 300},
    "ConnectionSettings": {"IdleTimeout": 60},
    "AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "defensive"}],
}
STARTING = {
    "State": "OutOfService",
    "ReasonCode": "ELB",
    "Description": "Instance registration is still in progress.",
}
UNREGISTERED = {
    "State": "OutOfService",
    "ReasonCode": "Instance",
    "Description": "Instance is not currently registered with the LoadBalancer.",
}
ATTRIBUTES = on_web("DescribeLoadBalancerAttributes")
BUCKET = "golden-logs"
"""A bucket that the stage declares."""


def _add(*listeners: dict[str, Any]) -> Call:
    return on_web("CreateLoadBalancerListeners", Listeners=list(listeners))


LISTENERS = [
    Row(_add(TCP_25), {}, after=(web(),), sees=(shows_web(PORTS, [25, 80]),)),
    Row(_add(HTTP_80), {}, after=(web(),), sees=(shows_web(PORTS, [80]),)),
    Row(
        _add(TCP_25, HTTP_80 | {"InstancePort": 1}),
        Refused("DuplicateListener", says="but with a different InstancePort, Protocol, or SSLCertificateId"),
        after=(web(),),
    ),
    Row(_add(TCP_25 | {"Protocol": "UDP"}), Refused("UnsupportedProtocol"), after=(web(),)),
    Row(_add(TCP_25 | {"InstanceProtocol": "HTTP"}), INVALID, after=(web(),)),
    Row(_add(), INVALID, after=(web(),)),
    Row(
        _add(TCP_25 | {"Protocol": "SSL", "SSLCertificateId": "arn:aws:iam::none"}),
        Refused("CertificateNotFound", says="Server Certificate not found for the key: arn"),
        after=(web(),),
    ),
    Row(
        _add(*(TCP_25 | {"LoadBalancerPort": port} for port in range(1000, 1100))),
        conflict("more than 100 listeners"),
        after=(web(),),
    ),
    Row(Call("CreateLoadBalancerListeners", NONE | {"Listeners": [TCP_25]}), NOT_FOUND),
    Row(
        on_web("DeleteLoadBalancerListeners", LoadBalancerPorts=[80, 9999]),
        {},
        after=(web(Listeners=[TCP_25, HTTP_80]),),
        sees=(shows_web(PORTS, [25]),),
    ),
    Row(on_web("DeleteLoadBalancerListeners", LoadBalancerPorts=["http"]), INVALID, after=(web(),)),
    Row(Call("DeleteLoadBalancerListeners", NONE | {"LoadBalancerPorts": [80]}), NOT_FOUND),
]


def _zones(kind: str, *zones: str) -> Call:
    return on_web(f"{kind}AvailabilityZonesForLoadBalancer", AvailabilityZones=list(zones))


BOTH = web(AvailabilityZones=["local-1a", "local-1b"])
ZONES = [
    Row(_zones("Enable", "local-1b"), {"AvailabilityZones": ["local-1a", "local-1b"]}, after=(web(),)),
    Row(_zones("Enable", "local-1a"), {"AvailabilityZones": ["local-1a"]}, after=(web(),)),
    Row(_zones("Enable", "mars-1a"), Refused("ValidationError", says="Invalid Availability Zone"), after=(web(),)),
    Row(Call("EnableAvailabilityZonesForLoadBalancer", NONE | {"AvailabilityZones": ["local-1a"]}), NOT_FOUND),
    Row(
        _zones("Disable", "local-1a", "local-1c"),
        {"AvailabilityZones": ["local-1b"]},
        after=(BOTH,),
        sees=(shows_web("AvailabilityZones", ["local-1b"]),),
    ),
    Row(_zones("Disable", "local-1c"), {"AvailabilityZones": ["local-1a"]}, after=(web(),)),
    Row(_zones("Disable", "local-1a"), conflict("at least one enabled Availability Zone"), after=(web(),)),
    Row(Call("DisableAvailabilityZonesForLoadBalancer", NONE | {"AvailabilityZones": ["local-1a"]}), NOT_FOUND),
]


def _instances(kind: str, *instance_ids: str) -> Call:
    words = {"Register": "RegisterInstancesWith", "Deregister": "DeregisterInstancesFrom"}
    return on_web(f"{words[kind]}LoadBalancer", Instances=ids(*instance_ids))


TWO = (web(), _instances("Register", "i-000000a1", "10.9.9.9"))
INSTANCES = [
    Row(
        _instances("Register", "i-000000a1", "10.9.9.9"),
        {"Instances": ids("i-000000a1", "10.9.9.9")},
        after=(web(),),
        sees=(shows_web("Instances", ids("i-000000a1", "10.9.9.9")),),
    ),
    Row(_instances("Register", "i-000000a1"), {"Instances": ids("i-000000a1", "10.9.9.9")}, after=TWO),
    Row(
        _instances("Register", "i-000000ff"),
        Refused("InvalidInstance", says="Could not find EC2 instance i-000000ff"),
        after=(web(),),
        cli=True,
    ),
    Row(_instances("Register", "i-000000a2"), Refused("InvalidInstance", says="stopped"), after=(web(),)),
    Row(_instances("Register", "10.9.9.9", "what?"), Refused("InvalidInstance", says="what?"), after=(web(),)),
    Row(
        _instances("Register", "i-000000b1"),
        {"Instances": ids("i-000000b1")},
        after=(web(),),
        sees=(
            Seen(
                on_web("DescribeInstanceHealth"),
                "InstanceStates[0].[InstanceId, State, ReasonCode, Description]",
                ["i-000000b1", "OutOfService", "ELB", OTHER_ZONE],
            ),
        ),
    ),
    Row(Call("RegisterInstancesWithLoadBalancer", NONE | {"Instances": ids("10.9.9.9")}), NOT_FOUND),
    Row(
        _instances("Deregister", "i-000000a1"),
        {"Instances": ids("10.9.9.9")},
        after=TWO,
        sees=(shows_web("Instances", ids("10.9.9.9")),),
    ),
    Row(_instances("Deregister", "i-000000ff"), Refused("InvalidInstance"), after=(web(),)),
    Row(Call("DeregisterInstancesFromLoadBalancer", NONE | {"Instances": ids("10.9.9.9")}), NOT_FOUND),
    Row(
        on_web("DescribeInstanceHealth"),
        {"InstanceStates": [STARTING | {"InstanceId": one} for one in ("i-000000a1", "10.9.9.9")]},
        after=TWO,
    ),
    Row(
        on_web("DescribeInstanceHealth", Instances=ids("10.9.9.9")),
        {"InstanceStates": [STARTING | {"InstanceId": "10.9.9.9"}]},
        after=TWO,
    ),
    Row(
        on_web("DescribeInstanceHealth", Instances=ids("i-000000b1")),
        {"InstanceStates": [UNREGISTERED | {"InstanceId": "i-000000b1"}]},
        after=TWO,
    ),
    Row(
        on_web("DescribeInstanceHealth", Instances=ids("10.9.9.9", "i-000000ff")),
        Refused("InvalidInstance", says="Could not find EC2 instance i-000000ff."),
        after=TWO,
    ),
    Row(Call("DescribeInstanceHealth", BY_DNS_NAME), {"InstanceStates": []}, after=(web(),)),
    Row(Call("DescribeInstanceHealth", NONE), NOT_FOUND),
]


def _check(**changes: Any) -> Call:
    return on_web("ConfigureHealthCheck", HealthCheck=CHECK | changes)


HEALTH_CHECKS = [
    Row(_check(), {"HealthCheck": CHECK}, after=(web(),), sees=(shows_web("HealthCheck", CHECK),)),
    Row(_check(Target="tcp:080"), {"HealthCheck": CHECK | {"Target": "TCP:80"}}, after=(web(),)),
    Row(Call("ConfigureHealthCheck", NONE | {"HealthCheck": CHECK}), NOT_FOUND),
    *(
        Row(_check(**wrong), INVALID, after=(web(),))
        for wrong in (
            {"Target": "HTTP:80"},
            {"Target": "TCP:80/path"},
            {"Target": "TCP:0"},
            {"Target": "UDP:53"},
            {"Target": "HTTP:80/a b"},
            {"Target": "HTTP:80/" + "x" * 1024},
            {"Interval": 4},
            {"Interval": 301},
            {"Timeout": 1},
            {"Timeout": 7},
            {"UnhealthyThreshold": 1},
            {"UnhealthyThreshold": 11},
            {"HealthyThreshold": 1},
            {"HealthyThreshold": 11},
        )
    ),
    Row(
        on_web("ConfigureHealthCheck", HealthCheck={"Target": "TCP:80"}),
        Refused("ValidationError", says="4 validation"),
        after=(web(),),
    ),
]


def _modify(**given: Any) -> Call:
    return on_web("ModifyLoadBalancerAttributes", LoadBalancerAttributes=given)


def _modified(**given: Any) -> dict[str, Any]:
    return {"LoadBalancerName": "web", "LoadBalancerAttributes": given}


IDLE = {"ConnectionSettings": {"IdleTimeout": 4000}}
DRAINING = {"ConnectionDraining": {"Enabled": True, "Timeout": 20}}
MODES = "AdditionalAttributes[?Key=='elb.http.desyncmitigationmode'].Value | [0]"
LOGS = {"Enabled": True, "S3BucketName": BUCKET, "EmitInterval": 5, "S3BucketPrefix": "web"}


def _desync(mode: str) -> dict[str, Any]:
    return {"AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": mode}]}


def _has(**changes: Any) -> tuple[Seen, ...]:
    """What is in force after a change."""
    return (Seen(ATTRIBUTES, "LoadBalancerAttributes", DEFAULTS | changes),)


ATTRIBUTES_ROWS = [
    Row(ATTRIBUTES, {"LoadBalancerAttributes": DEFAULTS}, after=(web(),)),
    Row(Call("DescribeLoadBalancerAttributes", BY_DNS_NAME), {"LoadBalancerAttributes": DEFAULTS}, after=(web(),)),
    Row(Call("DescribeLoadBalancerAttributes", NONE), NOT_FOUND),
    *(
        Row(_modify(**given), _modified(**given), after=(web(),), sees=_has(**given))
        for given in (
            IDLE,
            {"CrossZoneLoadBalancing": {"Enabled": True}},
            DRAINING,
            {"AccessLog": LOGS},
            _desync("strictest"),
            {**IDLE, **DRAINING, **_desync("monitor")},
        )
    ),
    Row(_modify(**IDLE), _modified(**IDLE), after=(web(), _modify(**DRAINING)), sees=_has(**IDLE, **DRAINING)),
    Row(
        _modify(ConnectionDraining={"Enabled": True}),
        _modified(**DRAINING),
        after=(web(), _modify(**DRAINING), _modify(ConnectionDraining={"Enabled": False})),
        sees=_has(**DRAINING),
    ),
    Row(
        _modify(AccessLog={"Enabled": False}),
        _modified(AccessLog={"Enabled": False}),
        after=(web(), _modify(AccessLog=LOGS)),
        sees=_has(),
    ),
    Row(Call("ModifyLoadBalancerAttributes", NONE | {"LoadBalancerAttributes": IDLE}), NOT_FOUND),
    Row(
        _modify(AdditionalAttributes=[{"Key": "x", "Value": "y"}]),
        Refused("LoadBalancerAttributeNotFound"),
        after=(web(),),
    ),
    Row(_modify(**_desync("lenient")), conflict("defensive"), after=(web(),)),
    Row(_modify(AccessLog={"Enabled": True}), conflict("S3BucketName"), after=(web(),)),
    Row(_modify(AccessLog=LOGS | {"S3BucketName": "nobodys"}), conflict(), after=(web(),)),
    Row(_modify(AccessLog=LOGS | {"EmitInterval": 7}), conflict("5 or 60"), after=(web(),)),
    Row(_modify(ConnectionSettings={"IdleTimeout": 0}), INVALID, after=(web(),)),
    Row(_modify(ConnectionSettings={"IdleTimeout": 4001}), INVALID, after=(web(),)),
    Row(_modify(ConnectionDraining={"Enabled": True, "Timeout": 0}), INVALID, after=(web(),)),
    Row(_modify(ConnectionDraining={"Enabled": True, "Timeout": 3601}), INVALID, after=(web(),)),
    Row(_modify(), INVALID, after=(web(),)),
]

ROWS = [*LISTENERS, *ZONES, *INSTANCES, *HEALTH_CHECKS, *ATTRIBUTES_ROWS]
