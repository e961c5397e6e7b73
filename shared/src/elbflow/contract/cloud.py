"""What the front door and the activities ask of a cloud: zones, VPCs with subnets and security groups, log buckets.

:class:`View` is the port, answered by EC2 and S3 where the cloud is AWS's; :class:`DeclaredCloud` answers from
the settings. The port only reads, so it may be asked again; it must not be asked inside a transaction of the store.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from elbflow.contract import document

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC. In an account's ``default`` one, zones may be named instead of subnets."""

    vpc_id: str
    default: bool
    internet_gateway: bool


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet. ``default``: it is the one that is meant by its zone, in a default VPC."""

    subnet_id: str
    zone: str
    vpc_id: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class VpcGroup:
    """A security group and the VPC it belongs to."""

    group: document.SecurityGroup
    vpc_id: str


class View(Protocol):
    """A cloud as an account sees it. Raises ``errors.Retryable`` when it cannot be asked now."""

    async def zones(self) -> tuple[str, ...]:
        """Names of the availability zones."""

    async def vpc(self, account: str, vpc_id: str) -> Vpc | None: ...

    async def default_vpc(self, account: str) -> Vpc | None: ...

    async def subnets(self, account: str, subnet_ids: Iterable[str]) -> Mapping[str, Subnet]:
        """Those of the subnets that there are, by id."""

    async def default_subnets(self, account: str, vpc_id: str) -> Mapping[str, Subnet]:
        """The VPC's default subnets by zone."""

    async def security_groups(self, account: str, group_ids: Iterable[str]) -> Mapping[str, VpcGroup]:
        """Those of the security groups that there are, by id."""

    async def default_security_group(self, account: str, vpc_id: str) -> document.SecurityGroup | None:
        """The VPC's group named ``default``."""

    async def bucket_refusal(self, account: str, bucket: str) -> str | None:
        """Why access logs cannot be written to the bucket; None when they can."""


@dataclass(frozen=True, slots=True)
class DeclaredVpc:
    """The one VPC of a local cloud: zones by subnet id, names by security-group id."""

    vpc: Vpc
    subnets: Mapping[str, str]
    security_groups: Mapping[str, str]


class DeclaredCloud:
    """Implements :class:`View` for a local cloud, which is the same for every account.

    ``buckets`` are those that access logs may go to; when there are none, every possible bucket name is believed.
    """

    def __init__(self, zones: tuple[str, ...], declared: DeclaredVpc | None, buckets: frozenset[str]) -> None:
        self._zones = zones
        self._declared = declared
        self._buckets = buckets
        self._subnets = dict(_subnets(declared)) if declared is not None else {}

    async def zones(self) -> tuple[str, ...]:
        return self._zones

    async def vpc(self, account: str, vpc_id: str) -> Vpc | None:
        vpc = self._declared.vpc if self._declared is not None else None
        return vpc if vpc is not None and vpc.vpc_id == vpc_id else None

    async def default_vpc(self, account: str) -> Vpc | None:
        vpc = self._declared.vpc if self._declared is not None else None
        return vpc if vpc is not None and vpc.default else None

    async def subnets(self, account: str, subnet_ids: Iterable[str]) -> Mapping[str, Subnet]:
        return {one: self._subnets[one] for one in subnet_ids if one in self._subnets}

    async def default_subnets(self, account: str, vpc_id: str) -> Mapping[str, Subnet]:
        return {one.zone: one for one in self._subnets.values() if one.default and one.vpc_id == vpc_id}

    async def security_groups(self, account: str, group_ids: Iterable[str]) -> Mapping[str, VpcGroup]:
        """The declared ones, and the one that the service makes for the account."""
        if self._declared is None:
            return {}
        vpc_id = self._declared.vpc.vpc_id
        known = {one: document.SecurityGroup(one, name) for one, name in self._declared.security_groups.items()}
        own = default_elb_group(account, vpc_id)
        known.setdefault(own.group_id, own)
        return {one: VpcGroup(known[one], vpc_id) for one in group_ids if one in known}

    async def default_security_group(self, account: str, vpc_id: str) -> document.SecurityGroup | None:
        if self._declared is None or self._declared.vpc.vpc_id != vpc_id:
            return None
        named = self._declared.security_groups.items()
        return next((document.SecurityGroup(one, name) for one, name in named if name == "default"), None)

    async def bucket_refusal(self, account: str, bucket: str) -> str | None:
        if (refusal := malformed_bucket(bucket)) is not None:
            return refusal
        return bucket_denied(bucket) if self._buckets and bucket not in self._buckets else None


def malformed_bucket(bucket: str) -> str | None:
    """Why no bucket can have this name; None when one can."""
    return "the specified bucket is not valid" if _BUCKET.fullmatch(bucket) is None else None


def bucket_denied(bucket: str) -> str:
    """In AWS's words."""
    return f"Access Denied for bucket: {bucket}. Please check S3bucket permission"


def default_elb_group(account: str, vpc_id: str) -> document.SecurityGroup:
    """The group that the service makes for load balancers without one (spec/elb-control-plane 5.2, 5.3)."""
    digest = hashlib.md5(vpc_id.encode(), usedforsecurity=False).digest()
    name = f"default_elb_{uuid.UUID(bytes=digest, version=3)}"
    return document.SecurityGroup("sg-" + hashlib.sha256(f"{account} {name}".encode()).hexdigest()[:17], name)


def _subnets(declared: DeclaredVpc) -> Iterable[tuple[str, Subnet]]:
    """The first subnet of each zone is its default one, where the VPC is."""
    seen: set[str] = set()
    for subnet_id, zone in declared.subnets.items():
        default = declared.vpc.default and zone not in seen
        seen.add(zone)
        yield subnet_id, Subnet(subnet_id, zone, declared.vpc.vpc_id, default)
