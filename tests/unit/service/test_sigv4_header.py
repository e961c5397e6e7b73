from __future__ import annotations

import dataclasses
import email.utils
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.unit.service import signing

from elbflow import clock, service
from elbflow.service.sigv4 import claim

JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "SimpleWorkflowService.CountOpen"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

REQUESTS: dict[str, dict[str, Any]] = {
    "json": {"headers": JSON, "body": b'{"domain":"LoadbalancingDomain"}'},
    "form": {"headers": FORM, "body": b"Action=DescribeLoadBalancers&Version=2012-06-01"},
    "get": {"method": "GET", "params": {"Action": "Describe", "Marker": "a b+c/ä~*", "Empty": ""}},
    "path": {"method": "GET", "path": "/services/Load%20balancing/./x//y/../z"},
    "odd headers": {"headers": {**JSON, "X-Custom": "  two   spaces\tand tab "}, "body": b"{}"},
}


@pytest.mark.parametrize("parts", REQUESTS.values(), ids=REQUESTS.keys())
async def test_requests_of_botocore_are_accepted(parts: dict[str, Any]) -> None:
    identity = await signing.verifier().verify(signing.signed(**parts))
    assert identity == service.Identity(
        account=signing.CREDENTIAL.account,
        access_key_id=signing.CREDENTIAL.access_key_id,
        admin=False,
        region=signing.REGION,
    )


def _add_header(name: str, value: str) -> signing.Change:
    return lambda request: dataclasses.replace(request, headers=[*request.headers, (name, value)])


def _replace(**changes: str | bytes) -> signing.Change:
    return lambda request: dataclasses.replace(request, **changes)  # type: ignore[arg-type]


TAMPERED: dict[str, tuple[signing.Change, service.AuthCode]] = {
    "method": (_replace(method="GET"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "path": (_replace(path="/other"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "query": (_replace(query="Action=Delete"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "body": (_replace(body=b'{"domain":"other"}'), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "empty body": (_replace(body=b""), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "host": (signing.with_header("Host", "evil:1"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "target": (
        signing.with_header("X-Amz-Target", "SimpleWorkflowService.RegisterDomain"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "content type": (signing.with_header("Content-Type", "text/plain"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "content type removed": (signing.with_header("Content-Type", None), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "second value of a signed header": (
        _add_header("Content-Type", "x"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "unsigned x-amz header": (
        _add_header("X-Amz-Security", "none"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "unsigned payload": (
        _add_header("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "region": (
        signing.edit_authorization(signing.REGION, "us-east-1"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "service": (signing.edit_authorization("/swf/", "/ec2/"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "scope date": (
        lambda request: signing.edit_authorization(f"/{signing.header(request, 'X-Amz-Date')[:8]}/", "/20200101/")(
            request
        ),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "terminator": (
        signing.edit_authorization("aws4_request", "aws5_request"),
        service.AuthCode.INCOMPLETE_SIGNATURE,
    ),
    "key": (
        signing.edit_authorization("AKIDEXAMPLE", "AKIDUNKNOWN"),
        service.AuthCode.INVALID_CLIENT_TOKEN_ID,
    ),
    "signature": (signing.edit_authorization("Signature=", "Signature=0"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "signature not ascii": (
        signing.edit_authorization("Signature=", "Signature=\udcff"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "fewer signed headers": (
        signing.edit_authorization("content-type;", ""),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "target not signed": (
        signing.edit_authorization(";x-amz-target", ""),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "host not signed": (signing.edit_authorization("host;", ""), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "signed headers out of order": (
        signing.edit_authorization("content-type;host", "host;content-type"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "signed header not received": (
        signing.edit_authorization("content-type;host", "content-type;date;host"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "session token": (_add_header("X-Amz-Security-Token", "t"), service.AuthCode.SIGNATURE_DOES_NOT_MATCH),
    "algorithm": (
        signing.edit_authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        service.AuthCode.INCOMPLETE_SIGNATURE,
    ),
    "no credential": (
        signing.edit_authorization("Credential=", "Credentials="),
        service.AuthCode.INCOMPLETE_SIGNATURE,
    ),
    "no signed headers": (
        signing.edit_authorization("SignedHeaders=", "Signed="),
        service.AuthCode.INCOMPLETE_SIGNATURE,
    ),
    "part given twice": (
        signing.edit_authorization("Signature=", "Signature=0, Signature="),
        service.AuthCode.INCOMPLETE_SIGNATURE,
    ),
    "two authorizations": (_add_header("Authorization", "x"), service.AuthCode.INCOMPLETE_SIGNATURE),
    "two forms": (_replace(query="X-Amz-Signature=0"), service.AuthCode.INCOMPLETE_SIGNATURE),
    "hidden second form": (
        _replace(query="X%2DAmz%2DSignature=0"),
        service.AuthCode.SIGNATURE_DOES_NOT_MATCH,
    ),
    "no date": (signing.with_header("X-Amz-Date", None), service.AuthCode.INCOMPLETE_SIGNATURE),
    "date in another form": (
        signing.with_header("X-Amz-Date", "2026-01-31T00:00:00Z"),
        service.AuthCode.INCOMPLETE_SIGNATURE,
    ),
    "impossible date": (
        signing.with_header("X-Amz-Date", "20260231T000000Z"),
        service.AuthCode.INCOMPLETE_SIGNATURE,
    ),
    "no authorization": (
        signing.with_header("Authorization", None),
        service.AuthCode.MISSING_AUTHENTICATION_TOKEN,
    ),
}


@pytest.mark.parametrize(("change", "code"), TAMPERED.values(), ids=TAMPERED.keys())
async def test_a_changed_part_is_refused(change: signing.Change, code: service.AuthCode) -> None:
    changed = change(signing.signed(**REQUESTS["json"]))
    with pytest.raises(service.AuthError) as caught:
        await signing.verifier().verify(changed)
    assert caught.value.code == code
    assert signing.CREDENTIAL.secret_access_key not in caught.value.message


async def test_a_changed_query_of_a_get_is_refused() -> None:
    original = signing.signed(**REQUESTS["get"])
    for query in (
        original.query.replace("Describe", "Delete"),
        original.query.replace("%2B", "+"),
        f"{original.query}&Extra=1",
        original.query.replace("&Empty=", ""),
    ):
        assert query != original.query
        with pytest.raises(service.AuthError) as caught:
            await signing.verifier().verify(dataclasses.replace(original, query=query))
        assert caught.value.code == service.AuthCode.SIGNATURE_DOES_NOT_MATCH


async def test_another_secret_is_refused() -> None:
    forged = dataclasses.replace(signing.CREDENTIAL, secret_access_key="guess")
    with pytest.raises(service.AuthError) as caught:
        await signing.verifier().verify(signing.signed(body=b"{}", credential=forged))
    assert caught.value.code == service.AuthCode.SIGNATURE_DOES_NOT_MATCH


async def test_a_replaced_secret_is_used_at_once() -> None:
    renewed = dataclasses.replace(signing.CREDENTIAL, secret_access_key="renewed")
    request = signing.signed(body=b"{}", credential=renewed)
    with pytest.raises(service.AuthError):
        await signing.verifier().verify(request)
    new = service.Verifier(service.StaticKeys([renewed]), service="swf", clock=clock.SystemClock())
    assert (await new.verify(request)).access_key_id == renewed.access_key_id


async def test_a_key_of_another_service_is_refused() -> None:
    with pytest.raises(service.AuthError, match="correct service: 'elasticloadbalancing'"):
        await signing.verifier(name="elasticloadbalancing").verify(signing.signed(**REQUESTS["form"]))


async def test_session_credentials_need_their_token() -> None:
    request = signing.signed(body=b"{}", credential=signing.SESSION)
    assert (await signing.verifier().verify(request)).access_key_id == signing.SESSION.access_key_id
    for token in (None, "other"):
        stolen = dataclasses.replace(signing.SESSION, session_token=token)
        with pytest.raises(service.AuthError) as caught:
            await signing.verifier().verify(signing.signed(body=b"{}", credential=stolen))
        assert caught.value.code == service.AuthCode.INVALID_CLIENT_TOKEN_ID


async def test_a_token_for_a_key_that_has_none_is_refused() -> None:
    strange = dataclasses.replace(signing.CREDENTIAL, session_token="token")
    with pytest.raises(service.AuthError) as caught:
        await signing.verifier().verify(signing.signed(body=b"{}", credential=strange))
    assert caught.value.code == service.AuthCode.INVALID_CLIENT_TOKEN_ID


@pytest.mark.parametrize(("offset_s", "good"), [(-301, False), (-299, True), (299, True), (301, False)])
async def test_clocks_may_differ_by_five_minutes(offset_s: float, good: bool) -> None:
    request = signing.signed(body=b"{}")
    signed_at = claim.read(request, claim.index_headers(request)).time_s
    verifier = signing.verifier(at=clock.ManualClock(start=signed_at + offset_s))
    if good:
        assert (await verifier.verify(request)).account == signing.CREDENTIAL.account
        return
    with pytest.raises(service.AuthError) as caught:
        await verifier.verify(request)
    assert caught.value.code == service.AuthCode.REQUEST_EXPIRED


async def test_a_date_header_can_stand_for_x_amz_date() -> None:
    request = signing.signed(headers={"Date": "any"}, body=b"{}")
    assert signing.header(request, "Date").endswith(("GMT", "-0000"))
    assert (await signing.verifier().verify(request)).account == signing.CREDENTIAL.account
    with pytest.raises(service.AuthError) as caught:
        await signing.verifier().verify(signing.with_header("Date", "yesterday")(request))
    assert caught.value.code == service.AuthCode.INCOMPLETE_SIGNATURE
    later = email.utils.formatdate(email.utils.mktime_tz((2035, 1, 1, 0, 0, 0, 0, 0, 0, 0)))
    with pytest.raises(service.AuthError):
        await signing.verifier().verify(signing.with_header("Date", later)(request))


async def test_the_hash_header_other_sdks_send_is_checked() -> None:
    body = b'{"a":1}'
    signer = SigV4Auth(
        Credentials(signing.CREDENTIAL.access_key_id, signing.CREDENTIAL.secret_access_key), "swf", signing.REGION
    )
    request = AWSRequest("POST", f"http://{signing.HOST}/", headers={"Host": signing.HOST}, data=body)
    request.headers["X-Amz-Content-SHA256"] = signer.payload(request)
    signer.add_auth(request)
    received = service.SignedRequest("POST", "/", "", tuple(request.headers.items()), body)
    assert (await signing.verifier().verify(received)).account == signing.CREDENTIAL.account
    with pytest.raises(service.AuthError, match="not the hash"):
        await signing.verifier().verify(dataclasses.replace(received, body=b"{}"))
