"""What the aws cloud makes of answers that moto does not give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elbflow import clock as clocks
from elbflow import tasks
from elbflow_api.cloud import aws, base, calls

ACCOUNT = "123456789012"
HOME = "eu-west-1"


class Client:
    """In place of aiobotocore's: gives prepared answers by operation, and notes what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        async def ask(**members: Any) -> Any:
            self.asked.append((operation, members))
            answer = self._answers[operation]
            answer = answer.pop(0) if isinstance(answer, list) else answer
            if isinstance(answer, str):
                wire: Any = {"Error": {"Code": answer, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}
                raise ClientError(wire, operation)
            return answer

        return ask


@asynccontextmanager
async def cloud(client: Client, *, home: str = HOME) -> AsyncIterator[aws.AwsCloud]:
    clock = clocks.ManualClock()
    one = calls.Service(client, "X", clock=clock, told=lambda *_: None)
    async with tasks.supervised(1.0) as background:
        yield aws.AwsCloud(one, one, one, home=home, clock=clock, background=background)


@pytest.mark.parametrize(
    ("acl", "location", "refusal"),
    [
        ({}, {"LocationConstraint": "eu-west-1"}, None),
        ({}, {"LocationConstraint": "EU"}, None),
        ({}, {"LocationConstraint": "eu-north-1"}, "same region"),
        ({}, {"LocationConstraint": None}, "same region"),
        ("PermanentRedirect", {}, "same region"),
        ("AccessDenied", {}, "Access Denied for bucket: logs. Please check S3bucket permission"),
        ({}, "AccessDenied", "Access Denied for bucket"),
        ("NoSuchBucket", {}, "does not exist"),
    ],
)
async def test_log_buckets(acl: object, location: object, refusal: str | None) -> None:
    async with cloud(Client(get_bucket_acl=acl, get_bucket_location=location)) as view:
        answer = await view.bucket_refusal(ACCOUNT, "logs")
    assert answer is None if refusal is None else refusal in str(answer)


async def test_a_bucket_is_not_refused_for_keys_that_the_service_has_wrong() -> None:
    async with cloud(Client(get_bucket_acl="InvalidAccessKeyId")) as view:
        with pytest.raises(base.CloudUnavailable, match="InvalidAccessKeyId"):
            await view.bucket_refusal(ACCOUNT, "logs")


async def test_where_regions_have_no_names_any_bucket_is_near() -> None:
    async with cloud(Client(get_bucket_acl={}, get_bucket_location={}), home="") as view:
        assert await view.bucket_refusal(ACCOUNT, "logs") is None


async def test_certificates_on_several_pages() -> None:
    def page(*names: str, marker: str | None) -> Mapping[str, object]:
        listed = [{"Arn": f"arn:aws:iam::{ACCOUNT}:server-certificate/{name}"} for name in names]
        return {"ServerCertificateMetadataList": listed, "IsTruncated": marker is not None, "Marker": marker}

    client = Client(list_server_certificates=[page("a", "b", marker="more"), page("c", marker=None)])
    wanted = [f"arn:aws:iam::{ACCOUNT}:server-certificate/{name}" for name in ("a", "c", "d")]
    async with cloud(client) as view:
        assert await view.certificates(ACCOUNT, wanted) == frozenset(wanted[:2])
        assert [members for _, members in client.asked] == [{}, {"Marker": "more"}]
        assert await view.certificates(ACCOUNT, ["arn:aws:iam::999999999999:server-certificate/a"]) == frozenset()
    assert len(client.asked) == 2


async def test_clouds_that_do_not_say_whose_a_subnet_is() -> None:
    """As Eucalyptus, which shows only its caller's."""
    subnet = {"SubnetId": "subnet-1", "AvailabilityZone": "one", "VpcId": "vpc-1"}
    async with cloud(Client(describe_subnets={"Subnets": [subnet]})) as view:
        assert set(await view.subnets(ACCOUNT, ["subnet-1"])) == {"subnet-1"}


async def test_local_zones_are_no_availability_zones() -> None:
    zones = [
        {"ZoneName": "eu-west-1b", "State": "available", "ZoneType": "availability-zone"},
        {"ZoneName": "eu-west-1a", "State": "available"},
        {"ZoneName": "eu-west-1-ber-1a", "State": "available", "ZoneType": "local-zone"},
        {"ZoneName": "eu-west-1c", "State": "unavailable"},
    ]
    async with cloud(Client(describe_availability_zones={"AvailabilityZones": zones})) as view:
        assert await view.zones() == ("eu-west-1a", "eu-west-1b")


@pytest.mark.parametrize(
    ("of_instance", "of_load_balancer", "found"),
    [
        ("vpc-1", "vpc-1", "10.0.0.1"),
        ("vpc-1", "vpc-2", None),
        ("vpc-1", None, "198.51.100.1"),
        (None, None, "198.51.100.1"),
        (None, "vpc-1", None),
        (base.ANYWHERE, "vpc-1", "10.0.0.1"),
        (base.ANYWHERE, None, "10.0.0.1"),
    ],
)
def test_where_a_load_balancer_finds_an_instance(
    of_instance: str | None, of_load_balancer: str | None, found: str | None
) -> None:
    """Spec/elb-control-plane 1.8: the public address for a classic load balancer, the private one in the VPC."""
    instance = base.Instance("i-1", "one", "running", of_instance, "10.0.0.1", "198.51.100.1")
    assert instance.address_for(of_load_balancer) == found
