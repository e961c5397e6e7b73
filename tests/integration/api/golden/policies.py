"""Policies and certificates, and what carries them."""

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
    on_web,
    shows_web,
    web,
)

from elbflow_api.rules import policy_types

CERTIFICATE, RENEWED = (f"arn:aws:iam::{{account}}:server-certificate/{name}" for name in ("shop", "renewed"))
"""Server certificates that every account on the stage has."""

PUBLIC_KEY = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAN4mSJNOuyrbSk5z4CpWCp47ANmwH3ociVIVBTB3NhyfpBlJQdCi"
    "+pmnSHk6Jru6olGK2tDXIxfSsxKFlshrUt0CAwEAAQ=="
)
LATEST = "ELBSecurityPolicy-2016-08"
HTTPS_443 = HTTP_80 | {"Protocol": "HTTPS", "LoadBalancerPort": 443, "SSLCertificateId": CERTIFICATE}
SSL_444 = TCP_25 | {"Protocol": "SSL", "LoadBalancerPort": 444, "InstanceProtocol": "SSL", "InstancePort": 8443}
SSL_444["SSLCertificateId"] = CERTIFICATE
LISTENER_POLICIES = "ListenerDescriptions[].PolicyNames"
BACKENDS = "BackendServerDescriptions"


def policy(name: str, type_name: str, *attributes: tuple[str, str]) -> Call:
    given = [{"AttributeName": key, "AttributeValue": value} for key, value in attributes]
    more = {"PolicyAttributes": given} if given else {}
    return on_web("CreateLoadBalancerPolicy", PolicyName=name, PolicyTypeName=type_name, **more)


def sticky(**changes: Any) -> Call:
    given = {"PolicyName": "hour", "CookieExpirationPeriod": 3600} | changes
    return on_web("CreateLBCookieStickinessPolicy", **given)


def app(**changes: Any) -> Call:
    return on_web("CreateAppCookieStickinessPolicy", **({"PolicyName": "app", "CookieName": "id"} | changes))


def attach(port: int, *names: str) -> Call:
    return on_web("SetLoadBalancerPoliciesOfListener", LoadBalancerPort=port, PolicyNames=list(names))


def behind(port: int, *names: str) -> Call:
    return on_web("SetLoadBalancerPoliciesForBackendServer", InstancePort=port, PolicyNames=list(names))


def _described(name: str, type_name: str, *attributes: tuple[str, str]) -> dict[str, Any]:
    given = [{"AttributeName": key, "AttributeValue": value} for key, value in attributes]
    return {"PolicyName": name, "PolicyTypeName": type_name, "PolicyAttributeDescriptions": given}


def _policies(*names: str) -> Call:
    return on_web("DescribeLoadBalancerPolicies", **({"PolicyNames": list(names)} if names else {}))


FULL = tuple(sticky(PolicyName=f"p{number}") for number in range(5))
"""As many policies as the stage's settings allow."""

COOKIES = [
    Row(
        sticky(),
        {},
        after=(web(),),
        sees=(
            shows_web("Policies.LBCookieStickinessPolicies", [{"PolicyName": "hour", "CookieExpirationPeriod": 3600}]),
        ),
    ),
    Row(
        on_web("CreateLBCookieStickinessPolicy", PolicyName="session"),
        {},
        after=(web(),),
        sees=(shows_web("Policies.LBCookieStickinessPolicies", [{"PolicyName": "session"}]),),
    ),
    Row(sticky(), Refused("DuplicatePolicyName", says="hour"), after=(web(), sticky())),
    Row(sticky(PolicyName="p\nq"), INVALID, after=(web(),)),
    Row(sticky(PolicyName=""), INVALID, after=(web(),)),
    Row(sticky(CookieExpirationPeriod=0), INVALID, after=(web(),)),
    Row(sticky(CookieExpirationPeriod=2**40), INVALID, after=(web(),)),
    Row(sticky(), Refused("TooManyPolicies"), after=(web(), *FULL)),
    Row(Call("CreateLBCookieStickinessPolicy", NONE | {"PolicyName": "p"}), NOT_FOUND),
    Row(
        app(),
        {},
        after=(web(),),
        sees=(shows_web("Policies.AppCookieStickinessPolicies", [{"PolicyName": "app", "CookieName": "id"}]),),
    ),
    Row(app(), Refused("DuplicatePolicyName"), after=(web(), app())),
    Row(app(CookieName="a b"), conflict("CookieName"), after=(web(),)),
    Row(app(), Refused("TooManyPolicies"), after=(web(), *FULL)),
    Row(Call("CreateAppCookieStickinessPolicy", NONE | {"PolicyName": "p", "CookieName": "id"}), NOT_FOUND),
]

PROXY = policy("proxy", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
KEY = policy("key", "PublicKeyPolicyType", ("PublicKey", PUBLIC_KEY))
TRUST = policy("trust", "BackendServerAuthenticationPolicyType", ("PublicKeyPolicyName", "key"))
TLS = policy("tls", "SSLNegotiationPolicyType", ("Reference-Security-Policy", "ELBSecurityPolicy-TLS-1-2-2017-01"))
OTHERS = "Policies.OtherPolicies"
_ENABLED = (
    "sort(PolicyDescriptions[0].PolicyAttributeDescriptions"
    "[?AttributeValue=='true' && starts_with(AttributeName, 'Protocol-')].AttributeName)"
)

ANY_TYPE = [
    Row(PROXY, {}, after=(web(),), sees=(shows_web(OTHERS, ["proxy"]),)),
    Row(TRUST, {}, after=(web(), KEY), sees=(shows_web("sort(Policies.OtherPolicies)", ["key", "trust"]),)),
    Row(TLS, {}, after=(web(),), sees=(Seen(_policies("tls"), _ENABLED, ["Protocol-TLSv1.2"]),)),
    Row(
        policy("own", "SSLNegotiationPolicyType", ("Protocol-TLSv1.1", "true"), ("AES128-SHA", "true")),
        {},
        after=(web(),),
        sees=(Seen(_policies("own"), _ENABLED, ["Protocol-TLSv1.1"]),),
    ),
    Row(
        policy("c", "LBCookieStickinessPolicyType", ("CookieExpirationPeriod", "60")),
        {},
        after=(web(),),
        sees=(shows_web("Policies.LBCookieStickinessPolicies[0].CookieExpirationPeriod", 60),),
    ),
    Row(policy("x", "NoPolicyType"), Refused("PolicyTypeNotFound", says="NoPolicyType"), after=(web(),)),
    Row(PROXY, Refused("DuplicatePolicyName"), after=(web(), PROXY)),
    Row(PROXY, Refused("TooManyPolicies"), after=(web(), *FULL)),
    Row(policy("x", "ProxyProtocolPolicyType"), conflict("ProxyProtocol"), after=(web(),)),
    Row(policy("x", "ProxyProtocolPolicyType", ("Colour", "red")), conflict("Colour"), after=(web(),)),
    Row(policy("x", "PublicKeyPolicyType", ("PublicKey", "no key")), conflict("PublicKey"), after=(web(),)),
    Row(TLS, {}, after=(web(), PROXY)),
    Row(TRUST, conflict("key"), after=(web(),)),
    Row(
        policy("x", "SSLNegotiationPolicyType", ("Reference-Security-Policy", "ELBSecurityPolicy-1999-12")),
        conflict("ELBSecurityPolicy-1999-12"),
        after=(web(),),
    ),
    Row(
        Call("CreateLoadBalancerPolicy", NONE | {"PolicyName": "x", "PolicyTypeName": "ProxyProtocolPolicyType"}),
        NOT_FOUND,
    ),
]


def _forget(name: str) -> Call:
    return on_web("DeleteLoadBalancerPolicy", PolicyName=name)


DELETE = [
    Row(
        on_web("DeleteLoadBalancerPolicy", PolicyName="proxy"), {}, after=(web(), PROXY), sees=(shows_web(OTHERS, []),)
    ),
    Row(_forget("unknown"), {}, after=(web(),)),
    Row(
        _forget("hour"),
        conflict("enabled"),
        after=(web(), sticky(), attach(80, "hour")),
    ),
    Row(Call("DeleteLoadBalancerPolicy", NONE | {"PolicyName": "p"}), NOT_FOUND),
]

DESCRIBE = [
    Row(
        _policies(),
        {
            "PolicyDescriptions": [
                _described("proxy", "ProxyProtocolPolicyType", ("ProxyProtocol", "true")),
                _described("hour", "LBCookieStickinessPolicyType", ("CookieExpirationPeriod", "3600")),
            ]
        },
        after=(web(), PROXY, sticky()),
    ),
    Row(
        _policies("hour"),
        {
            "PolicyDescriptions": [
                _described("hour", "LBCookieStickinessPolicyType", ("CookieExpirationPeriod", "3600")),
            ]
        },
        after=(web(), PROXY, sticky()),
    ),
    Row(
        Call("DescribeLoadBalancerPolicies", {"PolicyNames": ["ELBSample-LBCookieStickinessPolicy"]}),
        {
            "PolicyDescriptions": [
                _described(
                    "ELBSample-LBCookieStickinessPolicy",
                    "LBCookieStickinessPolicyType",
                    ("CookieExpirationPeriod", "100"),
                ),
            ]
        },
    ),
    Row(_policies("none"), Refused("PolicyNotFound", says="none"), after=(web(), PROXY, sticky())),
    Row(Call("DescribeLoadBalancerPolicies", {"PolicyNames": ["none"]}), Refused("PolicyNotFound")),
    Row(Call("DescribeLoadBalancerPolicies", BY_DNS_NAME), {"PolicyDescriptions": []}, after=(web(),)),
    Row(Call("DescribeLoadBalancerPolicies", NONE), NOT_FOUND),
    Row(
        Call("DescribeLoadBalancerPolicyTypes", {"PolicyTypeNames": ["ProxyProtocolPolicyType"]}),
        {
            "PolicyTypeDescriptions": [
                {
                    "PolicyTypeName": "ProxyProtocolPolicyType",
                    "Description": policy_types.TYPES["ProxyProtocolPolicyType"].description,
                    "PolicyAttributeTypeDescriptions": [
                        {"AttributeName": "ProxyProtocol", "AttributeType": "Boolean", "Cardinality": "ONE"}
                    ],
                }
            ]
        },
    ),
    Row(Call("DescribeLoadBalancerPolicyTypes", {"PolicyTypeNames": ["NoType"]}), Refused("PolicyTypeNotFound")),
]

BOTH = (web(Listeners=[HTTP_80, TCP_25]), sticky(), sticky(PolicyName="day"), PROXY)
SECURE = (web(Listeners=[HTTPS_443, SSL_444]), TLS, KEY, TRUST)
LISTENERS = [
    Row(attach(80, "hour"), {}, after=BOTH, sees=(shows_web(LISTENER_POLICIES, [[], ["hour"]]),)),
    Row(attach(80), {}, after=(*BOTH, attach(80, "hour")), sees=(shows_web(LISTENER_POLICIES, [[], []]),)),
    Row(attach(443, "tls"), {}, after=SECURE, sees=(shows_web(LISTENER_POLICIES, [["tls"], [LATEST]]),)),
    Row(attach(81, "hour"), Refused("ListenerNotFound"), after=BOTH),
    Row(attach(80, "none"), Refused("PolicyNotFound", says="none"), after=BOTH),
    Row(attach(25, "hour"), conflict("HTTP and HTTPS"), after=BOTH),
    Row(attach(80, "hour", "day"), conflict("only one"), after=BOTH),
    Row(attach(80, "proxy"), conflict("ProxyProtocolPolicyType"), after=BOTH),
    Row(Call("SetLoadBalancerPoliciesOfListener", NONE | {"LoadBalancerPort": 80, "PolicyNames": []}), NOT_FOUND),
]
BACK_ENDS = [
    Row(
        behind(2500, "proxy"),
        {},
        after=BOTH,
        sees=(shows_web(BACKENDS, [{"InstancePort": 2500, "PolicyNames": ["proxy"]}]),),
    ),
    Row(behind(2500), {}, after=(*BOTH, behind(2500, "proxy")), sees=(shows_web(BACKENDS, []),)),
    Row(
        behind(8443, "trust"),
        {},
        after=SECURE,
        sees=(shows_web(BACKENDS, [{"InstancePort": 8443, "PolicyNames": ["trust"]}]),),
    ),
    Row(behind(2500, "none"), Refused("PolicyNotFound"), after=BOTH),
    Row(behind(2500, "hour"), conflict("LBCookieStickinessPolicyType"), after=BOTH),
    Row(behind(9999, "proxy"), conflict("9999"), after=BOTH),
    Row(
        Call("SetLoadBalancerPoliciesForBackendServer", NONE | {"InstancePort": 80, "PolicyNames": []}),
        NOT_FOUND,
    ),
]


def _certificate(port: int, arn: str) -> Call:
    return on_web("SetLoadBalancerListenerSSLCertificate", LoadBalancerPort=port, SSLCertificateId=arn)


CERTIFICATES = [
    Row(
        web(Listeners=[HTTPS_443]),
        {"DNSName": "web-{account}.lb.elbflow.internal"},
        sees=(
            shows_web("ListenerDescriptions[0].Listener.SSLCertificateId", CERTIFICATE),
            shows_web(LISTENER_POLICIES, [[LATEST]]),
        ),
    ),
    Row(
        on_web("CreateLoadBalancerListeners", Listeners=[HTTPS_443]),
        {},
        after=(web(),),
        sees=(
            shows_web("ListenerDescriptions[1].Listener", HTTPS_443),
            shows_web(LISTENER_POLICIES, [[], [LATEST]]),
            shows_web(OTHERS, [LATEST]),
        ),
    ),
    Row(
        on_web("CreateLoadBalancerListeners", Listeners=[HTTPS_443 | {"InstanceProtocol": "HTTPS"}]),
        conflict("with encryption"),
        after=(web(),),
    ),
    Row(
        _certificate(443, RENEWED),
        {},
        after=(web(Listeners=[HTTPS_443]),),
        sees=(shows_web("ListenerDescriptions[0].Listener.SSLCertificateId", RENEWED),),
    ),
    Row(_certificate(443, f"{CERTIFICATE}-lost"), Refused("CertificateNotFound"), after=(web(Listeners=[HTTPS_443]),)),
    Row(_certificate(81, CERTIFICATE), Refused("ListenerNotFound"), after=(web(),)),
    Row(_certificate(80, CERTIFICATE), conflict("HTTPS and SSL"), after=(web(),)),
    Row(
        Call("SetLoadBalancerListenerSSLCertificate", NONE | {"LoadBalancerPort": 80, "SSLCertificateId": CERTIFICATE}),
        NOT_FOUND,
    ),
]

ROWS = [*COOKIES, *ANY_TYPE, *DELETE, *DESCRIBE, *LISTENERS, *BACK_ENDS, *CERTIFICATES]
