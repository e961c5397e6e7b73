"""Which policies users may define, and how they are shown (spec/elb-control-plane 3)."""

from __future__ import annotations

import base64
import datetime
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from elbflow.contract import document
from elbflow_api import query
from elbflow_api.rules import policies, policy_types, security_policies

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode("ascii")
)
BARE = "".join(PUBLIC_PEM.splitlines()[1:-1])
EXISTING = (document.Policy("key", policy_types.PUBLIC_KEY, (("PublicKey", BARE),)),)


def _certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "backend")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii")


def read(type_name: str, *given: tuple[str, str]) -> document.Policy:
    params = query.Params(
        {
            "PolicyTypeName": type_name,
            "PolicyAttributes": [{"AttributeName": name, "AttributeValue": value} for name, value in given],
        }
    )
    return policies.read("mine", params, EXISTING, security_policies.PACKAGED)


def refusal(type_name: str, *given: tuple[str, str]) -> str:
    with pytest.raises(query.Fault) as caught:
        read(type_name, *given)
    assert (caught.value.code, caught.value.status) == ("InvalidConfigurationRequest", 409)
    return caught.value.message


def test_six_types_with_their_attributes() -> None:
    shown = {
        name: {(one.kind.value, one.cardinality.value) for one in policy_type.attributes.values()}
        for name, policy_type in policy_types.TYPES.items()
    }
    assert shown == {
        "AppCookieStickinessPolicyType": {("String", "ONE")},
        "LBCookieStickinessPolicyType": {("Long", "ZERO_OR_ONE")},
        "SSLNegotiationPolicyType": {("String", "ZERO_OR_ONE"), ("Boolean", "ZERO_OR_ONE")},
        "BackendServerAuthenticationPolicyType": {("PolicyName", "ONE_OR_MORE")},
        "ProxyProtocolPolicyType": {("Boolean", "ONE")},
        "PublicKeyPolicyType": {("String", "ONE")},
    }
    negotiation = policy_types.TYPES["SSLNegotiationPolicyType"].attributes
    assert len(negotiation) == 95  # a reference, 5 protocols, whose order counts, 88 ciphers
    assert {"Reference-Security-Policy", "Protocol-TLSv1.2", "Server-Defined-Cipher-Order"} <= negotiation.keys()


def test_a_type_that_does_not_exist() -> None:
    with pytest.raises(query.Fault) as caught:
        read("NoSuchPolicyType")
    assert (caught.value.code, caught.value.status) == ("PolicyTypeNotFound", 400)


@pytest.mark.parametrize(
    ("type_name", "given"),
    [
        ("AppCookieStickinessPolicyType", [("CookieName", "session.id")]),
        ("LBCookieStickinessPolicyType", [("CookieExpirationPeriod", "60")]),
        ("LBCookieStickinessPolicyType", []),
        ("ProxyProtocolPolicyType", [("ProxyProtocol", "True")]),
        ("ProxyProtocolPolicyType", [("ProxyProtocol", "false")]),
        ("BackendServerAuthenticationPolicyType", [("PublicKeyPolicyName", "key")]),
        ("PublicKeyPolicyType", [("PublicKey", BARE)]),
        ("PublicKeyPolicyType", [("PublicKey", PUBLIC_PEM)]),
        ("PublicKeyPolicyType", [("PublicKey", _certificate())]),
        ("PublicKeyPolicyType", [("PublicKey", "".join(_certificate().splitlines()[1:-1]))]),
    ],
)
def test_possible_policies_are_kept_as_given(type_name: str, given: list[tuple[str, str]]) -> None:
    assert read(type_name, *given) == document.Policy("mine", type_name, tuple(given))


@pytest.mark.parametrize(
    ("type_name", "given", "reason"),
    [
        ("AppCookieStickinessPolicyType", [], "requires attribute CookieName"),
        ("AppCookieStickinessPolicyType", [("CookieName", "")], "must be given"),
        ("AppCookieStickinessPolicyType", [("CookieName", "a;b")], "CookieName must consist of"),
        ("AppCookieStickinessPolicyType", [("CookieName", "a\n")], "CookieName must consist of"),
        ("AppCookieStickinessPolicyType", [("CookieName", "AWSELB")], "cannot be AWSELB"),
        ("AppCookieStickinessPolicyType", [("CookieName", "a"), ("CookieName", "b")], "only once"),
        ("AppCookieStickinessPolicyType", [("Cookie", "a")], "has no attribute 'Cookie'"),
        ("AppCookieStickinessPolicyType", [("", "a")], "has no attribute ''"),
        ("LBCookieStickinessPolicyType", [("CookieExpirationPeriod", "soon")], "must be a number"),
        ("LBCookieStickinessPolicyType", [("CookieExpirationPeriod", "-1")], "must be a number"),
        ("LBCookieStickinessPolicyType", [("CookieExpirationPeriod", "٣")], "must be a number"),
        ("LBCookieStickinessPolicyType", [("CookieExpirationPeriod", "9999999999")], "cannot exceed"),
        ("ProxyProtocolPolicyType", [], "requires attribute ProxyProtocol"),
        ("ProxyProtocolPolicyType", [("ProxyProtocol", "yes")], "must be true or false"),
        ("SSLNegotiationPolicyType", [("Protocol-TLSv1.9", "true")], "has no attribute"),
        ("SSLNegotiationPolicyType", [("AES128-SHA", "maybe")], "must be true or false"),
        ("SSLNegotiationPolicyType", [("AES128-SHA", "true"), ("AES128-SHA", "false")], "only once"),
        ("SSLNegotiationPolicyType", [("Reference-Security-Policy", "mine")], "no predefined security policy 'mine'"),
        (
            "SSLNegotiationPolicyType",
            [("Reference-Security-Policy", "ELBSample-LBCookieStickinessPolicy")],
            "no predefined security policy",
        ),
        ("SSLNegotiationPolicyType", [("AES128-SHA", "true")], "at least one protocol"),
        ("SSLNegotiationPolicyType", [("Protocol-TLSv1.2", "true")], "at least one cipher"),
        (
            "SSLNegotiationPolicyType",
            [("Protocol-TLSv1.2", "false"), ("AES128-SHA", "false"), ("Server-Defined-Cipher-Order", "true")],
            "at least one protocol",
        ),
        ("BackendServerAuthenticationPolicyType", [], "requires attribute PublicKeyPolicyName"),
        (
            "BackendServerAuthenticationPolicyType",
            [("PublicKeyPolicyName", "key"), ("PublicKeyPolicyName", "nokey")],
            "no public key policies nokey",
        ),
        ("PublicKeyPolicyType", [("PublicKey", "not a key")], "not a public key"),
        ("PublicKeyPolicyType", [("PublicKey", "Schlüssel")], "not a public key"),
        ("PublicKeyPolicyType", [("PublicKey", "-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----")], "not a public"),
        (
            "PublicKeyPolicyType",
            [("PublicKey", base64.b64encode(b"\x30\x03\x02\x01\x01").decode())],
            "not a public key",
        ),
        ("PublicKeyPolicyType", [("PublicKey", "A" * 9000)], "longer than 8192"),
    ],
)
def test_impossible_policies(type_name: str, given: list[tuple[str, str]], reason: str) -> None:
    assert reason in refusal(type_name, *given)


def test_damaged_keys_are_refused_and_nothing_worse() -> None:
    rng = random.Random(1)
    whole = [base64.b64decode(text) for text in (BARE, "".join(_certificate().splitlines()[1:-1]))]
    outcomes = set()
    for _ in range(4000):
        der = bytearray(rng.choice(whole))
        for _ in range(rng.randint(0, 3)):
            der[rng.randrange(min(len(der), 60))] = rng.randrange(256)
        try:
            read("PublicKeyPolicyType", ("PublicKey", base64.b64encode(der).decode("ascii")))
            outcomes.add("accepted")
        except query.Fault as fault:
            outcomes.add(fault.code)
    assert outcomes == {"accepted", "InvalidConfigurationRequest"}


def test_a_private_key_is_no_public_key_and_is_not_quoted() -> None:
    secret = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
    for text in (secret, "".join(secret.splitlines()[1:-1])):
        message = refusal("PublicKeyPolicyType", ("PublicKey", text))
        assert secret.splitlines()[1] not in message


def test_a_period_of_zero_is_that_of_the_browser_and_shown_so() -> None:
    policy = read("LBCookieStickinessPolicyType", ("CookieExpirationPeriod", "0"))
    assert policy.attributes == ()
    assert policy_types.shown(policy) == (("CookieExpirationPeriod", "0"),)


def test_a_public_key_policy_named_twice_counts_once() -> None:
    policy = read(
        "BackendServerAuthenticationPolicyType", ("PublicKeyPolicyName", "key"), ("PublicKeyPolicyName", "key")
    )
    assert policy.attributes == (("PublicKeyPolicyName", "key"),)


def test_a_reference_brings_what_the_predefined_policy_enables_and_nothing_else() -> None:
    policy = read(
        "SSLNegotiationPolicyType",
        ("Protocol-SSLv3", "true"),
        ("Reference-Security-Policy", "ELBSecurityPolicy-TLS-1-2-2017-01"),
    )
    shown = policy_types.shown(policy)
    assert shown[0] == ("Reference-Security-Policy", "ELBSecurityPolicy-TLS-1-2-2017-01")
    enabled = {name for name, value in shown if value == "true"}
    assert {name for name in enabled if name.startswith("Protocol")} == {"Protocol-TLSv1.2"}
    assert "Server-Defined-Cipher-Order" in enabled
    assert "AES128-SHA" not in enabled
    assert len(shown) == 95


def test_a_custom_negotiation_is_kept_short_and_shown_in_full() -> None:
    policy = read(
        "SSLNegotiationPolicyType",
        ("AES256-SHA", "true"),
        ("ECDHE-RSA-AES128-GCM-SHA256", "TRUE"),
        ("Protocol-TLSv1.2", "true"),
        ("Protocol-SSLv3", "false"),
    )
    assert [name for name, _ in policy.attributes] == ["Protocol-TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", "AES256-SHA"]
    shown = dict(policy_types.shown(policy))
    assert len(shown) == 94
    assert (shown["AES256-SHA"], shown["Protocol-SSLv3"], shown["RC4-SHA"]) == ("true", "false", "false")


def test_a_negotiation_without_attributes_is_the_default_one() -> None:
    assert read("SSLNegotiationPolicyType").attributes == security_policies.PACKAGED.default.attributes
