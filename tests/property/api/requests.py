"""Requests made from botocore's model: sensible ones with values that mean something here, and ones that are not."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

import hypothesis.strategies as st
from tests.unit.api import wire

from elbflow_api import query

OPERATIONS = sorted(query.operations())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PORTS = st.sampled_from([80, 81, 443, 8000, 8001, 22, 65535])

MEANT: dict[str, st.SearchStrategy[Any]] = {
    "AccessPointName": st.sampled_from(["web", "web", "WEB", "inside", "inside", "new-1", "none"]),
    "AccessPointPort": PORTS,
    "InstancePort": PORTS,
    "EndPointPort": PORTS,
    "Protocol": st.sampled_from(["HTTP", "tcp", "HTTPS", "SSL"]),
    "AvailabilityZone": st.sampled_from(["local-1a", "local-1b", "local-1c"]),
    "SubnetId": st.sampled_from(["subnet-0000000a", "subnet-0000000b", "subnet-0000000c"]),
    "SecurityGroupId": st.sampled_from(["sg-00000001", "sg-00000002"]),
    "LoadBalancerScheme": st.sampled_from(["internal", "internet-facing"]),
    "InstanceId": st.sampled_from(["10.0.0.1", "10.0.0.2", "i-0000000a"]),
    "PolicyName": st.sampled_from(["sticky", "app", "proxy", "key", "trust", "ELBSecurityPolicy-2016-08"]),
    "PolicyTypeName": st.sampled_from(
        ["ProxyProtocolPolicyType", "AppCookieStickinessPolicyType", "SSLNegotiationPolicyType", "PublicKeyPolicyType"]
    ),
    "AttributeName": st.sampled_from(["ProxyProtocol", "CookieName", "Reference-Security-Policy", "PublicKey"]),
    "AttributeValue": st.sampled_from(["true", "id", "ELBSecurityPolicy-2016-08", "-1"]),
    "CookieExpirationPeriod": st.integers(1, 10_000),
    "HealthCheckTarget": st.sampled_from(["HTTP:80/", "tcp:80", "SSL:443"]),
    "HealthCheckInterval": st.integers(10, 300),
    "HealthCheckTimeout": st.integers(2, 9),
    "ConnectionDrainingTimeout": st.integers(1, 3600),
    "AccessLogInterval": st.sampled_from([5, 60]),
    "AdditionalAttributeKey": st.just("elb.http.desyncmitigationmode"),
    "AdditionalAttributeValue": st.sampled_from(["defensive", "monitor", "strictest"]),
    "TagKey": st.sampled_from(["a", "b", "c:d"]),
    "TagValue": st.sampled_from(["", "1", "ä ö"]),
    "Marker": st.just(""),
}
"""Values by the names of the model's shapes; of other shapes any value is as good as another."""

HOSTILE = st.one_of(
    TEXT,
    st.integers().map(str),
    st.sampled_from(
        [
            *("", " ", "0", "-1", "1e9", "0x10", "٣", "+5", "9" * 18, "9" * 400, "NaN", "true", "TRUE", "null"),
            *("\x00", "\ud7ff\ue000", "\u202e", "<&>]]>", "%s%n", "'; DROP TABLE load_balancers; --", "../../x"),
            *("x" * 70_000, "é" * 300, "web\r\nHost: x", "arn:aws:iam::1:server-certificate/" + "x" * 600),
        ]
    ),
)
INDEXES = st.sampled_from(["0", "-1", "01", "2", "7", "1000", "999999", "1000000", "x", "", "1.2"])
STRANGE_NAMES = st.text(".abN1member", max_size=12) | st.sampled_from(
    ["LoadBalancerName.member.1", "Listeners", "Listeners.member", "Listeners.member.1", "Tags.entry.1.key", "Version"]
)


def _scalar(shape: Any) -> st.SearchStrategy[Any]:
    if shape.name in MEANT:
        return MEANT[shape.name]
    match shape.type_name:
        case "boolean":
            return st.booleans()
        case "integer" | "long":
            return st.integers(shape.metadata.get("min", 0), shape.metadata.get("max", 10_000))
        case "timestamp":
            return st.just("2024-01-01T00:00:00Z")
        case _:
            return st.text("abcXYZ019", min_size=1, max_size=12)


def values(shape: Any) -> st.SearchStrategy[Any]:
    """Values that the shape allows and that may mean something."""
    if shape.type_name == "list":
        return st.lists(values(shape.member), min_size=shape.metadata.get("min", 0), max_size=3)
    if shape.type_name != "structure":
        return _scalar(shape)
    members = {name: values(member) for name, member in shape.members.items()}
    required = {name: members.pop(name) for name in shape.required_members}
    if required or not members:
        return st.fixed_dictionaries(required, optional=members)
    # A request cannot carry a structure of nothing.
    return st.one_of(
        *(
            st.fixed_dictionaries({name: members[name]}, optional={k: v for k, v in members.items() if k != name})
            for name in members
        )
    )


INPUTS = {
    name: (st.just({}) | values(shape) if not shape.required_members else values(shape))
    for name in OPERATIONS
    for shape in [wire.MODEL.operation_model(name).input_shape]
} | {"DeleteLoadBalancer": st.just({"LoadBalancerName": "new-1"})}
"""The parameters of each operation. Load balancers that others need stay."""


@st.composite
def sensible(draw: st.DrawFn) -> tuple[str, bytes]:
    """An operation and the body that botocore sends for it."""
    name = draw(st.sampled_from(OPERATIONS))
    return name, wire.sent(name, draw(INPUTS[name]))


@st.composite
def hostile(draw: st.DrawFn) -> tuple[str, bytes]:
    """A request that was sensible before it was tampered with."""
    name, body = draw(sensible())
    pairs = parse_qsl(body.decode(), keep_blank_values=True)
    for _ in range(draw(st.integers(1, 4))):
        pairs = draw(_TAMPERINGS)(pairs, draw)
    return name, urlencode(pairs, errors="replace").encode()


Pairs = list[tuple[str, str]]


def _another_value(pairs: Pairs, draw: st.DrawFn) -> Pairs:
    at = draw(st.integers(0, len(pairs) - 1))
    name, value = pairs[at]
    return [*pairs[:at], (name, value if name == "Action" else draw(HOSTILE)), *pairs[at + 1 :]]


def _another_index(pairs: Pairs, draw: st.DrawFn) -> Pairs:
    index = draw(INDEXES)
    return [(name.replace(".member.1", f".member.{index}", 1), value) for name, value in pairs]


def _one_less(pairs: Pairs, draw: st.DrawFn) -> Pairs:
    at = draw(st.integers(0, len(pairs) - 1))
    return pairs if pairs[at][0] == "Action" else [*pairs[:at], *pairs[at + 1 :]]


def _one_more(pairs: Pairs, draw: st.DrawFn) -> Pairs:
    name = draw(STRANGE_NAMES | st.sampled_from([name for name, _ in pairs]))
    return [*pairs, (name, draw(HOSTILE))]


def _in_another_order(pairs: Pairs, draw: st.DrawFn) -> Pairs:
    return draw(st.permutations(pairs))


def _very_many(pairs: Pairs, draw: st.DrawFn) -> Pairs:
    listed = [name for name, _ in pairs if ".member.1" in name]
    if not listed:
        return pairs
    name, value = draw(st.sampled_from(listed)), draw(HOSTILE.filter(lambda text: len(text) < 100))
    return [*pairs, *((name.replace(".member.1", f".member.{n}", 1), value) for n in range(2, 600))]


_TAMPERINGS = st.sampled_from(
    [_another_value, _another_value, _another_index, _one_less, _one_more, _in_another_order, _very_many]
)
