"""The IAM endpoint: what it keeps secret, what it refuses, and the AWS CLI."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
import structlog
from botocore.exceptions import ClientError
from tests.integration.api.conftest import ACCOUNT, ENVIRONMENT, KEY, OTHER_KEY, code
from tests.integration.api.iam.conftest import ARN, Place, kept, opened
from tests.unit.api.iam.conftest import Issued

from elbflow import store


async def test_the_private_key_is_sealed_and_never_answered_or_logged(
    place: Place, www: Issued, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory())
    await place.iam.upload("www", www)
    secret = www.key_pem().splitlines()[1]
    row = await kept(place, "www")
    assert await place.private_key(row) == www.key_pem()
    answers = (
        await place.iam.get_server_certificate(ServerCertificateName="www"),
        await place.iam.list_server_certificates(),
        row,
    )
    assert secret not in repr(answers)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert secret.encode() not in written
    assert base64.b64decode(secret)[:16] not in written
    with pytest.raises(ClientError) as caught:
        await place.iam.upload_server_certificate(
            ServerCertificateName="w", CertificateBody="x", PrivateKey=secret + "\u20ac"
        )
    assert code(caught) == ("ValidationError", 400)
    assert "Value at 'privateKey'" in str(caught.value)
    shown = capfd.readouterr()
    assert "server_certificate_uploaded" in shown.out
    assert secret not in shown.out + shown.err + str(caught.value)


async def test_refusals(place: Place, www: Issued, authority: Issued) -> None:
    await place.iam.upload("www", www)
    await place.iam.upload("other", www)
    upload, update = place.iam.upload, place.iam.update_server_certificate
    for call, refused in (
        (upload("www", www), ("EntityAlreadyExists", 409)),
        (upload("a", Issued(www.certificate, authority.key)), ("KeyPairMismatch", 400)),
        (upload("a", www, CertificateChain=www.pem), ("MalformedCertificate", 400)),
        (upload("a", www, Path="shop"), ("ValidationError", 400)),
        (upload("\u00e4", www), ("ValidationError", 400)),
        (upload("a", www, Tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]), ("InvalidInput", 400)),
        (upload("a", www, Tags=[{"Key": "aws:a", "Value": ""}]), ("InvalidInput", 400)),
        (update(ServerCertificateName="no", NewPath="/a/"), ("NoSuchEntity", 404)),
        (update(ServerCertificateName="www", NewServerCertificateName="other"), ("EntityAlreadyExists", 409)),
        (place.iam.delete_server_certificate(ServerCertificateName="no"), ("NoSuchEntity", 404)),
        (place.iam.list_users(), ("UnsupportedOperation", 400)),
        (place.client(OTHER_KEY).get_server_certificate(ServerCertificateName="www"), ("NoSuchEntity", 404)),
    ):
        with pytest.raises(ClientError) as caught:
            await call
        assert code(caught) == refused
    assert await place.iam.names() == ["other", "www"]
    assert await place.client(OTHER_KEY).names() == []


async def test_an_account_has_a_limit(store_url: str, tmp_path: Path, www: Issued) -> None:
    async with opened(store_url, tmp_path, max_server_certificates=1) as place:
        await place.iam.upload("a", www)
        with pytest.raises(ClientError) as caught:
            await place.iam.upload("b", www)
        assert code(caught) == ("LimitExceeded", 409)
        async with place.house.db.transaction() as tx:
            await tx.accounts.save(store.Account(ACCOUNT, quotas=(("server-certificates", 2),)))
        await place.iam.upload("b", www)
        assert await place.iam.names() == ["a", "b"]


async def test_the_master_key_serves_again_after_a_restart(store_url: str, tmp_path: Path, www: Issued) -> None:
    async with opened(store_url, tmp_path) as place:
        await place.iam.upload("www", www)
    async with opened(store_url, tmp_path) as place:
        assert await place.iam.names() == ["www"]
        assert await place.private_key(await kept(place, "www")) == www.key_pem()


async def cli(place: Place, *words: str) -> Any:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **ENVIRONMENT,
        "AWS_ACCESS_KEY_ID": KEY.access_key_id,
        "AWS_SECRET_ACCESS_KEY": KEY.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_IAM": str(place.house.api.iam_url),
    }
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "aws"),
        "iam",
        *words,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return json.loads(out or b"{}") if process.returncode == 0 else err.decode()


async def test_the_aws_cli(place: Place, www: Issued, tmp_path: Path) -> None:
    body, key = tmp_path / "body.pem", tmp_path / "key.pem"
    body.write_text(www.pem)
    key.write_text(www.key_pem())
    given = ("--certificate-body", f"file://{body}", "--private-key", f"file://{key}")
    uploaded, refused = await asyncio.gather(
        cli(place, "upload-server-certificate", "--server-certificate-name", "www", *given),
        cli(place, "delete-server-certificate", "--server-certificate-name", "no"),
    )
    assert uploaded["ServerCertificateMetadata"]["Arn"] == f"{ARN}/www"
    assert "(NoSuchEntity)" in refused
    listed, read = await asyncio.gather(
        cli(place, "list-server-certificates", "--path-prefix", "/"),
        cli(place, "get-server-certificate", "--server-certificate-name", "www"),
    )
    assert [one["ServerCertificateName"] for one in listed["ServerCertificateMetadataList"]] == ["www"]
    assert read["ServerCertificate"]["CertificateBody"] == www.pem.strip()


async def test_a_signature_for_another_service_is_none(place: Place) -> None:
    elb: Any = boto3.client(
        "elb",
        endpoint_url=place.house.api.iam_url,
        region_name="us-east-1",
        aws_access_key_id=KEY.access_key_id,
        aws_secret_access_key=KEY.secret_access_key,
    )
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(elb.describe_load_balancers)
    assert code(caught) == ("SignatureDoesNotMatch", 403)
