"""The IAM endpoint beside the ELB one, with clients as users have them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.conftest import ACCOUNT, KEY, House, open_house
from tests.integration.api.iam import boto
from tests.unit.api.iam.conftest import Issued, issue

from elbflow import store
from elbflow_api.iam import keys, master_key

ARN = f"arn:aws:iam::{ACCOUNT}:server-certificate"


class Iam(boto.Boto):
    """The client of IAM's endpoint."""

    def __init__(self, url: str | None, key: store.AccessKey) -> None:
        super().__init__("iam", url, key)

    async def upload(self, name: str, issued: Issued, **more: Any) -> Any:
        answer = await self.upload_server_certificate(
            ServerCertificateName=name, CertificateBody=issued.pem, PrivateKey=issued.key_pem(), **more
        )
        return answer["ServerCertificateMetadata"]

    async def names(self, **given: Any) -> list[str]:
        answer = await self.list_server_certificates(**given)
        return [one["ServerCertificateName"] for one in answer["ServerCertificateMetadataList"]]


@dataclass
class Place:
    house: House
    iam: Iam
    master_key: Path

    def client(self, key: store.AccessKey) -> Iam:
        assert self.house.api.iam_url is not None
        return Iam(self.house.api.iam_url, key)

    async def private_key(self, row: store.ServerCertificate) -> str:
        """The private key in what the store has of a certificate."""
        vault = await asyncio.to_thread(master_key.load_or_create, self.master_key)
        return keys.open_sealed(vault, row).decode()


@contextlib.asynccontextmanager
async def opened(store_url: str, tmp_path: Path, **chosen: Any) -> AsyncIterator[Place]:
    path = tmp_path / "master-key"
    async with open_house(store_url, iam_port=0, master_key_file=path, **chosen) as house:
        assert house.api.iam_url is not None
        yield Place(house, Iam(house.api.iam_url, KEY), path)


@pytest.fixture
async def place(store_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(store_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def authority() -> Issued:
    return issue("authority")


@pytest.fixture(scope="module")
def www(authority: Issued) -> Issued:
    return issue("www.example.com", authority)


async def kept(place: Place, name: str) -> store.ServerCertificate:
    async with place.house.db.reading() as tx:
        found = await tx.server_certificates.by_name(ACCOUNT, name)
    assert found is not None
    return found
