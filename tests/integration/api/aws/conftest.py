"""moto's server as the cloud, as a process of its own, with a small network in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import prometheus_client
import pytest
import stamina
from aiobotocore.session import AioSession
from tests.bench import engine_peers
from tests.integration.api.conftest import House, open_house

from elbflow import clock as clocks
from elbflow import store, tasks
from elbflow_api import metrics, settings
from elbflow_api.cloud import base, calls, opening

REGION = "us-east-1"
IMAGE = "ami-12c6146b"


@dataclass(frozen=True)
class Network:
    """Ids of what is there: ``home`` has an internet gateway, ``island`` has none."""

    url: str
    home: str
    island: str
    default: str
    subnets: dict[str, str]
    groups: dict[str, str]
    instances: dict[str, str]
    certificate: str


def client(url: str, service: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=url, region_name=REGION, **keys)


def _vpc(ec2: Any, cidr: str, *, gateway: bool) -> str:
    vpc_id: str = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    if gateway:
        made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc_id)
    return vpc_id


def _furnished(url: str) -> Network:
    ec2, iam = client(url, "ec2"), client(url, "iam")
    default = ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    home, island = _vpc(ec2, "10.1.0.0/16", gateway=True), _vpc(ec2, "10.2.0.0/16", gateway=False)

    def subnet(vpc_id: str, cidr: str, zone: str) -> str:
        made = ec2.create_subnet(VpcId=vpc_id, CidrBlock=cidr, AvailabilityZone=f"{REGION}{zone}")
        return str(made["Subnet"]["SubnetId"])

    def group(vpc_id: str, name: str) -> str:
        return str(ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc_id)["GroupId"])

    def instance(subnet_id: str) -> str:
        made = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet_id)
        return str(made["Instances"][0]["InstanceId"])

    subnets = {
        "a": subnet(home, "10.1.1.0/24", "a"),
        "a2": subnet(home, "10.1.2.0/24", "a"),
        "b": subnet(home, "10.1.3.0/24", "b"),
        "island": subnet(island, "10.2.1.0/24", "a"),
    }
    groups = {"web": group(home, "web"), "db": group(home, "db"), "island": group(island, "web")}
    instances = {
        "a": instance(subnets["a"]),
        "b": instance(subnets["b"]),
        "stopped": instance(subnets["a"]),
        "island": instance(subnets["island"]),
    }
    ec2.stop_instances(InstanceIds=[instances["stopped"]])
    client(url, "s3").create_bucket(Bucket="the-logs")
    uploaded = iam.upload_server_certificate(
        ServerCertificateName="site", Path="/shop/", CertificateBody="body", PrivateKey="key"
    )
    arn = uploaded["ServerCertificateMetadata"]["Arn"]
    return Network(url, home, island, default, subnets, groups, instances, arn)


@pytest.fixture(scope="session")
def _models() -> Any:
    """botocore's models, read once: they take longer than most tests."""
    return AioSession().get_component("data_loader")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, _models: Any) -> Iterator[None]:
    """The models are there, and calls are repeated as often as ever, but without pauses."""

    def session(profile: str | None) -> AioSession:
        made = AioSession(profile=profile)
        made.register_component("data_loader", _models)
        return made

    monkeypatch.setattr(opening, "AioSession", session)
    with stamina.set_testing(True, attempts=calls.ATTEMPTS):
        yield


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    with engine_peers.moto() as peer:
        yield _furnished(peer.url)


def places(url: str) -> dict[str, Any]:
    """Settings that send everything to one URL."""
    return {"ec2_endpoint": url, "s3_endpoint": url, "iam_endpoint": url}


@asynccontextmanager
async def view(url: str, **chosen: Any) -> AsyncIterator[base.Cloud]:
    """The aws cloud at one URL, as the front door opens it."""
    places = {"ec2_endpoint": url, "s3_endpoint": url, "iam_endpoint": url}
    given = settings.ApiSettings(
        store_url="sqlite+aiosqlite:////nowhere/store.sqlite", cloud="aws", **(places | chosen)
    )
    meters = metrics.Meters(prometheus_client.CollectorRegistry())
    async with (
        store.Store(given.store_url) as db,
        tasks.supervised(1.0) as background,
        opening.opened(given, db, clock=clocks.SystemClock(), background=background, meters=meters) as cloud,
    ):
        yield cloud


@pytest.fixture
async def house(store_url: str, network: Network) -> AsyncIterator[House]:
    async with open_house(store_url, cloud="aws", **places(network.url)) as opened:
        yield opened
