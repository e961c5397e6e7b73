"""Signed requests with real clients, refused ones on the wire (spec/swf-semantics 1.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from botocore import exceptions
from tests.integration.engine import rig

from elbflow import clock, service
from elbflow_engine import embedded

KEY = "AKIDEXAMPLE"
SECRET = "a secret of no value"
ACCOUNT = "123456789012"


@pytest.fixture
async def guarded() -> AsyncIterator[str]:
    keys = service.StaticKeys([service.Credential(KEY, SECRET, ACCOUNT)])
    verifier = service.Verifier(keys, service="swf", clock=clock.SystemClock())
    async with embedded.engine(auth=verifier, hold_s=1) as url:
        yield url


async def test_the_right_signature_is_let_in(guarded: str) -> None:
    def run() -> str:
        swf = rig.boto_client(guarded, access_key=KEY, secret=SECRET)
        swf.register_domain(name="d", workflowExecutionRetentionPeriodInDays="1")
        return str(swf.describe_domain(name="d")["domainInfo"]["arn"])

    assert await asyncio.to_thread(run) == f"arn:aws:swf:us-east-1:{ACCOUNT}:/domain/d"


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [(KEY, "wrong", "InvalidSignatureException"), ("AKIDOTHER", SECRET, "UnrecognizedClientException")],
)
async def test_wrong_keys_are_refused(guarded: str, key: str, secret: str, code: str) -> None:
    def run() -> tuple[str, int]:
        with pytest.raises(exceptions.ClientError) as caught:
            rig.boto_client(guarded, access_key=key, secret=secret).list_domains(registrationStatus="REGISTERED")
        response = caught.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]

    assert await asyncio.to_thread(run) == (code, 400)


async def test_unsigned_requests_are_refused(guarded: str, session: aiohttp.ClientSession) -> None:
    wire = rig.Wire(session, guarded)
    answer = await wire.send("ListDomains", {"registrationStatus": "REGISTERED"})
    assert (answer.status, answer.code) == (400, "MissingAuthenticationTokenException")
    answer = await wire.send("ListDomains", {}, Authorization="AWS4-HMAC-SHA256 Credential=x")
    assert (answer.status, answer.code) == (400, "IncompleteSignatureException")


async def test_framing_and_target_are_checked_before_the_signature(
    guarded: str, session: aiohttp.ClientSession
) -> None:
    wire = rig.Wire(session, guarded)
    assert (await wire.send("ListDomains", b"{")).code == "SerializationException"
    assert (await wire.send("NoSuchOperation", {})).code == "UnknownOperationException"
    assert (await wire.send("ListDomains", {"registrationStatus": 1})).code == "MissingAuthenticationTokenException"
