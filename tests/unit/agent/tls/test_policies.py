"""Which versions and ciphers a policy yields, and what is said of those that yield nothing."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elbflow.contract import cipher_suites, document
from elbflow_agent.haproxy import ciphers, model, tls
from elbflow_api.rules import policy_types

V = model.TlsVersion
EVERYTHING = frozenset(ciphers.CANONICAL)
FORBIDDEN = ("ADH-", "AECDH-", "EXP-", "NULL-", "PSK-", "KRB5-")


def policy(*enabled: str, **others: str) -> document.Policy:
    attributes = (*((name, "true") for name in enabled), *others.items())
    return document.Policy("mine", tls.NEGOTIATION, attributes)


def offered(*enabled: str) -> model.Tls:
    found, remark = tls.negotiated(policy(*enabled), EVERYTHING)
    assert remark is None
    return found


def predefined() -> list[dict[str, Any]]:
    text = importlib.resources.files("elbflow_api.data").joinpath("security-policies.json").read_text()
    return list(json.loads(text)["policies"])


def test_the_order_is_the_services_and_what_must_never_be_offered_is_not_in_it() -> None:
    allowed = [name for name in cipher_suites.ALL if not name.startswith(FORBIDDEN)]
    assert list(ciphers.CANONICAL) == allowed


def test_no_policy_is_the_default_one() -> None:
    found, remark = tls.negotiated(None)
    (default,) = [each for each in predefined() if each["name"] == tls.DEFAULT]
    assert remark is None
    assert list(found.ciphers) == default["ciphers"]
    assert (found.oldest, found.newest, found.server_order, found.legacy) == (V.V1_0, V.V1_2, True, True)


@pytest.mark.parametrize("name", [each["name"] for each in predefined()])
def test_every_predefined_policy_has_something_to_offer(name: str) -> None:
    (given_,) = [each for each in predefined() if each["name"] == name]
    enabled = [f"Protocol-{each}" for each in given_["protocols"]] + given_["ciphers"]
    found, remark = tls.negotiated(policy(*enabled, "Server-Defined-Cipher-Order"))
    assert remark is None
    assert set(found.ciphers) <= set(given_["ciphers"])
    assert list(found.ciphers) == sorted(found.ciphers, key=ciphers.CANONICAL.index)
    assert found.newest is not V.V1_3


def test_ciphers_come_in_canonical_order_whatever_the_policys() -> None:
    found = offered("Protocol-TLSv1.2", "AES256-SHA", "ECDHE-RSA-AES128-GCM-SHA256")
    assert found.ciphers == ("ECDHE-RSA-AES128-GCM-SHA256", "AES256-SHA")
    assert not found.server_order
    assert offered("Protocol-TLSv1.2", "AES256-SHA", "Server-Defined-Cipher-Order").server_order


@pytest.mark.parametrize(
    ("enabled", "oldest", "newest", "legacy"),
    [
        (("Protocol-TLSv1.2", "AES128-GCM-SHA256"), V.V1_2, V.V1_2, False),
        (("Protocol-TLSv1.2", "AES128-SHA"), V.V1_2, V.V1_2, True),
        (("Protocol-TLSv1.1", "Protocol-TLSv1.2", "AES128-GCM-SHA256"), V.V1_1, V.V1_2, True),
        (("Protocol-TLSv1", "AES128-SHA"), V.V1_0, V.V1_0, True),
        (("Protocol-SSLv3", "Protocol-TLSv1", "AES128-SHA"), V.V1_0, V.V1_0, True),
        (("Protocol-TLSv1.2", "Protocol-TLSv1.3", "AES128-GCM-SHA256"), V.V1_2, V.V1_3, False),
        (("Protocol-TLSv1.3",), V.V1_3, V.V1_3, False),
    ],
)
def test_versions(enabled: tuple[str, ...], oldest: V, newest: V, legacy: bool) -> None:
    found = offered(*enabled)
    assert (found.oldest, found.newest, found.legacy) == (oldest, newest, legacy)


@pytest.mark.parametrize(
    "enabled",
    [
        (),
        ("AES128-SHA",),
        ("Protocol-TLSv1.2",),
        ("Protocol-SSLv2", "Protocol-SSLv3", "AES128-SHA"),
        ("Protocol-TLSv1", "AES128-GCM-SHA256"),
        ("Protocol-TLSv1.2", "ADH-AES128-SHA", "EXP-RC4-MD5", "PSK-AES128-CBC-SHA", "KRB5-RC4-SHA"),
        ("Protocol-TLSv1.2", "ALL", "@SECLEVEL=0", "aNULL", "AES128-SHA:aNULL"),
    ],
)
def test_a_policy_of_which_nothing_is_left_falls_back_to_the_default_and_says_so(enabled: tuple[str, ...]) -> None:
    found, remark = tls.negotiated(policy(*enabled))
    assert found == tls.negotiated(None)[0]
    left = "policy 'mine' leaves no protocol with a cipher that can be offered"
    assert remark == f"{left}; ELBSecurityPolicy-2016-08 is in force instead"


def test_what_openssl_does_not_know_is_left_out() -> None:
    found, _ = tls.negotiated(policy("Protocol-TLSv1.2", "RC4-SHA", "AES128-SHA"), frozenset({"AES128-SHA"}))
    assert found.ciphers == ("AES128-SHA",)
    _, remark = tls.negotiated(policy("Protocol-TLSv1.2", "RC4-SHA"), EVERYTHING - {"RC4-SHA"})
    assert remark is not None


def test_a_gap_between_protocols_costs_the_older_ones() -> None:
    found, remark = tls.negotiated(policy("Protocol-TLSv1", "Protocol-TLSv1.2", "AES128-SHA"))
    assert (found.oldest, found.newest) == (V.V1_2, V.V1_2)
    assert remark == "policy 'mine' has a gap between its protocols; offered from TLSv1.2 on"


def test_values_are_true_or_nothing() -> None:
    found, _ = tls.negotiated(policy("Protocol-TLSv1.2", "AES128-SHA", **{"AES256-SHA": "yes", "Protocol-TLSv1": ""}))
    assert (found.ciphers, found.oldest) == (("AES128-SHA",), V.V1_2)


@given(st.sets(st.sampled_from([*policy_types.SWITCHES, "Protocol-TLSv1.3", "ALL", "AES128-SHA\n    bind :1"])))
def test_whatever_is_switched_on_can_be_offered_and_is_allowed(enabled: set[str]) -> None:
    found, remark = tls.negotiated(policy(*enabled))
    assert found.ciphers
    assert set(found.ciphers) <= ciphers.known()
    assert list(found.ciphers) == sorted(found.ciphers, key=ciphers.CANONICAL.index)
    if remark is None and found.oldest is not V.V1_3:
        assert set(found.ciphers) <= enabled
    if "Protocol-TLSv1.3" not in enabled:
        assert found.newest is not V.V1_3


ARN = "arn:aws:iam::000000000001:server-certificate/one"
CERTIFICATE = model.Certificate("ab" * 32, "AB" * 20)


def test_a_front_has_its_certificate_and_its_remarks() -> None:
    listener = document.Listener(document.Protocol.HTTPS, 443, document.Protocol.HTTP, 80, ARN)
    others = document.Policy("c", "LBCookieStickinessPolicyType")
    seen = []

    def lookup(arn: str, port: int) -> tls.Usable:
        seen.append((arn, port))
        return tls.Usable(CERTIFICATE, "it is old")

    front = tls.front(listener, (others, policy("Protocol-TLSv1.2")), lookup)
    assert seen == [(ARN, 443)]
    assert front.certificate == CERTIFICATE
    assert front.remarks[0] == "it is old"
    assert "is in force instead" in front.remarks[1]
    with pytest.raises(tls.Unusable, match="the listener has no certificate"):
        tls.front(document.Listener(document.Protocol.SSL, 443, document.Protocol.TCP, 80), (), lookup)
    with pytest.raises(tls.Unusable, match="cannot be had here"):
        tls.front(listener, (), tls.nothing)


@pytest.mark.parametrize(
    ("enabled", "elliptic", "misfits"),
    [
        (("Protocol-TLSv1.2", "ECDHE-RSA-AES128-SHA", "AES128-SHA"), True, "elliptic-curve"),
        (("Protocol-TLSv1.2", "ECDHE-ECDSA-AES128-SHA", "DHE-DSS-AES128-SHA"), False, "RSA"),
        (("Protocol-TLSv1.2", "Protocol-TLSv1.3", "ECDHE-ECDSA-AES128-SHA"), False, None),
        (("Protocol-TLSv1.2", "ECDHE-ECDSA-AES128-SHA", "AES128-SHA"), False, None),
        (("Protocol-TLSv1.2", "ECDHE-ECDSA-AES128-SHA"), None, None),
    ],
)
def test_ciphers_that_no_key_of_the_certificate_fits_are_remarked_upon(
    enabled: tuple[str, ...], elliptic: bool | None, misfits: str | None
) -> None:
    listener = document.Listener(document.Protocol.SSL, 443, document.Protocol.TCP, 80, ARN)
    front = tls.front(listener, (policy(*enabled),), lambda _arn, _port: tls.Usable(CERTIFICATE, elliptic=elliptic))
    expected = (f"none of the ciphers can be used with the certificate's {misfits} key",) if misfits else ()
    assert front.remarks == expected
