"""The local cloud's IAM and security groups: rows of ``store.cloud_resources``.

Nothing on one machine enforces security groups; they exist so that every workflow has the same steps and the same
rollbacks on every cloud, and so that operators and tests can see what those did. Roles count: VMs act in them, so each
is a principal of the system account too, whose policies the IAM endpoint asks.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping

from elbflow import errors, service, store
from elbflow.contract import cloud, document, names
from elbflow_activities.cloud import base

ROLE = "role"
PROFILE = "instance-profile"
SECURITY_GROUP = "security-group"

_LONGEST_POLICY_NAME = 128


class ResourceMissing(errors.Retryable):
    """A resource that an earlier step should have made is not there."""


class LocalIdentities:
    """Roles, instance profiles, role policies and server certificates."""

    def __init__(self, db: store.Store) -> None:
        self._db = db

    async def ensure_role(self, name: str) -> None:
        async with self._db.transaction() as tx:
            # First, so that two at once do it one after the other.
            await tx.cloud_resources.add(ROLE, name, {"policies": {}})
            policies = _policies(await tx.cloud_resources.get(ROLE, name, for_update=True))
            await _ensure_principal(tx, name, policies or {})

    async def delete_role(self, name: str) -> None:
        async with self._db.transaction() as tx:
            await tx.cloud_resources.remove(ROLE, name)
            await tx.principals.remove(_arn(name))

    async def ensure_instance_profile(self, name: str, role: str) -> None:
        async with self._db.transaction() as tx:
            await tx.cloud_resources.save(PROFILE, name, {"role": role})

    async def delete_instance_profile(self, name: str) -> None:
        await _remove(self._db, PROFILE, name)

    async def put_role_policy(self, role: str, name: str, statement: Mapping[str, object]) -> None:
        async with self._db.transaction() as tx:
            policies = _policies(await tx.cloud_resources.get(ROLE, role, for_update=True))
            if policies is None:
                raise ResourceMissing(f"there is no role {role}")
            await tx.cloud_resources.save(ROLE, role, {"policies": {**policies, name: dict(statement)}})
            await _ensure_principal(tx, role, policies)
            await tx.principals.put_policy(_arn(role), _fitting(name), _document(statement))

    async def delete_role_policy(self, role: str, name: str) -> None:
        async with self._db.transaction() as tx:
            policies = _policies(await tx.cloud_resources.get(ROLE, role, for_update=True))
            if policies is not None and name in policies:
                left = {one: statement for one, statement in policies.items() if one != name}
                await tx.cloud_resources.save(ROLE, role, {"policies": left})
                await tx.principals.remove_policy(_arn(role), _fitting(name))

    async def role_policies(self, role: str) -> tuple[str, ...]:
        async with self._db.reading() as tx:
            return tuple(_policies(await tx.cloud_resources.get(ROLE, role)) or ())

    async def require_certificate(self, account: str, arn: str) -> None:
        async with self._db.reading() as tx:
            found = await tx.server_certificates.by_arn(arn)
            if found is None or found.account != account:
                raise base.CertificateUnknown(f"there is no server certificate {arn}")


class LocalSecurityGroups:
    """Security groups with their open ports: by name, those that are shared by an account in a VPC by their id."""

    def __init__(self, db: store.Store) -> None:
        self._db = db

    async def ensure_security_group(self, name: str) -> str:
        group_id = "sg-" + hashlib.sha256(name.encode()).hexdigest()[:17]
        async with self._db.transaction() as tx:
            await tx.cloud_resources.add(SECURITY_GROUP, name, {"id": group_id, "ports": [], "tags": {}})
        return group_id

    async def ensure_default_elb_group(self, account: str, vpc_id: str) -> document.SecurityGroup:
        group = cloud.default_elb_group(account, vpc_id)
        async with self._db.transaction() as tx:
            data = {"id": group.group_id, "ports": [], "tags": {}, "account": account, "vpc": vpc_id}
            await tx.cloud_resources.add(SECURITY_GROUP, group.group_id, data)
        return group

    async def delete_security_group(self, name: str) -> None:
        await _remove(self._db, SECURITY_GROUP, name)

    async def tag_security_group(self, name: str, key: str, value: str) -> None:
        async with self._db.transaction() as tx:
            data = await tx.cloud_resources.get(SECURITY_GROUP, name, for_update=True)
            if data is None:
                raise ResourceMissing(f"there is no security group {name}")
            tags = data["tags"]
            assert isinstance(tags, dict)
            await tx.cloud_resources.save(SECURITY_GROUP, name, {**data, "tags": {**tags, key: value}})

    async def authorize_ingress(self, name: str, ports: Iterable[int]) -> None:
        async with self._db.transaction() as tx:
            data = await tx.cloud_resources.get(SECURITY_GROUP, name, for_update=True)
            if data is None:
                raise ResourceMissing(f"there is no security group {name}")
            opened = _ports(data) | set(ports)
            await tx.cloud_resources.save(SECURITY_GROUP, name, {**data, "ports": sorted(opened)})

    async def revoke_ingress(self, name: str, ports: Iterable[int]) -> None:
        async with self._db.transaction() as tx:
            data = await tx.cloud_resources.get(SECURITY_GROUP, name, for_update=True)
            if data is not None:
                left = _ports(data) - set(ports)
                await tx.cloud_resources.save(SECURITY_GROUP, name, {**data, "ports": sorted(left)})

    async def open_ports(self, name: str) -> tuple[int, ...]:
        async with self._db.reading() as tx:
            data = await tx.cloud_resources.get(SECURITY_GROUP, name)
            return tuple(sorted(_ports(data))) if data is not None else ()


async def _ensure_principal(tx: store.Repositories, role: str, policies: Mapping[str, object]) -> None:
    """Roles that earlier builds made have none."""
    arn = _arn(role)
    if await tx.principals.find(arn) is None:
        documents = tuple((_fitting(name), _document(statement)) for name, statement in policies.items())
        kind, account = store.PrincipalKind.ROLE, service.SYSTEM_ACCOUNT
        await tx.principals.add(store.Principal(arn, account, kind, role, time.time(), documents))


def _arn(role: str) -> str:
    return names.role_arn(service.SYSTEM_ACCOUNT, role)


def _fitting(policy: str) -> str:
    """Names of certificates' policies may be longer than those of IAM's."""
    if len(policy) <= _LONGEST_POLICY_NAME:
        return policy
    return f"{policy[: _LONGEST_POLICY_NAME - 33]}-{hashlib.sha256(policy.encode()).hexdigest()[:32]}"


def _document(statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def _remove(db: store.Store, kind: str, name: str) -> None:
    async with db.transaction() as tx:
        await tx.cloud_resources.remove(kind, name)


def _policies(data: Mapping[str, object] | None) -> dict[str, object] | None:
    if data is None:
        return None
    policies = data["policies"]
    assert isinstance(policies, dict)
    return policies


def _ports(data: Mapping[str, object]) -> set[int]:
    ports = data["ports"]
    assert isinstance(ports, list)
    return set(ports)
