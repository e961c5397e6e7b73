from __future__ import annotations

import dataclasses
import re

import pytest
from tests.unit.service import signing

from elbflow import clock, service
from elbflow.service.sigv4 import claim

LIFE_S = 900


def presigned(credential: service.Credential = signing.CREDENTIAL, expires_s: int = LIFE_S) -> service.SignedRequest:
    return signing.signed(
        method="GET",
        params={"Action": "DescribeLoadBalancers", "Marker": "a b+c"},
        credential=credential,
        presign_s=expires_s,
    )


@pytest.mark.parametrize("credential", [signing.CREDENTIAL, signing.SESSION], ids=["plain", "session"])
async def test_presigned_addresses_of_botocore_are_accepted(credential: service.Credential) -> None:
    request = presigned(credential)
    assert [name for name, _ in request.headers] == ["Host"]
    identity = await signing.verifier().verify(request)
    assert (identity.access_key_id, identity.region) == (credential.access_key_id, signing.REGION)


@pytest.mark.parametrize(
    ("pattern", "new", "code"),
    [
        ("Describe", "Delete", service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
        ("^", "Extra=1&", service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
        ("X-Amz-Expires=900", "X-Amz-Expires=901", service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=accept", service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
        ("AKIDEXAMPLE", "AKIDUNKNOWN", service.AuthCode.INVALID_CLIENT_TOKEN_ID),
        (signing.REGION, "us-east-1", service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
        ("X-Amz-Signature=", "X-Amz-Signature=0", service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
        ("$", "&X-Amz-Security-Token=t", service.AuthCode.INVALID_CLIENT_TOKEN_ID),
        ("$", "&X-Amz-Signature=0", service.AuthCode.INCOMPLETE_SIGNATURE),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", service.AuthCode.INCOMPLETE_SIGNATURE),
        ("X-Amz-Expires=900&", "", service.AuthCode.INCOMPLETE_SIGNATURE),
        ("X-Amz-Expires=900", "X-Amz-Expires=-1", service.AuthCode.INCOMPLETE_SIGNATURE),
        ("X-Amz-Expires=900", "X-Amz-Expires=604801", service.AuthCode.INCOMPLETE_SIGNATURE),
        ("X-Amz-Expires=900", "X-Amz-Expires=0", service.AuthCode.INCOMPLETE_SIGNATURE),
        ("X-Amz-Date=[^&]*&", "", service.AuthCode.INCOMPLETE_SIGNATURE),
        ("&X-Amz-Signature=.*", "", service.AuthCode.MISSING_AUTHENTICATION_TOKEN),
    ],
)
async def test_a_changed_address_is_refused(pattern: str, new: str, code: service.AuthCode) -> None:
    request = presigned()
    query = re.sub(pattern, new, request.query, count=1)
    assert query != request.query
    with pytest.raises(service.AuthError) as caught:
        await signing.verifier().verify(dataclasses.replace(request, query=query))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        lambda request: dataclasses.replace(request, body=b"Action=Delete"),
        lambda request: dataclasses.replace(request, method="POST"),
        lambda request: dataclasses.replace(request, path="/x"),
        signing.with_header("Host", "evil"),
        signing.with_header("X-Amz-Target", "SimpleWorkflowService.RegisterDomain"),
    ],
    ids=["body", "method", "path", "host", "target"],
)
async def test_what_the_address_does_not_hold_is_bound_too(change: signing.Change) -> None:
    with pytest.raises(service.AuthError) as caught:
        await signing.verifier().verify(change(presigned()))
    assert caught.value.code == service.AuthCode.SIGNATURE_DOES_NOT_MATCH


@pytest.mark.parametrize(("offset_s", "good"), [(-301, False), (-299, True), (LIFE_S - 1, True), (LIFE_S + 1, False)])
async def test_an_address_lives_as_long_as_it_says(offset_s: float, good: bool) -> None:
    request = presigned()
    signed_at = claim.read(request, {}).time_s
    verifier = signing.verifier(at=clock.ManualClock(start=signed_at + offset_s))
    if good:
        assert (await verifier.verify(request)).account == signing.CREDENTIAL.account
        return
    with pytest.raises(service.AuthError) as caught:
        await verifier.verify(request)
    assert caught.value.code == service.AuthCode.REQUEST_EXPIRED


async def test_an_address_without_the_sessions_token_is_refused() -> None:
    stolen = dataclasses.replace(signing.SESSION, session_token=None)
    with pytest.raises(service.AuthError) as caught:
        await signing.verifier().verify(presigned(stolen))
    assert caught.value.code == service.AuthCode.INVALID_CLIENT_TOKEN_ID
