"""Users, roles and temporary keys: what their policies let boto3's clients do, and what stays out of their sight."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, KEY, OTHER_KEY, Elb, House, code, open_house
from tests.integration.api.iam.conftest import Iam
from tests.unit.api.iam.conftest import issue

from elbflow import store

ELB = "elasticloadbalancing"
LB = f"arn:aws:{ELB}:us-east-1:{ACCOUNT}:loadbalancer"
USER = f"arn:aws:iam::{ACCOUNT}:user/staff/bob"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"
BOB = store.AccessKey("AKIAELBFLOWTESTS0BOB", "secret-of-bob", ACCOUNT, principal=USER)
SESSION = store.AccessKey(
    "ASIAELBFLOWTESTS0001",
    "secret-of-the-session",
    ACCOUNT,
    principal=ROLE,
    session_name="night",
    session_token="token/of+the==session",
    expires_at=time.time() + 3600,
)
ADMIN = store.AccessKey("AKIAELBFLOWTESTS0ADM", "secret-of-the-administrator", "000000000001", admin=True)


def allow(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"{ELB}:{action}" for action in actions], "Resource": resource} | more


def deny(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(*actions, resource=resource, **more) | {"Effect": "Deny"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def client(house: House, key: store.AccessKey) -> Elb:
    return Elb(house.api.url, key.access_key_id, key.secret_access_key, key.session_token)


async def let(house: House, *statements: dict[str, Any], key: store.AccessKey = BOB) -> Elb:
    """A client of a user or role who may do this and nothing else."""
    assert key.principal is not None
    async with house.db.transaction() as tx:
        if await tx.principals.find(key.principal) is None:
            kind, _, path = key.principal.split(":", 5)[5].partition("/")
            await tx.principals.add(
                store.Principal(key.principal, ACCOUNT, store.PrincipalKind(kind), path.rpartition("/")[2], 0.0)
            )
        await tx.access_keys.save(key)
        await tx.principals.put_policy(key.principal, "all", document(*statements))
    return client(house, key)


async def refusal(call: Any) -> tuple[tuple[str, int], str]:
    with pytest.raises(ClientError) as caught:
        await call
    return code(caught), str(caught.value)


def names(answer: Any) -> list[str]:
    return [one["LoadBalancerName"] for one in answer["LoadBalancerDescriptions"]]


@pytest.fixture
async def shop(house: House) -> House:
    """Two load balancers, ``web`` and ``mail``."""
    await house.elb.create("web", Tags=[{"Key": "Team", "Value": "a"}])
    await house.elb.create("mail", Tags=[{"Key": "Team", "Value": "b"}])
    return house


ABSENT = ("LoadBalancerNotFound", 400)
REFUSED = ("AccessDenied", 403)


async def test_a_user_without_policies_may_do_nothing(shop: House) -> None:
    bob = await let(shop, allow("NothingThatIsThere"))
    for call in (
        bob.describe_load_balancers(),
        bob.create("new"),
        bob.delete_load_balancer(LoadBalancerName="web"),
        bob.describe_load_balancer_policy_types(),
        bob.describe_account_limits(),
    ):
        code, message = await refusal(call)
        assert code == REFUSED
        assert f"User: {USER} is not authorized to perform: {ELB}:" in message
    assert await shop.load_balancer("web") is not None


async def hidden(bob: Elb, name: str) -> list[tuple[tuple[str, int], str]]:
    """How every kind of call is refused."""
    attributes = {"CrossZoneLoadBalancing": {"Enabled": True}}
    return [
        await refusal(bob.describe_load_balancers(LoadBalancerNames=["web", name])),
        await refusal(bob.describe_instance_health(LoadBalancerName=name)),
        await refusal(bob.delete_load_balancer(LoadBalancerName=name)),
        await refusal(bob.describe_tags(LoadBalancerNames=[name])),
        await refusal(bob.add_tags(LoadBalancerNames=[name], Tags=[{"Key": "a", "Value": "b"}])),
        await refusal(bob.modify_load_balancer_attributes(LoadBalancerName=name, LoadBalancerAttributes=attributes)),
    ]


async def test_what_is_not_for_a_user_looks_absent(shop: House) -> None:
    bob = await let(shop, allow("*", resource=f"{LB}/web"))
    assert names(await bob.describe_load_balancers()) == ["web"]
    assert names(await bob.describe_load_balancers(LoadBalancerNames=["WEB"])) == ["web"]
    there, never = await hidden(bob, "mail"), await hidden(bob, "none")
    assert {code for code, _ in there} == {ABSENT}
    assert [message.replace("mail", "none") for _, message in there] == [message for _, message in never]
    assert (await refusal(bob.create("new")))[0] == REFUSED
    assert await shop.load_balancer("mail") is not None
    await bob.delete_load_balancer(LoadBalancerName="web")
    await shop.until_gone("web")


async def test_a_denial_cannot_be_spelled_around(shop: House) -> None:
    bob = await let(shop, allow("*"), deny("*", resource=f"{LB}/web"))
    assert names(await bob.describe_load_balancers()) == ["mail"]
    for name in ("web", "WEB", "wEb"):
        assert (await refusal(bob.delete_load_balancer(LoadBalancerName=name)))[0] == ABSENT
    for region in ("eu-west-1", "us-east-1"):
        elsewhere = Elb(shop.api.url, BOB.access_key_id, BOB.secret_access_key, region=region)
        assert (await refusal(elsewhere.delete_load_balancer(LoadBalancerName="web")))[0] == ABSENT
    assert await shop.load_balancer("web") is not None


async def test_tags_in_conditions(shop: House) -> None:
    bob = await let(
        shop,
        allow("DescribeLoadBalancers", "DescribeTags", Condition={"StringEquals": {"aws:ResourceTag/Team": "a"}}),
        allow(
            "CreateLoadBalancer",
            "AddTags",
            resource=f"{LB}/*",
            Condition={
                "StringEquals": {"aws:RequestTag/Team": "a"},
                "ForAllValues:StringEquals": {"aws:TagKeys": "Team"},
            },
        ),
    )
    assert names(await bob.describe_load_balancers()) == ["web"]
    assert (await bob.describe_tags(LoadBalancerNames=["web"]))["TagDescriptions"][0]["LoadBalancerName"] == "web"
    assert (await refusal(bob.describe_tags(LoadBalancerNames=["mail"])))[0] == ABSENT
    assert (await refusal(bob.create("new")))[0] == REFUSED
    assert (await refusal(bob.create("new", Tags=[{"Key": "Team", "Value": "b"}])))[0] == REFUSED
    more = [{"Key": "Team", "Value": "a"}, {"Key": "Other", "Value": "a"}]
    assert (await refusal(bob.create("new", Tags=more)))[0] == REFUSED
    await bob.create("new", Tags=more[:1])
    assert names(await bob.describe_load_balancers()) == ["new", "web"]


async def test_who_tags_what_he_creates_must_be_allowed_to_tag(shop: House) -> None:
    bob = await let(shop, allow("CreateLoadBalancer"))
    found, message = await refusal(bob.create("new", Tags=[{"Key": "a", "Value": "b"}]))
    assert found == REFUSED
    assert f"{ELB}:AddTags" in message
    await bob.create("new")


async def test_policies_count_at_once(shop: House) -> None:
    bob = await let(shop, allow("Describe*"))
    assert names(await bob.describe_load_balancers()) == ["mail", "web"]
    await let(shop, allow("Describe*"), deny("DescribeLoadBalancers", resource=f"{LB}/mail"))
    assert names(await bob.describe_load_balancers()) == ["web"]
    async with shop.db.transaction() as tx:
        assert await tx.principals.remove(USER)
    assert (await refusal(bob.describe_load_balancers()))[0] == ("InvalidClientTokenId", 403)


async def test_an_unreadable_policy_allows_nothing(shop: House) -> None:
    bob = await let(shop, allow("*"))
    async with shop.db.transaction() as tx:
        await tx.principals.put_policy(USER, "broken", '{"Statement": ')
    assert (await refusal(bob.describe_load_balancers()))[0] == REFUSED


async def test_temporary_keys_of_a_role(shop: House) -> None:
    session = await let(shop, allow("Describe*"), key=SESSION)
    assert names(await session.describe_load_balancers()) == ["mail", "web"]
    found, message = await refusal(session.create("new"))
    assert found == REFUSED
    assert f"User: arn:aws:sts::{ACCOUNT}:assumed-role/deployer/night is not" in message

    without, wrong = (dataclasses.replace(SESSION, session_token=token) for token in (None, "another"))
    for key in (without, wrong):
        found, _ = await refusal(client(shop, key).describe_load_balancers())
        assert found == ("InvalidClientTokenId", 403)
    await let(shop, allow("Describe*"), key=dataclasses.replace(SESSION, expires_at=time.time() - 1))
    assert (await refusal(session.describe_load_balancers()))[0] == ("ExpiredToken", 403)


async def test_a_session_policy_narrows(shop: House) -> None:
    narrow = document(allow("DescribeLoadBalancers", resource=f"{LB}/web"), allow("CreateLoadBalancer"))
    session = await let(shop, allow("Describe*"), key=dataclasses.replace(SESSION, session_policy=narrow))
    assert names(await session.describe_load_balancers()) == ["web"]
    assert (await refusal(session.create("new")))[0] == REFUSED
    assert (await refusal(session.describe_account_limits()))[0] == REFUSED


async def test_quotas_of_policies_and_accounts(shop: House) -> None:
    key = f"{ELB}:quota-loadbalancernumber"
    limit = {
        "Effect": "Limit",
        "Action": f"{ELB}:CreateLoadBalancer",
        "Resource": "*",
        "Condition": {"NumericLessThanEquals": {key: "3"}},
    }
    bob = await let(shop, allow("*"), limit)
    await bob.create("third")
    assert (await refusal(bob.create("fourth")))[0] == ("TooManyLoadBalancers", 400)
    await shop.elb.create("fourth")
    async with shop.db.transaction() as tx:
        await tx.accounts.save(store.Account(ACCOUNT, quotas=(("classic-load-balancers", 4),)))
    assert (await refusal(shop.elb.create("fifth")))[0] == ("TooManyLoadBalancers", 400)


async def test_administrators_see_all_accounts(shop: House) -> None:
    async with shop.db.transaction() as tx:
        await tx.access_keys.save(ADMIN)
    other, admin = client(shop, OTHER_KEY), client(shop, ADMIN)
    await other.create("web")
    assert names(await admin.describe_load_balancers(LoadBalancerNames=["verbose"])) == ["mail", "web", "web"]
    assert names(await admin.describe_load_balancers()) == []
    tagged = await admin.describe_tags(LoadBalancerNames=["verbose"])
    assert sorted(one["LoadBalancerName"] for one in tagged["TagDescriptions"]) == ["mail", "web", "web"]
    assert names(await other.describe_load_balancers(LoadBalancerNames=["verbose"])) == ["web"]
    assert names(await other.describe_load_balancers(LoadBalancerNames=["verbose", "web"])) == ["web"]


async def test_dns_names_stand_for_load_balancers(shop: House) -> None:
    async with shop.db.transaction() as tx:
        await tx.access_keys.save(ADMIN)
    dns_name = (await shop.elb.describe("web"))["DNSName"]
    bob = await let(shop, allow("*", resource=f"{LB}/mail"))
    admin, other = client(shop, ADMIN), client(shop, OTHER_KEY)
    for able in (shop.elb, admin):
        assert (await able.describe_instance_health(LoadBalancerName=dns_name))["InstanceStates"] == []
        assert "LoadBalancerAttributes" in await able.describe_load_balancer_attributes(
            LoadBalancerName=dns_name.upper()
        )
    for unable in (other, bob):
        assert (await refusal(unable.describe_instance_health(LoadBalancerName=dns_name)))[0] == ABSENT
    await shop.elb.delete_load_balancer(LoadBalancerName=dns_name)
    assert await shop.load_balancer("web") is not None
    await admin.delete_load_balancer(LoadBalancerName=dns_name)
    await shop.until_gone("web")


async def test_a_refused_creation_as_the_original_answers_it(store_url: str) -> None:
    async with open_house(store_url, compatibility_create_denied_as_internal_failure=True) as house:
        bob = await let(house, allow("Describe*"))
        found, message = await refusal(bob.create("new"))
        assert found == ("InternalFailure", 400)
        assert "not authorized" in message


async def test_named_but_hidden_ones_are_skipped_as_the_original_does(store_url: str) -> None:
    async with open_house(store_url, compatibility_unknown_names_skipped=True) as house:
        for name in ("web", "mail"):
            await house.elb.create(name)
        bob = await let(house, allow("*", resource=f"{LB}/web"))
        assert names(await bob.describe_load_balancers(LoadBalancerNames=["web", "mail", "none"])) == ["web"]
        tagged = await bob.describe_tags(LoadBalancerNames=["web", "mail"])
        assert [one["LoadBalancerName"] for one in tagged["TagDescriptions"]] == ["web"]


async def test_certificates_of_a_user(store_url: str, tmp_path: Path) -> None:
    async with open_house(store_url, iam_port=0, master_key_file=tmp_path / "key") as house:
        assert house.api.iam_url is not None
        prefix = f"arn:aws:iam::{ACCOUNT}:server-certificate"
        may = {"Effect": "Allow", "Action": ["iam:*ServerCertificate*"], "Resource": f"{prefix}/shop/*"}
        await let(house, may)
        bob = Iam(house.api.iam_url, BOB)
        assert await bob.names(PathPrefix="/shop/") == []
        for call in (
            bob.list_server_certificates(),
            bob.get_server_certificate(ServerCertificateName="www"),
            bob.upload_server_certificate(ServerCertificateName="www", CertificateBody="x", PrivateKey="y"),
        ):
            found, message = await refusal(call)
            assert found == REFUSED
            assert f"User: {USER} is not authorized to perform: iam:" in message
        wrong = bob.upload_server_certificate(
            ServerCertificateName="www", CertificateBody="x", PrivateKey="y", Path="/shop/"
        )
        assert (await refusal(wrong))[0] == ("MalformedCertificate", 400)


async def test_a_page_tells_nothing_of_hidden_load_balancers(shop: House) -> None:
    """Neither by what it leaves out, nor by where the next one begins."""
    await shop.elb.create("zoo")
    bob = await let(shop, allow("*", resource=f"{LB}/web"))
    answer = await bob.describe_load_balancers(PageSize=1)
    assert names(answer) == ["web"]
    assert "NextMarker" not in answer
    bob = await let(shop, allow("*"), deny("*", resource=f"{LB}/mail"))
    first = await bob.describe_load_balancers(PageSize=1)
    second = await bob.describe_load_balancers(PageSize=1, Marker=first["NextMarker"])
    assert (names(first), names(second)) == (["web"], ["zoo"])
    assert "NextMarker" not in second


async def test_a_denial_by_tag_holds_while_the_load_balancer_is_created(house: House) -> None:
    bob = await let(house, allow("*"), deny("*", Condition={"StringEquals": {"aws:ResourceTag/Team": "a"}}))
    house.shop.hold["web"] = asyncio.Event()
    creating = asyncio.create_task(house.elb.create("web", Tags=[{"Key": "Team", "Value": "a"}]))
    async with asyncio.timeout(10):
        while await house.load_balancer("web") is None:
            await asyncio.sleep(0.01)
    deleting = asyncio.create_task(refusal(bob.delete_load_balancer(LoadBalancerName="web")))
    await asyncio.wait([deleting], timeout=1)
    house.shop.hold["web"].set()
    assert (await deleting)[0] == ABSENT
    await creating
    assert await house.load_balancer("web") is not None


async def test_a_denial_by_tag_is_not_lifted_by_a_tag_that_differs_in_case(shop: House) -> None:
    await shop.elb.add_tags(LoadBalancerNames=["web"], Tags=[{"Key": "team", "Value": "b"}])
    bob = await let(shop, allow("*"), deny("*", Condition={"StringEquals": {"aws:ResourceTag/Team": "a"}}))
    assert names(await bob.describe_load_balancers()) == ["mail"]
    assert (await refusal(bob.delete_load_balancer(LoadBalancerName="web")))[0] == ABSENT


async def test_a_session_does_not_raise_its_own_quota(store_url: str) -> None:
    limit = {
        "Effect": "Limit",
        "Action": f"{ELB}:CreateLoadBalancer",
        "Resource": "*",
        "Condition": {"NumericLessThanEquals": {f"{ELB}:quota-loadbalancernumber": "99"}},
    }
    key = dataclasses.replace(SESSION, session_policy=document(allow("*"), limit))
    async with open_house(store_url, max_load_balancers=1) as house:
        session = await let(house, allow("*"), key=key)
        await session.create("first")
        assert (await refusal(session.create("second")))[0] == ("TooManyLoadBalancers", 400)


async def test_a_refusal_does_not_tell_where_a_certificate_is(store_url: str, tmp_path: Path) -> None:
    issued = issue("www.example.com")
    async with open_house(store_url, iam_port=0, master_key_file=tmp_path / "key") as house:
        assert house.api.iam_url is not None
        await Iam(house.api.iam_url, KEY).upload("www", issued, Path="/board/takeover/")
        prefix = f"arn:aws:iam::{ACCOUNT}:server-certificate"
        await let(house, {"Effect": "Allow", "Action": ["iam:*"], "Resource": f"{prefix}/shop/*"})
        bob = Iam(house.api.iam_url, BOB)
        there = await refusal(bob.get_server_certificate(ServerCertificateName="www"))
        never = await refusal(bob.get_server_certificate(ServerCertificateName="not"))
        assert there[0] == REFUSED
        assert there[1].replace("www", "not") == never[1]


async def test_floods_of_tags_and_names_are_not_held_against_every_pattern(shop: House) -> None:
    """Callers choose all three: patterns of their session's policy, tags, and load balancers."""
    patterns = [f"{number:x}*" for number in range(200)]
    narrow = document(allow("*", Condition={"ForAnyValue:StringLike": {"aws:TagKeys": [*patterns, "z"]}}))
    session = await let(shop, allow("*"), key=dataclasses.replace(SESSION, session_policy=narrow))
    keys = [{"Key": "z"}, *({"Key": f"y{number}"} for number in range(199))]
    began = time.process_time()
    for call, expected in (
        (session.remove_tags(LoadBalancerNames=["web"] * 2_000, Tags=keys), None),
        (session.remove_tags(LoadBalancerNames=[f"a{n}" for n in range(2_000)], Tags=keys), "ValidationError"),
        (session.remove_tags(LoadBalancerNames=["web"], Tags=[{"Key": str(n)} for n in range(4_000)]), "TooManyTags"),
    ):
        if expected is None:
            await call
        else:
            assert (await refusal(call))[0] == (expected, 400)
    assert time.process_time() - began < 3


async def test_tags_of_certificates_count_in_conditions(store_url: str, tmp_path: Path) -> None:
    issued = issue("www.example.com")
    everything = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
    team = {"StringEquals": {"aws:ResourceTag/Team": "a"}}
    new = {"StringEquals": {"aws:RequestTag/Team": "a"}}
    async with open_house(store_url, iam_port=0, master_key_file=tmp_path / "key") as house:
        assert house.api.iam_url is not None
        tagged = {"Tags": [{"Key": "Team", "Value": "a"}]}
        await Iam(house.api.iam_url, KEY).upload("www", issued, **tagged)
        await let(
            house, everything, *({**everything, "Effect": "Deny", "Condition": condition} for condition in (team, new))
        )
        bob = Iam(house.api.iam_url, BOB)
        for call in (
            bob.delete_server_certificate(ServerCertificateName="www"),
            bob.update_server_certificate(ServerCertificateName="www", NewPath="/mine/"),
            bob.upload("new", issued, **tagged),
        ):
            assert (await refusal(call))[0] == REFUSED
        assert await bob.names() == ["www"]
        await bob.upload("new", issued)
        await bob.delete_server_certificate(ServerCertificateName="new")
