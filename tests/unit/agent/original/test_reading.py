"""Every field of the original's envelope, and what is no such envelope."""

from __future__ import annotations

import dataclasses

import pytest
from tests import original_messages
from tests.unit.agent.original.conftest import HTTP, KEYS, SSL, STICKY

from elbflow.contract import document
from elbflow_agent.health import target
from elbflow_agent.original import markup, reading

ACCOUNT = "000000000001"


def read(member: str) -> document.LoadBalancerDocument:
    text = original_messages.envelope(f"<LoadBalancerName>web</LoadBalancerName>{member}")
    return reading.load_balancer(text, ACCOUNT).document


def listener(protocol: str, port: object = 80, more: str = "") -> str:
    return (
        f"<Listener><Protocol>{protocol}</Protocol><LoadBalancerPort>{port}</LoadBalancerPort>"
        f"<InstancePort>81</InstancePort>{more}</Listener>"
    )


def listeners(*each: str) -> str:
    return original_messages.members("ListenerDescriptions", each)


def test_every_field_is_read(full: document.LoadBalancerDocument) -> None:
    told = reading.load_balancer(original_messages.load_balancer(full, policies=True), ACCOUNT)
    assert (told.document, told.left_out) == (full, ())


def test_what_is_absent_has_its_default() -> None:
    assert read("") == document.LoadBalancerDocument(document.LoadBalancerKey(ACCOUNT, "web"), 0, "")


def test_the_namespace_and_what_is_unknown_do_not_matter(full: document.LoadBalancerDocument) -> None:
    text = original_messages.load_balancer(full, policies=True)
    plain = text.replace(f' xmlns="{original_messages.NAMESPACE}"', "")
    prefixed = plain.replace("</", "</\0").replace("<", "<e:").replace("<e:/\0", "</e:").replace("<e:?", "<?")
    prefixed = prefixed.replace("<e:LoadBalancerDescriptions", '<e:LoadBalancerDescriptions xmlns:e="urn:other"', 1)
    extended = text.replace("<DNSName>", "<New><LoadBalancerName>x</LoadBalancerName></New><!-- n --><DNSName a='1'>")
    spaced = text.replace("><", ">\n  <")
    for other in (plain, prefixed, extended, spaced):
        assert other != text
        assert dataclasses.replace(reading.load_balancer(other, ACCOUNT).document, zone="one") == full


def test_a_listener_without_instance_protocol_has_its_own() -> None:
    (one,) = read(listeners(listener("tcp"))).listeners
    assert (one.protocol, one.instance_protocol) == (document.Protocol.TCP, document.Protocol.TCP)


def test_tls_is_ssl() -> None:
    arn = "<SSLCertificateId> arn:c </SSLCertificateId>"
    assert read(listeners(listener("TLS", 443, arn))).listeners == (document.Listener(SSL, 443, SSL, 81, "arn:c"),)


def test_a_certificate_of_a_plain_listener_does_not_matter() -> None:
    (one,) = read(listeners(listener("HTTP", more="<SSLCertificateId>arn:c</SSLCertificateId>"))).listeners
    assert one.certificate_arn is None


def test_a_listener_of_another_protocol_is_left_out_and_named() -> None:
    text = original_messages.envelope(
        f"<LoadBalancerName>web</LoadBalancerName>{listeners(listener('UDP', 53), listener('HTTP'))}"
    )
    told = reading.load_balancer(text, ACCOUNT)
    assert ([each.protocol for each in told.document.listeners], told.left_out) == ([HTTP], ("53: UDP to UDP",))


def test_an_instance_reports_unless_it_is_said_otherwise() -> None:
    told = read(
        original_messages.members(
            "BackendInstances",
            (
                "<InstanceId>i-1</InstanceId><InstanceIpAddress>10.0.0.1</InstanceIpAddress>",
                "<InstanceId>i-2</InstanceId><ReportHealthCheck>0</ReportHealthCheck>",
            ),
        )
    )
    assert told.backends == (document.BackendInstance("i-1", "10.0.0.1"), document.BackendInstance("i-2", "", False))


def test_a_policy_message_holds_policies() -> None:
    for policy in (STICKY, *KEYS, document.Policy("empty", "T", (("A", ""),))):
        assert reading.policies(original_messages.policy(policy)) == (policy,)


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        (listeners(""), "has no Listener"),
        (listeners(listener("HTTP", "")), "Listener has no LoadBalancerPort"),
        (listeners(listener("HTTP", 0)), "LoadBalancerPort is '0'"),
        (listeners(listener("HTTP", 65536)), "LoadBalancerPort is '65536'"),
        (listeners(listener("HTTP", "8O")), "LoadBalancerPort is '8O'"),
        (listeners(listener("HTTP", "٨٠")), "LoadBalancerPort is"),
        (listeners(listener("HTTP", "9" * 5000)), "LoadBalancerPort is '999"),
        (original_messages.members("BackendInstances", [""]), "member has no InstanceId"),
        (
            original_messages.members(
                "BackendInstances", ["<InstanceId>i</InstanceId><ReportHealthCheck>yes</ReportHealthCheck>"]
            ),
            "neither true nor false",
        ),
        ("<HealthCheck><Target>TCP:80</Target></HealthCheck>", "HealthCheck has no Interval"),
        (original_messages.members("PolicyDescriptions", ["<PolicyName>p</PolicyName>"]), "has no PolicyTypeName"),
    ],
)
def test_a_wrong_field_is_named(member: str, complaint: str) -> None:
    with pytest.raises(markup.Invalid, match=complaint):
        read(member)


def test_a_health_check_that_cannot_be_carried_out_is_refused() -> None:
    numbers = "".join(
        f"<{name}>5</{name}>" for name in ("Interval", "Timeout", "UnhealthyThreshold", "HealthyThreshold")
    )
    with pytest.raises(target.InvalidTarget):
        read(f"<HealthCheck><Target>ICMP:1</Target>{numbers}</HealthCheck>")
    told = read(f"<HealthCheck><Target>http:80/a</Target>{numbers}</HealthCheck>")
    assert told.health_check == document.HealthCheck("HTTP:80/a", 5, 5, 5, 5)


@pytest.mark.parametrize(
    "text",
    [
        "<Other><member/></Other>",
        "<LoadBalancerDescriptions/>",
        "<LoadBalancerDescriptions><member/><member/></LoadBalancerDescriptions>",
        original_messages.policy(STICKY),
        original_messages.envelope("<LoadBalancerName>../../etc</LoadBalancerName>"),
        "0123456789abcdef0123456789abcdef01234567",
        "",
    ],
)
def test_what_is_no_load_balancer_is_refused(text: str) -> None:
    with pytest.raises(markup.Invalid):
        reading.load_balancer(text, ACCOUNT)


def test_a_message_without_policy_is_no_policy(full: document.LoadBalancerDocument) -> None:
    with pytest.raises(markup.Invalid, match="no policy"):
        reading.policies(original_messages.load_balancer(full))
