"""AWS or Eucalyptus as the front door sees it: EC2, S3 and IAM, asked with the service's own credentials.

An account of the store is the cloud's account of the same number: what belongs to another one is not there for it.
Filters find resources by id, so that those which do not exist are simply missing from the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from elbflow import clock as clocks
from elbflow import tasks
from elbflow.contract import cloud, document
from elbflow_api.cloud import base, calls
from elbflow_api.cloud.memory import Memory

ZONES_KEPT_S = 60.0
VPCS_KEPT_S = 20.0
_MOST_VPCS = 1000

_ID = re.compile(r"(vpc|subnet|sg|i)-[0-9A-Za-z]{1,40}")
_CERTIFICATE = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}):server-certificate/[!-~]{1,1024}")

_NO_BUCKET = "NoSuchBucket"
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"})
_BUCKET_REFUSED = frozenset({_NO_BUCKET, "AccessDenied", "AllAccessDisabled", *_ELSEWHERE})
_OLD_NAMES = {"EU": "eu-west-1"}
_FIRST_REGION = "us-east-1"
"""The region of buckets for which S3 names none."""


class AwsCloud:
    """Implements :class:`base.Cloud`.

    Zones and VPCs with an internet gateway are remembered for a short while; all else is asked for anew, and that
    something is missing is never remembered. Without ``iam`` the store keeps the server certificates. ``home`` is the
    region in which log buckets must be, as S3 names it; empty where regions have no such names.
    """

    def __init__(
        self,
        ec2: calls.Service,
        s3: calls.Service,
        iam: calls.Service | None,
        *,
        home: str,
        clock: clocks.Clock,
        background: tasks.Supervisor,
    ) -> None:
        self._ec2 = ec2
        self._s3 = s3
        self._iam = iam
        self._home = home
        self._zones: Memory[str, tuple[str, ...]] = Memory(
            kept_s=ZONES_KEPT_S, most=1, clock=clock, background=background
        )
        self._vpcs: Memory[tuple[str, str], cloud.Vpc | None] = Memory(
            kept_s=VPCS_KEPT_S,
            most=_MOST_VPCS,
            clock=clock,
            background=background,
            lasting=lambda vpc: vpc is not None and vpc.internet_gateway,
        )

    async def zones(self) -> tuple[str, ...]:
        return await self._zones.get("", self._ask_zones)

    async def vpc(self, account: str, vpc_id: str) -> cloud.Vpc | None:
        if not _possible("vpc", [vpc_id]):
            return None
        return await self._vpcs.get((account, vpc_id), lambda: self._ask_vpc(account, "vpc-id", vpc_id))

    async def default_vpc(self, account: str) -> cloud.Vpc | None:
        return await self._vpcs.get((account, "default"), lambda: self._ask_vpc(account, "isDefault", "true"))

    async def subnets(self, account: str, subnet_ids: Iterable[str]) -> Mapping[str, cloud.Subnet]:
        wanted = _possible("subnet", subnet_ids)
        found = await self._ec2.described("DescribeSubnets", "Subnets", "subnet-id", wanted)
        return {one["SubnetId"]: _subnet(one) for one in _owned(found, account)}

    async def default_subnets(self, account: str, vpc_id: str) -> Mapping[str, cloud.Subnet]:
        filters = _filters({"vpc-id": vpc_id, "defaultForAz": "true"})
        found = await self._ec2.listed("DescribeSubnets", "Subnets", Filters=filters)
        subnets = [_subnet(one) for one in _owned(found, account)]
        return {one.zone: one for one in subnets if one.default}

    async def security_groups(self, account: str, group_ids: Iterable[str]) -> Mapping[str, cloud.VpcGroup]:
        wanted = _possible("sg", group_ids)
        found = await self._ec2.described("DescribeSecurityGroups", "SecurityGroups", "group-id", wanted)
        return {one["GroupId"]: cloud.VpcGroup(_group(one), one.get("VpcId") or "") for one in _owned(found, account)}

    async def default_security_group(self, account: str, vpc_id: str) -> document.SecurityGroup | None:
        filters = _filters({"vpc-id": vpc_id, "group-name": "default"})
        found = await self._ec2.listed("DescribeSecurityGroups", "SecurityGroups", Filters=filters)
        return next((_group(one) for one in _owned(found, account)), None)

    async def instances(self, account: str, instance_ids: Iterable[str]) -> Mapping[str, base.Instance]:
        """Those that EC2 describes, in whatever state (spec/elb-control-plane 1.8). Bare addresses are none."""
        wanted = _possible("i", instance_ids)
        found = await self._ec2.described("DescribeInstances", "Reservations", "instance-id", wanted)
        return {
            one["InstanceId"]: _instance(one)
            for reservation in _owned(found, account)
            for one in reservation.get("Instances") or ()
        }

    async def certificates(self, account: str, arns: Iterable[str]) -> frozenset[str] | None:
        """As IAM lists them: it is not asked for more than the listing, which has no keys."""
        if self._iam is None:
            return None
        wanted = {arn for arn in arns if (found := _CERTIFICATE.fullmatch(arn)) and found.group(1) == account}
        if not wanted:
            return frozenset()
        listed = await self._iam.listed("ListServerCertificates", "ServerCertificateMetadataList", page="Marker")
        return frozenset(wanted & {one["Arn"] for one in listed})

    async def bucket_refusal(self, account: str, bucket: str) -> str | None:
        """As the original the service reads the bucket's ACL; as at AWS the bucket must be in the same region."""
        if (refusal := cloud.malformed_bucket(bucket)) is not None:
            return refusal
        elsewhere = f"S3Bucket: {bucket} is not located in the same region as the Load Balancer"
        try:
            await self._s3.call("GetBucketAcl", expected=_BUCKET_REFUSED, Bucket=bucket)
            answer = await self._s3.call("GetBucketLocation", expected=_BUCKET_REFUSED, Bucket=bucket)
        except calls.Refused as refused:
            if refused.code in _ELSEWHERE:
                return elsewhere
            return f"S3Bucket: {bucket} does not exist" if refused.code == _NO_BUCKET else cloud.bucket_denied(bucket)
        region = answer.get("LocationConstraint") or _FIRST_REGION
        return None if not self._home or _OLD_NAMES.get(region, region) == self._home else elsewhere

    async def _ask_zones(self) -> tuple[str, ...]:
        found = await self._ec2.listed("DescribeAvailabilityZones", "AvailabilityZones")
        usable = [one for one in found if one.get("ZoneType", "availability-zone") == "availability-zone"]
        return tuple(sorted(one["ZoneName"] for one in usable if one.get("State") == "available"))

    async def _ask_vpc(self, account: str, name: str, value: str) -> cloud.Vpc | None:
        found = _owned(await self._ec2.listed("DescribeVpcs", "Vpcs", Filters=_filters({name: value})), account)
        vpc = next((one for one in found if name == "vpc-id" or one.get("IsDefault")), None)
        if vpc is None:
            return None
        filters = _filters({"attachment.vpc-id": vpc["VpcId"]})
        gateways = await self._ec2.listed("DescribeInternetGateways", "InternetGateways", Filters=filters)
        return cloud.Vpc(vpc["VpcId"], bool(vpc.get("IsDefault")), bool(gateways))


def _possible(kind: str, ids: Iterable[str]) -> list[str]:
    """The ids that can be of this kind, each once. Others are not asked for: filters have wildcards."""
    return [one for one in dict.fromkeys(ids) if (found := _ID.fullmatch(one)) and found.group(1) == kind]


def _filters(values: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"Name": name, "Values": [value]} for name, value in values.items()]


def _owned(found: Iterable[calls.Answer], account: str) -> Sequence[calls.Answer]:
    """What is the account's, as far as the cloud says so: old ones do not say whose VPCs and subnets are."""
    return [one for one in found if one.get("OwnerId") in (None, "", account)]


def _subnet(one: calls.Answer) -> cloud.Subnet:
    return cloud.Subnet(one["SubnetId"], one["AvailabilityZone"], one["VpcId"], bool(one.get("DefaultForAz")))


def _group(one: calls.Answer) -> document.SecurityGroup:
    return document.SecurityGroup(one["GroupId"], one["GroupName"])


def _instance(one: calls.Answer) -> base.Instance:
    return base.Instance(
        one["InstanceId"],
        (one.get("Placement") or {}).get("AvailabilityZone"),
        (one.get("State") or {}).get("Name", "unknown"),
        one.get("VpcId") or None,
        one.get("PrivateIpAddress") or None,
        one.get("PublicIpAddress") or None,
    )
