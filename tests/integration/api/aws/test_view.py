"""What the aws cloud answers, with moto in AWS's place."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.integration.api.aws.conftest import REGION, Network, client, view
from tests.integration.api.conftest import ACCOUNT, OTHER_KEY

from elbflow.contract import cloud, document
from elbflow_api.cloud import base

OTHERS = OTHER_KEY.account


@pytest.fixture
async def aws(network: Network) -> AsyncIterator[base.Cloud]:
    async with view(network.url) as opened:
        yield opened


async def test_zones(aws: base.Cloud) -> None:
    assert (await aws.zones())[:2] == (f"{REGION}a", f"{REGION}b")


async def test_vpcs(network: Network, aws: base.Cloud) -> None:
    assert await aws.vpc(ACCOUNT, network.home) == cloud.Vpc(network.home, default=False, internet_gateway=True)
    assert await aws.vpc(ACCOUNT, network.island) == cloud.Vpc(network.island, default=False, internet_gateway=False)
    for unknown in ("vpc-0123456789abcdef0", "vpc-*", "*", "", network.subnets["a"], "vpc-" + "a" * 5000):
        assert await aws.vpc(ACCOUNT, unknown) is None
    default = await aws.default_vpc(ACCOUNT)
    assert default is not None
    assert (default.vpc_id, default.default) == (network.default, True)
    by_zone = await aws.default_subnets(ACCOUNT, network.default)
    assert by_zone[f"{REGION}a"].vpc_id == network.default
    assert by_zone[f"{REGION}a"].default
    assert await aws.default_subnets(ACCOUNT, network.home) == {}


async def test_subnets_and_groups(network: Network, aws: base.Cloud) -> None:
    wanted = [network.subnets["a"], network.subnets["island"], "subnet-0123456789abcdef0", "subnet-*", "nonsense"]
    assert await aws.subnets(ACCOUNT, wanted) == {
        network.subnets["a"]: cloud.Subnet(network.subnets["a"], f"{REGION}a", network.home),
        network.subnets["island"]: cloud.Subnet(network.subnets["island"], f"{REGION}a", network.island),
    }
    web = network.groups["web"]
    found = await aws.security_groups(ACCOUNT, [web, "sg-0123456789abcdef0", "sg-*"])
    assert found == {web: cloud.VpcGroup(document.SecurityGroup(web, "web"), network.home)}
    default = await aws.default_security_group(ACCOUNT, network.home)
    assert default is not None
    assert default.name == "default"
    assert await aws.subnets(ACCOUNT, []) == {}


async def test_instances(network: Network, aws: base.Cloud) -> None:
    found = await aws.instances(ACCOUNT, [*network.instances.values(), "i-0123456789abcdef0", "10.1.1.4", "i-*"])
    assert set(found) == set(network.instances.values())
    running, stopped = found[network.instances["b"]], found[network.instances["stopped"]]
    assert (running.zone, running.state, running.vpc_id) == (f"{REGION}b", "running", network.home)
    assert running.address_for(network.home) == running.address
    assert running.address_for(network.island) is None
    assert stopped.state == "stopped"
    many = [f"i-{number:017x}" for number in range(450)]
    assert set(await aws.instances(ACCOUNT, [*many, network.instances["a"]])) == {network.instances["a"]}


async def test_what_is_of_another_account_is_not_there(network: Network, aws: base.Cloud) -> None:
    assert await aws.subnets(OTHERS, network.subnets.values()) == {}
    assert await aws.security_groups(OTHERS, network.groups.values()) == {}
    assert await aws.instances(OTHERS, network.instances.values()) == {}
    assert await aws.vpc(OTHERS, network.home) is None
    assert await aws.default_vpc(OTHERS) is None
    assert await aws.certificates(OTHERS, [network.certificate]) == frozenset()


async def test_certificates(network: Network, aws: base.Cloud) -> None:
    known = network.certificate
    others = [f"{known}-old", f"arn:aws:iam::{ACCOUNT}:server-certificate/site", "arn:aws:acm:x:y:certificate/z", "x"]
    assert await aws.certificates(ACCOUNT, [known, *others]) == frozenset({known})
    assert await aws.certificates(ACCOUNT, ["nonsense"]) == frozenset()
    async with view(network.url, cloud_certificates="store") as kept_here:
        assert await kept_here.certificates(ACCOUNT, [known]) is None


async def test_buckets(network: Network, aws: base.Cloud) -> None:
    assert await aws.bucket_refusal(ACCOUNT, "the-logs") is None
    assert await aws.bucket_refusal(ACCOUNT, "no-logs") == "S3Bucket: no-logs does not exist"
    assert await aws.bucket_refusal(ACCOUNT, "Not/Valid") == "the specified bucket is not valid"


async def test_what_is_new_is_found_at_once(network: Network, aws: base.Cloud) -> None:
    """That something is missing is never remembered; what is there is, for a while."""
    ec2 = client(network.url, "ec2")
    assert await aws.vpc(ACCOUNT, network.island) == cloud.Vpc(network.island, default=False, internet_gateway=False)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=network.island)
    try:
        opened = cloud.Vpc(network.island, default=False, internet_gateway=True)
        assert await aws.vpc(ACCOUNT, network.island) == opened
    finally:
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=network.island)
    assert await aws.vpc(ACCOUNT, network.island) == opened
