"""Policies through boto3: defined, shown, set on listeners and back ends, protected while in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.integration.api.conftest import Elb, House, code, open_house

TCP_25 = {"Protocol": "TCP", "LoadBalancerPort": 25, "InstanceProtocol": "TCP", "InstancePort": 2500}
SECURE_26 = {"Protocol": "TCP", "LoadBalancerPort": 26, "InstanceProtocol": "SSL", "InstancePort": 2600}
REFUSED = ("InvalidConfigurationRequest", 409)


def public_key() -> str:
    made = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = made.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "".join(pem.decode("ascii").splitlines()[1:-1])


async def define(elb: Elb, name: str, type_name: str, *attributes: tuple[str, str]) -> None:
    await elb.create_load_balancer_policy(
        LoadBalancerName="web",
        PolicyName=name,
        PolicyTypeName=type_name,
        PolicyAttributes=[{"AttributeName": key, "AttributeValue": value} for key, value in attributes],
    )


async def described(elb: Elb, **given: Any) -> dict[str, dict[str, str]]:
    answer = await elb.describe_load_balancer_policies(**given)
    return {
        policy["PolicyName"]: {
            one["AttributeName"]: one["AttributeValue"] for one in policy["PolicyAttributeDescriptions"]
        }
        for policy in answer["PolicyDescriptions"]
    }


async def set_backend(elb: Elb, port: int, *names: str) -> None:
    await elb.set_load_balancer_policies_for_backend_server(
        LoadBalancerName="web", InstancePort=port, PolicyNames=list(names)
    )


async def set_listener(elb: Elb, port: int, *names: str) -> None:
    await elb.set_load_balancer_policies_of_listener(
        LoadBalancerName="web", LoadBalancerPort=port, PolicyNames=list(names)
    )


async def test_a_policy_of_each_type_is_shown_as_it_was_given(elb: Elb) -> None:
    await elb.create("web")
    key = public_key()
    await elb.create_app_cookie_stickiness_policy(LoadBalancerName="web", PolicyName="app", CookieName="JSESSIONID")
    await elb.create_lb_cookie_stickiness_policy(LoadBalancerName="web", PolicyName="browser")
    await define(elb, "minute", "LBCookieStickinessPolicyType", ("CookieExpirationPeriod", "60"))
    await define(elb, "proxy", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
    await define(elb, "key", "PublicKeyPolicyType", ("PublicKey", key))
    await define(elb, "trust", "BackendServerAuthenticationPolicyType", ("PublicKeyPolicyName", "key"))
    await define(elb, "tls", "SSLNegotiationPolicyType", ("Protocol-TLSv1.2", "true"), ("AES128-SHA", "true"))
    shown = await described(elb, LoadBalancerName="web")
    assert list(shown) == ["app", "browser", "minute", "proxy", "key", "trust", "tls"]
    tls = shown.pop("tls")
    assert {name for name, value in tls.items() if value == "true"} == {"Protocol-TLSv1.2", "AES128-SHA"}
    assert shown == {
        "app": {"CookieName": "JSESSIONID"},
        "browser": {"CookieExpirationPeriod": "0"},
        "minute": {"CookieExpirationPeriod": "60"},
        "proxy": {"ProxyProtocol": "true"},
        "key": {"PublicKey": key},
        "trust": {"PublicKeyPolicyName": "key"},
    }
    assert (await elb.describe("web"))["Policies"] == {
        "AppCookieStickinessPolicies": [{"PolicyName": "app", "CookieName": "JSESSIONID"}],
        "LBCookieStickinessPolicies": [
            {"PolicyName": "browser"},
            {"PolicyName": "minute", "CookieExpirationPeriod": 60},
        ],
        "OtherPolicies": ["proxy", "key", "trust", "tls"],
    }
    assert list(await described(elb, LoadBalancerName="web", PolicyNames=["tls", "app", "tls"])) == ["app", "tls"]
    with pytest.raises(ClientError, match="There is no policy with name none for load balancer web") as caught:
        await described(elb, LoadBalancerName="web", PolicyNames=["app", "none"])
    assert code(caught) == ("PolicyNotFound", 400)


async def test_what_is_predefined(elb: Elb) -> None:
    shown = await described(elb)
    assert next(iter(shown)) == "ELBSecurityPolicy-2016-08"
    assert shown["ELBSample-LBCookieStickinessPolicy"] == {"CookieExpirationPeriod": "100"}
    assert {len(one) for name, one in shown.items() if name.startswith("ELBSecurityPolicy-")} == {94}
    (strict,) = (await described(elb, PolicyNames=["ELBSecurityPolicy-FS-1-2-Res-2020-10"])).values()
    assert sum(value == "true" for value in strict.values()) == 6
    with pytest.raises(ClientError) as caught:
        await described(elb, PolicyNames=["mine"])
    assert code(caught) == ("PolicyNotFound", 400)
    types = (await elb.describe_load_balancer_policy_types())["PolicyTypeDescriptions"]
    assert len(types) == 6
    named = await elb.describe_load_balancer_policy_types(PolicyTypeNames=["ProxyProtocolPolicyType"])
    assert named["PolicyTypeDescriptions"] == [one for one in types if one["PolicyTypeName"].startswith("Proxy")]
    assert named["PolicyTypeDescriptions"][0]["PolicyAttributeTypeDescriptions"] == [
        {"AttributeName": "ProxyProtocol", "AttributeType": "Boolean", "Cardinality": "ONE"}
    ]
    with pytest.raises(ClientError) as caught:
        await elb.describe_load_balancer_policy_types(PolicyTypeNames=["ProxyProtocolPolicyType", "Other"])
    assert code(caught) == ("PolicyTypeNotFound", 400)


async def test_names_are_unique_and_counted(store_url: str) -> None:
    async with open_house(store_url, max_policies=2) as house:
        await house.elb.create("web")
        await define(house.elb, "one", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
        for type_name in ("ProxyProtocolPolicyType", "NoSuchType"):
            with pytest.raises(ClientError, match="Policy name one already exists") as caught:
                await define(house.elb, "one", type_name, ("ProxyProtocol", "true"))
            assert code(caught) == ("DuplicatePolicyName", 400)
        with pytest.raises(ClientError) as caught:
            await define(house.elb, "two", "NoSuchType")
        assert code(caught) == ("PolicyTypeNotFound", 400)
        await define(house.elb, "two", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
        with pytest.raises(ClientError) as caught:
            await define(house.elb, "three", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
        assert code(caught) == ("TooManyPolicies", 400)


async def test_policies_of_back_ends_are_pushed_and_outlive_their_listeners(house: House, elb: Elb) -> None:
    await elb.create("web", Listeners=[TCP_25, {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}])
    await house.start_update()
    await define(elb, "proxy", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
    await set_backend(elb, 2500, "proxy", "proxy")
    await set_backend(elb, 2500, "proxy")
    assert await house.pushed() == [2]
    assert (await elb.describe("web"))["BackendServerDescriptions"] == [
        {"InstancePort": 2500, "PolicyNames": ["proxy"]}
    ]
    with pytest.raises(ClientError, match=r"cannot delete policy \[proxy\]") as caught:
        await elb.delete_load_balancer_policy(LoadBalancerName="web", PolicyName="proxy")
    assert code(caught) == REFUSED
    await elb.delete_load_balancer_listeners(LoadBalancerName="web", LoadBalancerPorts=[25])
    assert len((await elb.describe("web"))["BackendServerDescriptions"]) == 1
    await set_backend(elb, 2500)
    assert (await elb.describe("web"))["BackendServerDescriptions"] == []
    for _ in range(2):
        await elb.delete_load_balancer_policy(LoadBalancerName="web", PolicyName="proxy")
    assert await described(elb, LoadBalancerName="web") == {}
    with pytest.raises(ClientError, match="InstancePort 2500") as caught:
        await set_backend(elb, 2500)
    assert code(caught) == REFUSED


async def test_keys_of_back_ends_are_in_use_through_the_policy_that_names_them(elb: Elb) -> None:
    await elb.create("web", Listeners=[SECURE_26, TCP_25])
    await define(elb, "key", "PublicKeyPolicyType", ("PublicKey", public_key()))
    await define(elb, "trust", "BackendServerAuthenticationPolicyType", ("PublicKeyPolicyName", "key"))
    await define(elb, "proxy", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
    await set_backend(elb, 2600, "proxy", "trust")
    for name in ("key", "trust"):
        with pytest.raises(ClientError, match="referred by other enabled policy") as caught:
            await elb.delete_load_balancer_policy(LoadBalancerName="web", PolicyName=name)
        assert code(caught) == REFUSED
    with pytest.raises(ClientError, match="speak HTTPS or SSL") as caught:
        await set_backend(elb, 2500, "trust")
    assert code(caught) == REFUSED
    await set_backend(elb, 2600)
    await elb.delete_load_balancer_policy(LoadBalancerName="web", PolicyName="key")
    with pytest.raises(ClientError) as caught:
        await define(elb, "again", "BackendServerAuthenticationPolicyType", ("PublicKeyPolicyName", "key"))
    assert code(caught) == REFUSED


async def test_what_cannot_carry_a_policy(house: House, elb: Elb) -> None:
    await elb.create("web", Listeners=[TCP_25, {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}])
    await define(elb, "proxy", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
    await define(elb, "proxy2", "ProxyProtocolPolicyType", ("ProxyProtocol", "true"))
    await define(elb, "tls", "SSLNegotiationPolicyType")
    await define(elb, "app", "AppCookieStickinessPolicyType", ("CookieName", "a"))
    await define(elb, "lb", "LBCookieStickinessPolicyType")
    before = await house.load_balancer("web")
    for port, names, reason in (
        (80, ["proxy"], "proxy cannot be enabled"),
        (80, ["tls"], "HTTPS and SSL listeners only"),
        (25, ["app"], "HTTP and HTTPS listeners only"),
        (80, ["app", "lb"], "only one cookie stickiness policy"),
    ):
        with pytest.raises(ClientError, match=reason) as caught:
            await set_listener(elb, port, *names)
        assert code(caught) == REFUSED
    for port, names, reason in (
        (2500, ["app"], "app cannot be enabled"),
        (2500, ["proxy", "proxy2"], "only one Proxy Protocol policy"),
        (9, ["proxy"], "InstancePort 9"),
    ):
        with pytest.raises(ClientError, match=reason) as caught:
            await set_backend(elb, port, *names)
        assert code(caught) == REFUSED
    with pytest.raises(ClientError, match="There is no policy with name none for load balancer web") as caught:
        await set_backend(elb, 2500, "none")
    assert code(caught) == ("PolicyNotFound", 400)
    assert await house.load_balancer("web") == before


async def test_an_operators_policies_and_the_originals_silence(store_url: str, tmp_path: Path) -> None:
    house_policy = {"name": "House", "protocols": ["TLSv1.2"], "server_cipher_order": False, "ciphers": ["AES128-SHA"]}
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"default": "House", "policies": [house_policy]}))
    chosen: dict[str, Any] = {"security_policies_file": file, "compatibility_unknown_policies_ignored": True}
    async with open_house(store_url, **chosen) as house:
        shown = await described(house.elb, PolicyNames=["House", "none"])
        assert list(shown) == ["House"]
        assert {name for name, value in shown["House"].items() if value == "true"} == {"Protocol-TLSv1.2", "AES128-SHA"}
        assert await described(house.elb, PolicyNames=["ELBSecurityPolicy-2016-08"]) == {}
        types = await house.elb.describe_load_balancer_policy_types(PolicyTypeNames=["none"])
        assert types["PolicyTypeDescriptions"] == []
        await house.elb.create("web")
        assert await described(house.elb, LoadBalancerName="web", PolicyNames=["none"]) == {}
