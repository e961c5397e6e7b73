"""Objects in an S3 that is one, over HTTP, and who asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.credentials import ReadOnlyCredentials
from tests.bench import engine_peers

from elbflow import objects

REGION = "us-east-1"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with engine_peers.moto() as peer:
        yield peer.url


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = boto3.session.Session().client("s3", endpoint_url=endpoint, region_name=REGION)
    client.create_bucket(Bucket="the-logs")
    return client


async def test_objects_are_stored_for_the_owner_of_the_bucket_and_failures_can_be_repeated(
    s3: Any, endpoint: str
) -> None:
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


class Recorded:
    """An S3 that notes who asks and refuses the keys ``bad``."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.bad: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].split("\r\n")[0])
        if "100-continue" in head:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(length)
        self.keys.append(head.partition("credential=")[2].partition("/")[0])
        body = b"<Error><Code>ExpiredToken</Code></Error>" if self.keys[-1] in self.bad else b""
        status = "400 Bad Request" if body else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        writer.close()


class Role:
    def __init__(self, *names: str) -> None:
        self.names = list(names)

    async def keys(self) -> ReadOnlyCredentials:
        await asyncio.sleep(0)
        return ReadOnlyCredentials(self.names[0], "secret", "token")

    def refused(self) -> None:
        self.names.pop(0)


async def test_each_object_is_signed_by_its_own_role_through_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    asked = Recorded()
    server = await asyncio.start_server(asked.serve, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, objects.S3Objects(REGION, endpoint) as store:
        renewed = Role("expired", "renewed")
        asked.bad.add("expired")
        await store.put("the-logs", "a", b"x")
        await store.signed_by(Role("first")).put("the-logs", "a", b"x")
        with pytest.raises(objects.ObjectNotStored, match="ExpiredToken"):
            await store.signed_by(renewed).put("the-logs", "a", b"x")
        await store.signed_by(renewed).put("the-logs", "a", b"x")
        await asyncio.gather(*(store.signed_by(Role(f"r{number}")).put("the-logs", "a", b"x") for number in range(4)))
    assert asked.keys[:4] == ["own", "first", "expired", "renewed"]
    assert sorted(asked.keys[4:]) == ["r0", "r1", "r2", "r3"]


async def test_keys_that_were_not_there_at_the_first_object_are_found_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    asked = Recorded()
    server = await asyncio.start_server(asked.serve, "127.0.0.1", 0)
    async with (
        server,
        objects.S3Objects(REGION, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as store,
    ):
        with pytest.raises(objects.ObjectNotStored, match="credentials"):
            await store.put("the-logs", "a", b"x")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "later")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        await store.put("the-logs", "a", b"x")
    assert asked.keys == ["later"]
