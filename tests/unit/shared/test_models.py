"""A session that knows one service's endpoints resolves them as one that knows all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiobotocore.session import AioSession
from botocore import loaders, regions

from elbflow import models

_REGIONS = ("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "fips-us-east-1", "eu-new-9", "local")


@pytest.fixture(scope="module")
def stock() -> regions.EndpointResolver:
    return regions.EndpointResolver(loaders.Loader().load_data("endpoints"))


@pytest.mark.parametrize("service", ["swf", "s3"])
def test_endpoints_are_those_of_the_whole_table(stock: regions.EndpointResolver, service: str) -> None:
    session = AioSession()
    models.load(session, service)
    ours = session._get_internal_component("endpoint_resolver")
    for region in _REGIONS:
        assert ours.construct_endpoint(service, region) == stock.construct_endpoint(service, region), region
    for partition in stock.get_available_partitions():
        assert ours.get_available_endpoints(service, partition, allow_non_regional=True) == (
            stock.get_available_endpoints(service, partition, allow_non_regional=True)
        )


def test_other_services_are_not_kept() -> None:
    session = AioSession()
    models.load(session, "swf")
    table = session.get_component("data_loader").load_data("endpoints")
    assert {name for partition in table["partitions"] for name in partition["services"]} == {"swf"}


async def test_clients_have_their_place_in_every_partition(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    session = AioSession()
    await asyncio.to_thread(models.load, session, "swf")
    await asyncio.to_thread(session.get_scoped_config)
    urls = []
    for region in ("eu-central-1", "cn-north-1"):
        async with session.create_client(
            "swf", region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
        ) as client:
            urls.append(client.meta.endpoint_url)
    assert urls == ["https://swf.eu-central-1.amazonaws.com", "https://swf.cn-north-1.amazonaws.com.cn"]
