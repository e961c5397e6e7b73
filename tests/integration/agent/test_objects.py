"""Objects in an S3 that is one, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import boto3
import pytest
from tests.bench import engine_peers

from elbflow import objects

REGION = "us-east-1"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with engine_peers.moto() as peer:
        client = boto3.client("s3", endpoint_url=peer.url, region_name=REGION)
        client.create_bucket(Bucket="the-logs")
        yield client


async def test_objects_are_stored_for_the_owner_of_the_bucket_and_failures_can_be_repeated(s3: Any) -> None:
    endpoint = s3.meta.endpoint_url
    async with objects.opened(None, region=REGION, endpoint=endpoint) as store:
        await store.put("the-logs", "a/b.log", b"one\n")
        await store.put("the-logs", "a/b.log", b"one\ntwo\n")
        with pytest.raises(objects.ObjectNotStored, match="NoSuchBucket"):
            await store.put("other-logs", "a/b.log", b"")
    listed = await asyncio.to_thread(s3.list_objects_v2, Bucket="the-logs")
    assert [one["Key"] for one in listed["Contents"]] == ["a/b.log"]
    found = await asyncio.to_thread(s3.get_object(Bucket="the-logs", Key="a/b.log")["Body"].read)
    assert found == b"one\ntwo\n"
    async with objects.opened(None, region=REGION, endpoint="http://127.0.0.1:9") as nowhere:
        with pytest.raises(objects.ObjectNotStored):
            await nowhere.put("the-logs", "a", b"")
