"""The predefined security policies, and the operator's file (spec/elb-control-plane 3.2, 3.4)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elbflow.contract import document
from elbflow_api import __main__
from elbflow_api.rules import listeners, policy_types, security_policies

GCM = {f"ECDHE-{key}-AES{bits}" for key in ("ECDSA", "RSA") for bits in ("128-GCM-SHA256", "256-GCM-SHA384")}
CBC_SHA2 = {f"ECDHE-{key}-AES{bits}" for key in ("ECDSA", "RSA") for bits in ("128-SHA256", "256-SHA384")}
CBC_SHA1 = {f"ECDHE-{key}-AES{bits}-SHA" for key in ("ECDSA", "RSA") for bits in ("128", "256")}
FORWARD_SECRET = GCM | CBC_SHA2 | CBC_SHA1
RSA_SHA2 = {"AES128-GCM-SHA256", "AES128-SHA256", "AES256-GCM-SHA384", "AES256-SHA256"}
BASE = FORWARD_SECRET | RSA_SHA2 | {"AES128-SHA", "AES256-SHA"}
DHE = {"DHE-RSA-AES128-SHA", "DHE-DSS-AES128-SHA"}
RC4 = {"ECDHE-RSA-RC4-SHA", "RC4-SHA"}

EXPECTED = {
    "2016-08": ({"TLSv1", "TLSv1.1", "TLSv1.2"}, BASE),
    "2015-05": ({"TLSv1", "TLSv1.1", "TLSv1.2"}, BASE | {"DES-CBC3-SHA"}),
    "2015-03": ({"TLSv1", "TLSv1.1", "TLSv1.2"}, BASE | DHE | {"DES-CBC3-SHA"}),
    "2015-02": ({"TLSv1", "TLSv1.1", "TLSv1.2"}, BASE | DHE),
    "2014-10": ({"TLSv1", "TLSv1.1", "TLSv1.2"}, BASE | DHE | RC4),
    "2014-01": ({"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"}, BASE | DHE | RC4),
    "TLS-1-1-2017-01": ({"TLSv1.1", "TLSv1.2"}, BASE),
    "TLS-1-2-2017-01": ({"TLSv1.2"}, GCM | CBC_SHA2 | RSA_SHA2),
    "TLS-1-2-Ext-2018-06": ({"TLSv1.2"}, BASE),
    "FS-2018-06": ({"TLSv1", "TLSv1.1", "TLSv1.2"}, FORWARD_SECRET),
    "FS-1-1-2019-08": ({"TLSv1.1", "TLSv1.2"}, FORWARD_SECRET),
    "FS-1-2-2019-08": ({"TLSv1.2"}, FORWARD_SECRET),
    "FS-1-2-Res-2019-08": ({"TLSv1.2"}, GCM | CBC_SHA2),
    "FS-1-2-Res-2020-10": ({"TLSv1.2"}, GCM),
}


def enabled(name: str) -> set[str]:
    return {attribute for attribute, _ in security_policies.PACKAGED.policies[name].attributes}


@pytest.mark.parametrize("date", EXPECTED)
def test_each_set_has_the_protocols_and_ciphers_of_aws(date: str) -> None:
    protocols, ciphers = EXPECTED[date]
    wanted = {f"Protocol-{one}" for one in protocols} | ciphers | {"Server-Defined-Cipher-Order"}
    assert enabled(f"ELBSecurityPolicy-{date}") == wanted


def test_the_oldest_set_leaves_the_order_to_clients() -> None:
    oldest = enabled("ELBSecurityPolicy-2011-08")
    assert {"Protocol-SSLv3", "Protocol-TLSv1"} == {name for name in oldest if name.startswith("Protocol")}
    assert "Server-Defined-Cipher-Order" not in oldest
    assert len(oldest) == 18


def test_what_is_predefined() -> None:
    names = set(security_policies.PACKAGED.policies)
    samples = {"ELBSample-AppCookieStickinessPolicy", "ELBSample-LBCookieStickinessPolicy"}
    assert names == {f"ELBSecurityPolicy-{date}" for date in (*EXPECTED, "2011-08")} | samples
    assert security_policies.PACKAGED.default.name == "ELBSecurityPolicy-2016-08"


def _listener(protocol: document.Protocol, port: int) -> document.Listener:
    return document.Listener(protocol, port, document.Protocol.TCP, 1000 + port)


def test_encrypted_listeners_begin_with_the_default_policy() -> None:
    ssl, tcp = _listener(document.Protocol.SSL, 443), _listener(document.Protocol.TCP, 80)
    default = security_policies.PACKAGED.default_policy()
    attached, added = listeners.with_default_policy((tcp, ssl), (), security_policies.PACKAGED)
    assert [one.policy_names for one in attached] == [(), (default.name,)]
    assert added == (default,)
    assert default.attributes[0] == (policy_types.REFERENCE, default.name)
    attached, added = listeners.with_default_policy((ssl,), (default,), security_policies.PACKAGED)
    assert (attached[0].policy_names, added) == ((default.name,), ())
    assert listeners.with_default_policy((tcp,), (), security_policies.PACKAGED) == ((tcp,), ())


def test_a_policy_of_that_name_and_another_type_is_not_attached() -> None:
    ssl = _listener(document.Protocol.SSL, 443)
    other = document.Policy("ELBSecurityPolicy-2016-08", policy_types.PROXY_PROTOCOL, (("ProxyProtocol", "true"),))
    assert listeners.with_default_policy((ssl,), (other,), security_policies.PACKAGED) == ((ssl,), ())


GOOD = {"name": "House-2026", "protocols": ["TLSv1.2"], "server_cipher_order": True, "ciphers": ["AES128-GCM-SHA256"]}


def test_an_operators_file_replaces_them(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"default": "House-2026", "policies": [GOOD]}))
    loaded = security_policies.load(file)
    assert [name for name in loaded.policies if not name.startswith("ELBSample-")] == ["House-2026"]
    assert loaded.default_policy().attributes == (
        ("Reference-Security-Policy", "House-2026"),
        ("Protocol-TLSv1.2", "true"),
        ("Server-Defined-Cipher-Order", "true"),
        ("AES128-GCM-SHA256", "true"),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Invalid JSON"),
        ({"default": "House-2026", "policies": []}, "policies"),
        ({"default": "other", "policies": [GOOD]}, "the default other is not among the policies"),
        ({"default": "House-2026", "policies": [GOOD, GOOD]}, "more than one policy is named House-2026"),
        ({"default": "House-2026", "policies": [GOOD | {"ciphers": ["ROT13"]}]}, "there are no ciphers ROT13"),
        ({"default": "House-2026", "policies": [GOOD | {"protocols": ["TLSv3"]}]}, "protocols"),
        ({"default": "House-2026", "policies": [GOOD | {"cipher": []}]}, "policies.0.cipher: Extra inputs"),
        ({"default": "a b", "policies": [GOOD | {"name": "a b"}]}, "policies.0.name"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(content: object, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(security_policies.BadSecurityPolicies) as caught:
        security_policies.load(file)
    assert reason in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(security_policies.BadSecurityPolicies, match="No such file"):
        security_policies.load(tmp_path / "none.json")


def test_the_service_does_not_start_with_a_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"default": "none", "policies": [GOOD]}))
    monkeypatch.setenv("ELBFLOW_SECURITY_POLICIES_FILE", str(file))
    assert __main__.main(["serve", "--store", "sqlite+aiosqlite://"]) == 2
    assert "the default none is not among the policies" in capsys.readouterr().err
