"""The original's envelope as our document: every field of spec/vm-agent-data-plane 2 that a VM has a use for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from elbflow.contract import document
from elbflow_agent.health import target
from elbflow_agent.original import markup
from elbflow_agent.original.markup import Invalid, Node

_ROOT = "LoadBalancerDescriptions"
_NAME = re.compile(r"[A-Za-z0-9-]{1,32}")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_ENCRYPTED = (document.Protocol.HTTPS, document.Protocol.SSL)
_PORTS = range(1, 65536)
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Read:
    """The document as far as one message tells it, and ``left_out``: listeners of protocols that we do not serve."""

    document: document.LoadBalancerDocument
    left_out: tuple[str, ...] = ()


def load_balancer(text: str, account: str) -> Read:
    """What a ``setLoadBalancer`` message says of a load balancer of ``account``, of generation 0.

    Its policies are those that are in the message itself, usually none. Raises :class:`Invalid`, and
    :class:`target.InvalidTarget` for a health check that cannot be carried out.
    """
    member = _member(text)
    name = member.said("LoadBalancerName") or ""
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name[:80]!r} is not the name of a load balancer")
    listeners, left_out = _listeners(member)
    return Read(
        document.LoadBalancerDocument(
            key=document.LoadBalancerKey(account, name),
            generation=0,
            zone=next((zone.text.strip() for zone in member.members("AvailabilityZones")), ""),
            listeners=listeners,
            backends=tuple(map(_backend, member.members("BackendInstances"))),
            health_check=_health_check(member.child("HealthCheck")),
            policies=_policies(member),
            backend_policies=tuple(map(_backend_policies, member.members("BackendServerDescriptions"))),
            attributes=_attributes(member.child("LoadBalancerAttributes")),
        ),
        left_out,
    )


def policies(text: str) -> tuple[document.Policy, ...]:
    """The policies of a ``setPolicy`` message, usually one. Raises :class:`Invalid`."""
    found = _policies(_member(text))
    if not found:
        raise Invalid("the message holds no policy")
    return found


def _member(text: str) -> Node:
    root = markup.parse(text)
    members = [each for each in root.children if each.name == "member"]
    if root.name != _ROOT or len(members) != 1:
        raise Invalid(f"the document is not one member in {_ROOT}")
    return members[0]


def _listeners(member: Node) -> tuple[tuple[document.Listener, ...], tuple[str, ...]]:
    listeners: list[document.Listener] = []
    left_out: list[str] = []
    for each in member.members("ListenerDescriptions"):
        one = each.child("Listener")
        if one is None:
            raise Invalid("a member of ListenerDescriptions has no Listener")
        port, said = _required(one, "LoadBalancerPort", _PORTS), _text(one, "Protocol")
        behind = one.said("InstanceProtocol") or said
        try:
            front, back = document.Protocol(said.upper()), document.Protocol(behind.upper())
        except ValueError:
            left_out.append(f"{port}: {said[:20]} to {behind[:20]}")
            continue
        arn = one.said("SSLCertificateId") if front in _ENCRYPTED else None
        instance_port = _required(one, "InstancePort", _PORTS)
        listeners.append(document.Listener(front, port, back, instance_port, arn, _names(each)))
    return tuple(listeners), tuple(left_out)


def _names(node: Node) -> tuple[str, ...]:
    return tuple(each.text.strip() for each in node.members("PolicyNames"))


def _policies(member: Node) -> tuple[document.Policy, ...]:
    return tuple(
        document.Policy(
            _text(each, "PolicyName"),
            _text(each, "PolicyTypeName"),
            tuple(map(_attribute, each.members("PolicyAttributeDescriptions"))),
        )
        for each in member.members("PolicyDescriptions")
    )


def _attribute(node: Node) -> tuple[str, str]:
    value = node.child("AttributeValue")
    return _text(node, "AttributeName"), value.text if value is not None else ""


def _backend_policies(node: Node) -> document.BackendServerPolicies:
    return document.BackendServerPolicies(_required(node, "InstancePort", _PORTS), _names(node))


def _backend(node: Node) -> document.BackendInstance:
    """Without an address it cannot be served, which its state will say."""
    reports = _boolean(node, "ReportHealthCheck", default=True)
    return document.BackendInstance(_text(node, "InstanceId"), node.said("InstanceIpAddress") or "", reports)


def _health_check(node: Node | None) -> document.HealthCheck | None:
    if node is None:
        return None
    what = target.parse(_text(node, "Target"))
    names = ("Interval", "Timeout", "UnhealthyThreshold", "HealthyThreshold")
    return document.HealthCheck(
        f"{what.scheme}:{what.port}{what.path}", *(_required(node, name, range(1, 3601)) for name in names)
    )


def _attributes(node: Node | None) -> document.Attributes:
    """What is not said has AWS's default."""
    said, known = node or Node(""), document.Attributes()
    cross_zone, log, draining, connections = (
        said.child(name) or Node(name)
        for name in ("CrossZoneLoadBalancing", "AccessLog", "ConnectionDraining", "ConnectionSettings")
    )
    return document.Attributes(
        idle_timeout_s=_number(connections, "IdleTimeout", range(-_MOST, _MOST), known.idle_timeout_s),
        cross_zone=_boolean(cross_zone, "Enabled", default=False),
        draining_enabled=_boolean(draining, "Enabled", default=False),
        draining_timeout_s=_number(draining, "Timeout", range(3601), known.draining_timeout_s),
        access_log_enabled=_boolean(log, "Enabled", default=False),
        access_log_bucket=log.said("S3BucketName"),
        access_log_prefix=log.said("S3BucketPrefix") or "",
        access_log_interval_min=_number(log, "EmitInterval", range(1, 1441), known.access_log_interval_min),
    )


def _text(node: Node, name: str) -> str:
    found = node.said(name)
    if found is None:
        raise Invalid(f"{node.name} has no {name}")
    return found


def _required(node: Node, name: str, bounds: range) -> int:
    _text(node, name)
    return _number(node, name, bounds, 0)


def _number(node: Node, name: str, bounds: range, default: int) -> int:
    found = node.said(name)
    if found is None:
        return default
    if not _NUMBER.fullmatch(found) or int(found) not in bounds:
        raise Invalid(f"{name} is {found[:40]!r}, which is no number from {bounds.start} to {bounds.stop - 1}")
    return int(found)


def _boolean(node: Node, name: str, *, default: bool) -> bool:
    found = node.said(name)
    if found is None:
        return default
    if found.lower() not in _BOOLEANS:
        raise Invalid(f"{name} is {found[:40]!r}, which is neither true nor false")
    return _BOOLEANS[found.lower()]
