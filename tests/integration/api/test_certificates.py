"""Listeners with certificates: which are accepted, what they begin with, how one is replaced."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, BOTH, OTHER_KEY, Elb, House, code

from elbflow import store

DATABASES = BOTH

DEFAULT = "ELBSecurityPolicy-2016-08"


def arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:server-certificate/{name}"


def https(name: str = "one", port: int = 443, **more: Any) -> dict[str, Any]:
    return {
        "Protocol": "HTTPS",
        "LoadBalancerPort": port,
        "InstanceProtocol": "HTTP",
        "InstancePort": 8000,
        "SSLCertificateId": arn(name),
    } | more


@pytest.fixture
async def shopper(house: House) -> Elb:
    """The client, after its account uploaded the certificates ``one`` and ``two``; another account has ``three``."""
    async with house.db.transaction() as tx:
        for account, name in ((ACCOUNT, "one"), (ACCOUNT, "two"), (OTHER_KEY.account, "three")):
            await tx.server_certificates.add(
                store.ServerCertificate(
                    account, name, "/", f"ASCA{name}", arn(name, account), "body", None, b"sealed", 0.0, 1e10
                )
            )
    return house.elb


async def served(elb: Elb, port: int = 443) -> dict[str, Any]:
    shown = await elb.describe("web")
    return next(one for one in shown["ListenerDescriptions"] if one["Listener"]["LoadBalancerPort"] == port)


def set_certificate(elb: Elb, certificate: str, port: int = 443) -> Any:
    return elb.set_load_balancer_listener_ssl_certificate(
        LoadBalancerName="web", LoadBalancerPort=port, SSLCertificateId=certificate
    )


async def test_encrypted_listeners_begin_with_the_default_policy(house: House, shopper: Elb) -> None:
    await shopper.create("web", Listeners=[https()])
    assert await served(shopper) == {"Listener": https(), "PolicyNames": [DEFAULT]}
    await shopper.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[https("two", 8443), https()])
    assert (await served(shopper, 8443))["PolicyNames"] == [DEFAULT]
    answer = await shopper.describe_load_balancer_policies(LoadBalancerName="web")
    (policy,) = answer["PolicyDescriptions"]
    assert policy["PolicyAttributeDescriptions"][0] == {
        "AttributeName": "Reference-Security-Policy",
        "AttributeValue": DEFAULT,
    }
    await shopper.create("web", Listeners=[https(), https("two", 8443)])
    assert await house.generation("web") == 2


async def test_a_listener_can_have_another_security_policy(shopper: Elb) -> None:
    await shopper.create("web", Listeners=[https()])
    await shopper.create_load_balancer_policy(
        LoadBalancerName="web",
        PolicyName="strict",
        PolicyTypeName="SSLNegotiationPolicyType",
        PolicyAttributes=[
            {"AttributeName": "Reference-Security-Policy", "AttributeValue": "ELBSecurityPolicy-TLS-1-2-2017-01"}
        ],
    )
    await shopper.create_lb_cookie_stickiness_policy(LoadBalancerName="web", PolicyName="sticky")
    change = shopper.set_load_balancer_policies_of_listener
    await change(LoadBalancerName="web", LoadBalancerPort=443, PolicyNames=["strict", "sticky"])
    assert (await served(shopper))["PolicyNames"] == ["strict", "sticky"]
    with pytest.raises(ClientError, match="only one SSL negotiation policy") as caught:
        await change(LoadBalancerName="web", LoadBalancerPort=443, PolicyNames=["strict", DEFAULT])
    assert code(caught) == ("InvalidConfigurationRequest", 409)
    await shopper.delete_load_balancer_policy(LoadBalancerName="web", PolicyName=DEFAULT)
    await change(LoadBalancerName="web", LoadBalancerPort=443, PolicyNames=[])
    assert (await served(shopper))["PolicyNames"] == []


async def test_certificates_that_are_not_the_accounts_own(house: House, shopper: Elb) -> None:
    theirs = arn("three", OTHER_KEY.account)
    for certificate in (theirs, arn("none"), "arn", "arn:aws:acm:us-east-1:123456789012:certificate/1"):
        with pytest.raises(ClientError, match="Server Certificate not found for the key: arn") as caught:
            await shopper.create("web", Listeners=[https(SSLCertificateId=certificate)])
        assert code(caught) == ("CertificateNotFound", 400)
    assert await house.load_balancer("web") is None
    with pytest.raises(ClientError, match="Secure Listeners need to specify a SSLCertificateId") as caught:
        await shopper.create("web", Listeners=[https(SSLCertificateId="")])
    assert code(caught) == ("ValidationError", 400)
    await shopper.create("web")
    before = await house.load_balancer("web")
    with pytest.raises(ClientError) as caught:
        await shopper.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[https(SSLCertificateId=theirs)])
    assert code(caught) == ("CertificateNotFound", 400)
    secure = https(InstanceProtocol="HTTPS")
    with pytest.raises(ClientError, match="InstancePort 8000") as caught:
        await shopper.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[secure])
    assert code(caught) == ("InvalidConfigurationRequest", 409)
    assert await house.load_balancer("web") == before


async def test_the_same_listener_with_another_certificate_is_another_listener(shopper: Elb) -> None:
    await shopper.create("web", Listeners=[https()])
    with pytest.raises(ClientError) as caught:
        await shopper.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[https("two")])
    assert code(caught) == ("DuplicateListener", 400)


async def test_a_certificate_is_replaced(house: House, shopper: Elb) -> None:
    await shopper.create("web", Listeners=[https(), {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}])
    await set_certificate(shopper, arn("two"))
    assert (await served(shopper))["Listener"]["SSLCertificateId"] == arn("two")
    assert house.shop.calls[-1] == ("commit_certificate", "web")
    assert await house.generation("web") == 2
    await set_certificate(shopper, arn("two"))
    assert await house.generation("web") == 2
    for port, certificate, expected in (
        (444, arn("one"), ("ListenerNotFound", 400)),
        (0, arn("one"), ("ListenerNotFound", 400)),
        (80, arn("one"), ("InvalidConfigurationRequest", 409)),
        (443, arn("three", OTHER_KEY.account), ("CertificateNotFound", 400)),
        (443, "", ("CertificateNotFound", 400)),
    ):
        with pytest.raises(ClientError) as caught:
            await set_certificate(shopper, certificate, port)
        assert code(caught) == expected
    assert (await served(shopper))["Listener"]["SSLCertificateId"] == arn("two")


async def test_a_certificate_that_cannot_be_authorised_is_taken_back(house: House, shopper: Elb) -> None:
    await shopper.create("web", Listeners=[https()])
    house.shop.refuse["web"] = "the role is full"
    with pytest.raises(ClientError, match="the role is full") as caught:
        await set_certificate(shopper, arn("two"))
    assert code(caught) == ("InternalFailure", 400)
    assert (await served(shopper))["Listener"]["SSLCertificateId"] == arn("one")


async def test_changes_of_one_listeners_certificate_come_one_after_the_other(house: House, shopper: Elb) -> None:
    await shopper.create("web", Listeners=[https()])
    house.shop.hold["web"] = asyncio.Event()
    first = asyncio.create_task(set_certificate(shopper, arn("two")))
    await house.first_open("SetLoadBalancerListenerSSLCertificate")
    again = asyncio.create_task(set_certificate(shopper, arn("two")))
    back = asyncio.create_task(set_certificate(shopper, arn("one")))
    await asyncio.sleep(0.2)
    assert [again.done(), back.done()] == [False, False]
    house.shop.hold.pop("web").set()
    await asyncio.gather(first, again, back)
    changes = [name for step, name in house.shop.calls if step == "commit_certificate"]
    assert len(changes) in (2, 3)  # the repetition may come after the change back
    assert (await served(shopper))["Listener"]["SSLCertificateId"] in (arn("one"), arn("two"))


async def test_a_listener_that_goes_while_its_certificate_is_changed(house: House, shopper: Elb) -> None:
    await shopper.create("web", Listeners=[https(), {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8000}])
    house.shop.hold["web"] = asyncio.Event()
    change = asyncio.create_task(set_certificate(shopper, arn("two")))
    await house.first_open("SetLoadBalancerListenerSSLCertificate")
    async with house.db.transaction() as tx:
        found = await house.load_balancer("web")
        assert found is not None
        await tx.load_balancers.delete_listeners(found.id, [443])
    house.shop.refuse["web"] = "there is no listener"
    house.shop.hold.pop("web").set()
    with pytest.raises(ClientError) as caught:
        await change
    assert code(caught) == ("ListenerNotFound", 400)


async def test_a_certificate_that_one_listener_gives_up_is_not_taken_from_another_that_gets_it(
    house: House, shopper: Elb
) -> None:
    """Permissions belong to the load balancer: whoever takes one away looks at all of its listeners before."""
    await shopper.create("web", Listeners=[https("one", 443), https("two", 8443)])
    house.shop.hold["web"] = asyncio.Event()
    first = asyncio.create_task(set_certificate(shopper, arn("two"), 443))
    await house.first_open("SetLoadBalancerListenerSSLCertificate")
    others = [
        asyncio.create_task(set_certificate(shopper, arn("one"), 8443)),
        asyncio.create_task(
            shopper.create_load_balancer_listeners(LoadBalancerName="web", Listeners=[https("one", 444)])
        ),
    ]
    await asyncio.sleep(0.2)
    shown = await house.load_balancer("web")
    assert shown is not None
    assert [(one.port, one.certificate_arn) for one in shown.listeners] == [(443, arn("two")), (8443, arn("two"))]
    house.shop.hold.pop("web").set()
    await asyncio.gather(first, *others)
    assert len((await shopper.describe("web"))["ListenerDescriptions"]) == 3
    assert (await served(shopper, 8443))["Listener"]["SSLCertificateId"] == arn("one")
