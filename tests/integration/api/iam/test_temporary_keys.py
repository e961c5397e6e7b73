"""Temporary keys through boto3's STS client, as tools take them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, BOTH, KEY, OTHER_KEY, code, open_house
from tests.integration.api.iam import boto
from tests.integration.api.test_authorisation import BOB, LB, ROLE, USER, allow, client, document, let, names

from elbflow import store
from elbflow.clock import SystemClock

DATABASES = BOTH


class Sts(boto.Boto):
    """The client of STS's endpoint."""

    def __init__(self, url: str | None, key: store.AccessKey) -> None:
        super().__init__("sts", url, key)


def given(answer: Any) -> store.AccessKey:
    """The key in an answer."""
    taken = answer["Credentials"]
    return store.AccessKey(taken["AccessKeyId"], taken["SecretAccessKey"], ACCOUNT, session_token=taken["SessionToken"])


async def refused(call: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        await call
    return code(caught)


def assume(*, resource: str = ROLE) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": resource}


async def test_a_role_is_assumed_by_those_who_may(store_url: str) -> None:
    async with open_house(store_url, sts_port=0) as house:
        url = house.api.sts_url
        for name in ("web", "mail"):
            await house.elb.create(name)
        async with house.db.transaction() as tx:
            await tx.principals.add(
                store.Principal(
                    ROLE, ACCOUNT, store.PrincipalKind.ROLE, "deployer", 0.0, (("p", document(allow("Describe*"))),)
                )
            )
        await let(house, assume())
        bob = Sts(url, BOB)
        asked = {"RoleArn": ROLE, "RoleSessionName": "night"}
        answer = await bob.assume_role(**asked, DurationSeconds=900)
        shown = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/night"
        assert answer["AssumedRoleUser"]["Arn"] == shown
        assert 890 < answer["Credentials"]["Expiration"].timestamp() - SystemClock().now() <= 900
        session = given(answer)
        assert names(await client(house, session).describe_load_balancers()) == ["mail", "web"]
        assert await refused(client(house, session).delete_load_balancer(LoadBalancerName="web")) == (
            "AccessDenied",
            403,
        )
        me = await Sts(url, session).get_caller_identity()
        assert (me["Account"], me["Arn"]) == (ACCOUNT, shown)
        assert me["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]

        narrow = document(allow("*", resource=f"{LB}/web"))
        narrowed = given(await bob.assume_role(**asked, Policy=narrow))
        assert names(await client(house, narrowed).describe_load_balancers()) == ["web"]

        denied = ("AccessDenied", 403)
        assert await refused(Sts(url, OTHER_KEY).assume_role(**asked)) == denied
        assert await refused(bob.assume_role(**asked | {"RoleArn": USER})) == denied
        assert await refused(bob.assume_role(**asked | {"RoleArn": f"{ROLE}s"})) == denied
        assert await refused(Sts(url, session).assume_role(**asked)) == denied
        assert await refused(Sts(url, session).get_session_token()) == denied
        assert await refused(bob.assume_role(**asked, Policy="{}")) == ("MalformedPolicyDocument", 400)
        managed = [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]
        assert await refused(bob.assume_role(**asked, PolicyArns=managed)) == ("ValidationError", 400)
        assert await refused(bob.assume_role(**asked, DurationSeconds=899)) == ("ValidationError", 400)
        assert await refused(bob.get_federation_token(Name="a")) == ("UnsupportedOperation", 400)
        await let(house, assume(resource=f"{ROLE}s"))
        assert await refused(bob.assume_role(**asked)) == denied


async def test_temporary_keys_of_users_and_accounts(store_url: str) -> None:
    async with open_house(store_url, sts_port=0) as house:
        url = house.api.sts_url
        await house.elb.create("web")
        await let(house, allow("Describe*"))
        root = given(await Sts(url, KEY).get_session_token())
        bob = given(await Sts(url, BOB).get_session_token(DurationSeconds=900))
        assert (await Sts(url, root).get_caller_identity())["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
        assert (await Sts(url, bob).get_caller_identity())["Arn"] == USER
        assert names(await client(house, bob).describe_load_balancers()) == ["web"]
        assert await refused(client(house, bob).create("new")) == ("AccessDenied", 403)
        for key in (root, bob):
            assert await refused(Sts(url, key).get_session_token()) == ("AccessDenied", 403)
        await client(house, root).delete_load_balancer(LoadBalancerName="web")
        await house.until_gone("web")


async def test_a_chain_of_roles_and_the_account_itself_get_an_hour(store_url: str) -> None:
    async with open_house(store_url, sts_port=0) as house:
        url = house.api.sts_url
        async with house.db.transaction() as tx:
            policy = (("p", document(assume())),)
            await tx.principals.add(store.Principal(ROLE, ACCOUNT, store.PrincipalKind.ROLE, "deployer", 0.0, policy))
        asked = {"RoleArn": ROLE, "RoleSessionName": "night"}
        first = given(await Sts(url, KEY).assume_role(**asked, DurationSeconds=7200))
        second = await Sts(url, first).assume_role(**asked, DurationSeconds=3600)
        root = await Sts(url, KEY).get_session_token(DurationSeconds=7200)
        for answer in (second, root):
            assert answer["Credentials"]["Expiration"].timestamp() - SystemClock().now() <= 3600
        assert await refused(Sts(url, first).assume_role(**asked, DurationSeconds=3601)) == ("ValidationError", 400)
        long = document(*[allow("Describe*", Sid=f"{number:0>200}") for number in range(10)])
        assert await refused(Sts(url, KEY).assume_role(**asked, Policy=long)) == ("PackedPolicyTooLarge", 400)


async def test_an_account_has_a_limit_of_temporary_keys(store_url: str) -> None:
    """Every one is a row of the store: a client that asks for one with every call must not fill it."""
    async with open_house(store_url, sts_port=0, max_temporary_keys=3) as house:
        url, now = house.api.sts_url, SystemClock().now()
        async with house.db.transaction() as tx:
            for number, ends_in_s in enumerate((-10, -5, 600)):
                await tx.access_keys.save(
                    store.AccessKey(f"ASIA{number}", "s", ACCOUNT, session_token="t", expires_at=now + ends_in_s)
                )
        asked = [Sts(url, KEY).get_session_token() for _ in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refusals = [str(one) for one in answers if isinstance(one, ClientError)]
        assert len(refusals) == 3
        assert all("LimitExceeded" in one and "per account: 3" in one for one in refusals)
        await Sts(url, OTHER_KEY).get_session_token()
