"""What an original control plane sends: documents as its XML, and calls in the form of AWS's Flow framework."""

from __future__ import annotations

import json
from collections.abc import Iterable
from xml.sax import saxutils

from elbflow.contract import document

NAMESPACE = "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/"


def call(*texts: str) -> str:
    """The input of an activity."""
    return json.dumps(["[Ljava.lang.Object;", list(texts)])


def load_balancer(wanted: document.LoadBalancerDocument, *, policies: bool = False) -> str:
    """As ``setLoadBalancer`` takes it; policies travel alone, unless ``policies``."""
    check, attributes = wanted.health_check, wanted.attributes
    told = [
        leaf("LoadBalancerName", wanted.key.name),
        leaf("DNSName", f"{wanted.key.name}-{wanted.key.account}.lb.example.internal"),
        members("ListenerDescriptions", map(_listener, wanted.listeners)),
        members("PolicyDescriptions", map(_policy, wanted.policies if policies else ())),
        members("BackendServerDescriptions", map(_backend_policies, wanted.backend_policies)),
        members("AvailabilityZones", [saxutils.escape(wanted.zone)]),
        members("BackendInstances", map(_backend, wanted.backends)),
        _health_check(check) if check is not None else "",
        leaf("CreatedTime", "2026-11-23T08:25:00.000Z"),
        _attributes(attributes),
    ]
    return envelope("".join(told))


def policy(one: document.Policy) -> str:
    """As ``setPolicy`` takes it."""
    return envelope(members("PolicyDescriptions", [_policy(one)]))


def envelope(member: str) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><LoadBalancerDescriptions xmlns="{NAMESPACE}">'
        f"<member>{member}</member></LoadBalancerDescriptions>"
    )


def leaf(name: str, value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{saxutils.escape(text, {chr(13): '&#13;'})}</{name}>"


def members(name: str, entries: Iterable[str]) -> str:
    return f"<{name}>{''.join(f'<member>{entry}</member>' for entry in entries)}</{name}>"


def _names(names: Iterable[str]) -> str:
    return members("PolicyNames", map(saxutils.escape, names))


def _listener(one: document.Listener) -> str:
    arn = leaf("SSLCertificateId", one.certificate_arn) if one.certificate_arn is not None else ""
    told = (
        f"{leaf('Protocol', one.protocol)}{leaf('LoadBalancerPort', one.port)}"
        f"{leaf('InstanceProtocol', one.instance_protocol)}{leaf('InstancePort', one.instance_port)}{arn}"
    )
    return f"<Listener>{told}</Listener>{_names(one.policy_names)}"


def _policy(one: document.Policy) -> str:
    attributes = [f"{leaf('AttributeName', name)}{leaf('AttributeValue', value)}" for name, value in one.attributes]
    return (
        f"{leaf('PolicyName', one.name)}{leaf('PolicyTypeName', one.type_name)}"
        f"{members('PolicyAttributeDescriptions', attributes)}"
    )


def _backend_policies(one: document.BackendServerPolicies) -> str:
    return f"{leaf('InstancePort', one.instance_port)}{_names(one.policy_names)}"


def _backend(one: document.BackendInstance) -> str:
    return (
        f"{leaf('InstanceId', one.instance_id)}{leaf('InstanceIpAddress', one.address)}"
        f"{leaf('ReportHealthCheck', one.report_health)}"
    )


def _health_check(one: document.HealthCheck) -> str:
    return (
        f"<HealthCheck>{leaf('Target', one.target)}{leaf('Interval', one.interval_s)}{leaf('Timeout', one.timeout_s)}"
        f"{leaf('UnhealthyThreshold', one.unhealthy_threshold)}{leaf('HealthyThreshold', one.healthy_threshold)}"
        "</HealthCheck>"
    )


def _attributes(one: document.Attributes) -> str:
    bucket = leaf("S3BucketName", one.access_log_bucket) if one.access_log_bucket is not None else ""
    return (
        "<LoadBalancerAttributes>"
        f"<CrossZoneLoadBalancing>{leaf('Enabled', one.cross_zone)}</CrossZoneLoadBalancing>"
        f"<AccessLog>{leaf('Enabled', one.access_log_enabled)}{bucket}"
        f"{leaf('EmitInterval', one.access_log_interval_min)}{leaf('S3BucketPrefix', one.access_log_prefix)}"
        "</AccessLog>"
        f"<ConnectionDraining>{leaf('Enabled', one.draining_enabled)}{leaf('Timeout', one.draining_timeout_s)}"
        "</ConnectionDraining>"
        f"<ConnectionSettings>{leaf('IdleTimeout', one.idle_timeout_s)}</ConnectionSettings>"
        "</LoadBalancerAttributes>"
    )
