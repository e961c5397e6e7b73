"""Load balancers themselves: create, describe, delete; pages and tags."""

from __future__ import annotations

from tests.integration.api.golden.table import (
    HTTP_80,
    INVALID,
    NONE,
    NOT_FOUND,
    TCP_25,
    WEB,
    Call,
    Moment,
    Refused,
    Row,
    Seen,
    Words,
    conflict,
    shows_web,
    web,
)

from elbflow_api.rules import naming, paging

CHECK = {"Target": "TCP:8000", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 10}
TAGS = [{"Key": "team", "Value": "blue"}, {"Key": "empty", "Value": ""}]
DNS = {"DNSName": "web-{account}.lb.elbflow.internal"}
MOST = 3
"""Load balancers that an account on the stage may have."""

ALL = Call("DescribeLoadBalancers")
ZONE_ID = naming.hosted_zone_id("lb.elbflow.internal")
DESCRIBED = {
    "LoadBalancerDescriptions": [
        {
            "LoadBalancerName": "web",
            "DNSName": "web-{account}.lb.elbflow.internal",
            "CanonicalHostedZoneName": "web-{account}.lb.elbflow.internal",
            "CanonicalHostedZoneNameID": ZONE_ID,
            "ListenerDescriptions": [{"Listener": HTTP_80, "PolicyNames": []}],
            "Policies": {"AppCookieStickinessPolicies": [], "LBCookieStickinessPolicies": [], "OtherPolicies": []},
            "BackendServerDescriptions": [],
            "AvailabilityZones": ["local-1a"],
            "Subnets": [],
            "Instances": [],
            "HealthCheck": CHECK,
            "SourceSecurityGroup": {"OwnerAlias": "000000000000", "GroupName": "euca-internal-{account}-web"},
            "SecurityGroups": [],
            "CreatedTime": Moment(),
            "Scheme": "internet-facing",
        }
    ]
}


def _listener(**changes: object) -> list[dict[str, object]]:
    return [HTTP_80 | changes]


CREATE = [
    Row(web(Tags=TAGS), DNS, sees=(shows_web("AvailabilityZones", ["local-1a"]),)),
    Row(
        web(Tags=[{"Key": "k"}]),
        DNS,
        sees=(Seen(Call("DescribeTags", {"LoadBalancerNames": ["web"]}), "TagDescriptions[0].Tags[0].Value", ""),),
    ),
    Row(web(Listeners=[HTTP_80, HTTP_80]), DNS, sees=(shows_web("length(ListenerDescriptions)", 1),)),
    Row(
        web(Listeners=_listener(SSLCertificateId="arn:aws:iam::none")),
        DNS,
        sees=(shows_web("ListenerDescriptions[].Listener", [HTTP_80]),),
    ),
    Row(web(), DNS, after=(web(),), sees=(Seen(ALL, "length(LoadBalancerDescriptions)", 1),)),
    Row(web(LoadBalancerName="x" * 32), {"DNSName": f"{'x' * 32}-{{account}}.lb.elbflow.internal"}),
    Row(
        web(Listeners=[{"Protocol": "tcp", "LoadBalancerPort": 25, "InstancePort": 2500}]),
        DNS,
        sees=(shows_web("ListenerDescriptions[].Listener", [TCP_25]),),
    ),
    Row(
        web(AvailabilityZones=["local-1b", "local-1a"], Listeners=[TCP_25, HTTP_80]),
        DNS,
        sees=(
            shows_web("sort(AvailabilityZones)", ["local-1a", "local-1b"]),
            shows_web("ListenerDescriptions[].Listener.LoadBalancerPort", [25, 80]),
            shows_web("HealthCheck.Target", "TCP:2500"),
        ),
    ),
    Row(
        web(Listeners=_listener(InstancePort=1)),
        Refused("DuplicateLoadBalancerName", says="it is configured with different parameters"),
        after=(web(),),
        cli=True,
    ),
    Row(web(Tags=TAGS), Refused("DuplicateLoadBalancerName"), after=(web(),)),
    Row(web(LoadBalancerName="WEB"), Refused("DuplicateLoadBalancerName"), after=(web(),)),
    Row(web(LoadBalancerName="a_b"), Refused("ValidationError", says="letters, or digits or the dash")),
    Row(web(LoadBalancerName="x" * 33), Refused("ValidationError", says="longer than 32 characters")),
    Row(web(LoadBalancerName="-web"), Refused("ValidationError", says="begin or end with a dash")),
    Row(web(LoadBalancerName=""), INVALID),
    Row(web(Listeners=[]), INVALID),
    Row(web(AvailabilityZones=[]), Refused("ValidationError", says="Either AvailabilityZones or SubnetIds")),
    Row(web(AvailabilityZones=["mars-1a"]), Refused("ValidationError", says="Invalid Availability Zone: mars-1a")),
    Row(web(Listeners=[{"Protocol": "HTTP", "LoadBalancerPort": 80}]), Refused("ValidationError", says="instancePort")),
    Row(web(Listeners=_listener(LoadBalancerPort=22)), INVALID),
    Row(web(Listeners=_listener(LoadBalancerPort=0)), INVALID),
    Row(web(Listeners=_listener(LoadBalancerPort=65536)), INVALID),
    Row(web(Listeners=_listener(InstancePort=0)), INVALID),
    Row(web(Listeners=_listener(InstanceProtocol="TCP")), Refused("ValidationError", says="same layer")),
    Row(web(Listeners=[HTTP_80, HTTP_80 | {"InstancePort": 1}]), Refused("ValidationError", says="more than one")),
    Row(web(Listeners=_listener(Protocol="GOPHER")), Refused("UnsupportedProtocol", says="GOPHER")),
    Row(web(Listeners=_listener(Protocol="HTTPS")), Refused("ValidationError", says="SSLCertificateId")),
    Row(
        web(Listeners=_listener(Protocol="SSL", InstanceProtocol="TCP", SSLCertificateId="arn:aws:iam::none")),
        Refused("CertificateNotFound", says="Server Certificate not found for the key: arn"),
    ),
    Row(web(Tags=[{"Key": "a"}, {"Key": "a"}]), Refused("DuplicateTagKeys")),
    Row(web(Tags=[{"Key": f"k{n}"} for n in range(51)]), Refused("TooManyTags")),
    Row(web(Tags=[{"Key": "aws:mine"}]), conflict()),
    Row(web(Tags=[{"Key": "", "Value": "x"}]), INVALID),
    Row(web(Tags=[{"Key": "k" * 129}]), INVALID),
    Row(web(Tags=[{"Key": "k", "Value": "v" * 257}]), INVALID),
    Row(web(Tags=[{"Key": "k", "Value": "a;b"}]), INVALID),
    Row(web(Scheme="outwards"), Refused("InvalidScheme")),
    Row(web(Subnets=["subnet-00000000"], AvailabilityZones=[]), Refused("SubnetNotFound", says="subnet-00000000")),
]

DELETE = [
    Row(Call("DeleteLoadBalancer", WEB), {}, after=(web(),), sees=(Seen(ALL, "LoadBalancerDescriptions", []),)),
    Row(Call("DeleteLoadBalancer", NONE), {}),
    Row(Call("DeleteLoadBalancer"), Refused("ValidationError", says="loadBalancerName")),
]


def _named(*names: str) -> dict[str, object]:
    return {"LoadBalancerNames": list(names)}


DESCRIBE = [
    Row(ALL, DESCRIBED, after=(web(),)),
    Row(Call("DescribeLoadBalancers", _named("WEB")), DESCRIBED, after=(web(),)),
    Row(ALL, {"LoadBalancerDescriptions": []}),
    Row(
        Call("DescribeLoadBalancers", {"PageSize": 1}),
        DESCRIBED | {"NextMarker": Words()},
        after=(web(), web(LoadBalancerName="zoo")),
    ),
    Row(Call("DescribeLoadBalancers", {"Marker": paging.marker("tea/000000000000")}), DESCRIBED, after=(web(),)),
    Row(
        Call("DescribeLoadBalancers", {"Marker": paging.marker("web/999999999999")}),
        {"LoadBalancerDescriptions": []},
        after=(web(),),
    ),
    Row(Call("DescribeLoadBalancers", _named("web", "none")), NOT_FOUND, after=(web(),), cli=True),
    Row(Call("DescribeLoadBalancers", {"PageSize": 0}), INVALID),
    Row(Call("DescribeLoadBalancers", {"PageSize": 401}), INVALID),
    Row(Call("DescribeLoadBalancers", {"Marker": "?!"}), Refused("ValidationError", says="Marker")),
]

TAGS_READ = [
    Row(
        Call("DescribeTags", _named("web")),
        {"TagDescriptions": [{"LoadBalancerName": "web", "Tags": TAGS}]},
        after=(web(Tags=TAGS),),
    ),
    Row(Call("DescribeTags", _named("web", "none")), NOT_FOUND, after=(web(Tags=TAGS),)),
    Row(Call("DescribeTags", _named(*(f"lb{n}" for n in range(21)))), INVALID),
    Row(Call("DescribeTags", _named()), INVALID),
]


def _tag(*keys: str, names: tuple[str, ...] = ("web",)) -> Call:
    return Call("AddTags", _named(*names) | {"Tags": [{"Key": key, "Value": "new"} for key in keys]})


def _untag(*keys: str, names: tuple[str, ...] = ("web",)) -> Call:
    return Call("RemoveTags", _named(*names) | {"Tags": [{"Key": key} for key in keys]})


def _tagged(*tags: dict[str, str]) -> tuple[Seen, ...]:
    return (Seen(Call("DescribeTags", _named("web")), "sort_by(TagDescriptions[0].Tags, &Key)", list(tags)),)


BLUE, EMPTY, NEW = TAGS[0], TAGS[1], {"Key": "new", "Value": "new"}
TAGS_WRITTEN = [
    Row(_tag("new", "team"), {}, after=(web(Tags=TAGS),), sees=_tagged(EMPTY, NEW, BLUE | {"Value": "new"})),
    Row(_tag("new", names=("none",)), NOT_FOUND),
    Row(_tag("new", names=("web", "none")), Refused("ValidationError", says="one Load Balancer"), after=(web(),)),
    Row(_tag("a", "a"), Refused("DuplicateTagKeys"), after=(web(Tags=TAGS),)),
    Row(_tag(*(f"k{n}" for n in range(49))), Refused("TooManyTags"), after=(web(Tags=TAGS),)),
    Row(_tag("aws:mine"), conflict("reserved prefix"), after=(web(Tags=TAGS),)),
    Row(_tag(), INVALID, after=(web(Tags=TAGS),)),
    Row(_tag("k" * 129), INVALID, after=(web(Tags=TAGS),)),
    Row(_untag("team", "unknown"), {}, after=(web(Tags=TAGS),), sees=_tagged(EMPTY)),
    Row(_untag("team", names=("none",)), NOT_FOUND),
    Row(_untag("aws:mine"), conflict("reserved prefix"), after=(web(Tags=TAGS),)),
    Row(_untag(), INVALID, after=(web(Tags=TAGS),)),
]

LIMITS = [
    Row(
        Call("DescribeAccountLimits"),
        {
            "Limits": [
                {"Name": "classic-load-balancers", "Max": str(MOST)},
                {"Name": "classic-listeners", "Max": "100"},
                {"Name": "classic-registered-instances", "Max": "1000"},
            ]
        },
    ),
    Row(
        Call("DescribeAccountLimits", {"PageSize": 1}),
        {
            "Limits": [{"Name": "classic-load-balancers", "Max": str(MOST)}],
            "NextMarker": paging.marker("classic-load-balancers"),
        },
    ),
    Row(
        Call("DescribeAccountLimits", {"Marker": paging.marker("classic-listeners")}),
        {"Limits": [{"Name": "classic-registered-instances", "Max": "1000"}]},
    ),
    Row(Call("DescribeAccountLimits", {"PageSize": 0}), INVALID),
    Row(Call("DescribeAccountLimits", {"PageSize": 401}), INVALID),
    Row(Call("DescribeAccountLimits", {"Marker": "?!"}), Refused("ValidationError", says="Marker")),
    Row(
        web(LoadBalancerName="lb-0"),
        Refused("TooManyLoadBalancers", says=str(MOST)),
        after=tuple(web(LoadBalancerName=f"lb-{number}") for number in range(1, MOST + 1)),
    ),
]

ROWS = [*CREATE, *DELETE, *DESCRIBE, *TAGS_READ, *TAGS_WRITTEN, *LIMITS]
