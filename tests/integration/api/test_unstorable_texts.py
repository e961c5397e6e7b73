"""Texts that no database takes: they match nothing, and nobody gets a 500 for them, least of all without a key."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from botocore.exceptions import ClientError
from tests.integration.api.conftest import BOTH, House, code
from tests.integration.api.iam.conftest import opened

DATABASES = BOTH

_MARKER = base64.urlsafe_b64encode(b"a\0b").decode()


async def answer(url: str, target: bytes, *headers: bytes) -> tuple[int, bytes]:
    """Status and body of a request that no client would send."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: a", b"Connection: close", *headers, b"", b""]))
    text = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


@pytest.mark.parametrize("key_id", [b"a\0b", b"\xff\xfe", "\u00e4".encode(), b"a" * 5000])
async def test_an_access_key_id_that_no_database_takes(house: House, key_id: bytes) -> None:
    timestamp = now()
    scope = f"/{timestamp[:8]}/us-east-1/elasticloadbalancing/aws4_request"
    presigned = (
        "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
        f"&X-Amz-Date={timestamp}&X-Amz-Credential={quote(key_id)}{quote(scope)}"
    )
    status, body = await answer(house.api.url, presigned.encode())
    assert (status, b"InvalidClientTokenId" in body) == (403, True)
    if b"\0" in key_id:  # HTTP has none in headers
        return
    signature = b"Authorization: AWS4-HMAC-SHA256 Credential=%b, SignedHeaders=host;x-amz-date, Signature=0" % (
        key_id + scope.encode()
    )
    status, body = await answer(house.api.url, b"/", b"X-Amz-Date: " + timestamp.encode(), signature)
    assert (status, b"InvalidClientTokenId" in body) == (403, True)


async def test_a_name_with_a_nul_is_one_that_is_not_there(house: House) -> None:
    for call in (
        house.elb.describe_load_balancers(LoadBalancerNames=["a\0b"]),
        house.elb.describe_instance_health(LoadBalancerName="a\0b"),
    ):
        with pytest.raises(ClientError) as caught:
            await call
        assert code(caught) == ("LoadBalancerNotFound", 400)


async def test_a_marker_with_a_nul_is_none(store_url: str, tmp_path: Path) -> None:
    async with opened(store_url, tmp_path) as place:
        for call in (
            place.house.elb.describe_load_balancers(Marker=_MARKER),
            place.iam.list_server_certificates(Marker=_MARKER),
        ):
            with pytest.raises(ClientError) as caught:
                await call
            assert code(caught) == ("ValidationError", 400)
