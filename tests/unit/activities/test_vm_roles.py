"""The local cloud's roles count: they are principals whose policies the IAM endpoint asks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from elbflow import service, store
from elbflow.contract import names
from elbflow_activities.cloud.local_resources import ROLE, LocalIdentities

ROLE_NAME = "loadbalancer-vm-000000000001-web"
ARN = names.role_arn(service.SYSTEM_ACCOUNT, ROLE_NAME)
STATEMENT = {"Effect": "Allow", "Action": ["iam:DownloadServerCertificate"], "Resource": "arn:aws:iam::1:x/y"}


@pytest.fixture
async def url(tmp_path: Path) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}"
    await store.migrate(url)
    return url


async def principal(db: store.Store) -> store.Principal | None:
    async with db.reading() as tx:
        return await tx.principals.find(ARN)


async def test_a_role_is_a_principal_of_the_system_account(url: str) -> None:
    long_name = "loadbalancer-iam-policy-000000000001-web-" + "c" * 128
    async with store.Store(url) as db:
        identities = LocalIdentities(db)
        for _ in range(2):
            await identities.ensure_role(ROLE_NAME)
        for name in ("short", long_name, long_name):
            await identities.put_role_policy(ROLE_NAME, name, STATEMENT)
        found = await principal(db)
        assert found is not None
        assert dataclasses.replace(found, policies=(), created_at=0.0) == store.Principal(
            ARN, service.SYSTEM_ACCOUNT, store.PrincipalKind.ROLE, ROLE_NAME, 0.0
        )
        assert [json.loads(document)["Statement"] for _, document in found.policies] == [[STATEMENT], [STATEMENT]]
        assert all(len(name) <= 128 for name, _ in found.policies)
        assert set(await identities.role_policies(ROLE_NAME)) == {"short", long_name}
        await identities.delete_role_policy(ROLE_NAME, long_name)
        found = await principal(db)
        assert found is not None
        assert [name for name, _ in found.policies] == ["short"]
        await identities.delete_role(ROLE_NAME)
        assert await principal(db) is None


async def test_roles_of_earlier_builds_become_principals_with_their_next_policy(url: str) -> None:
    async with store.Store(url) as db:
        async with db.transaction() as tx:
            await tx.cloud_resources.save(ROLE, ROLE_NAME, {"policies": {"former": STATEMENT}})
        await LocalIdentities(db).put_role_policy(ROLE_NAME, "new", STATEMENT)
        found = await principal(db)
        assert found is not None
        assert [name for name, _ in found.policies] == ["former", "new"]
