from __future__ import annotations

import asyncio
import dataclasses
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.service import signing

from elbflow import service
from elbflow.service.sigv4 import canonical

PATHS = st.text(string.ascii_letters + string.digits + "/.-_~%20", max_size=30).map(lambda text: f"/{text}")
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: not name.startswith("X-Amz-")
)
FIELDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


def verify(request: service.SignedRequest) -> service.Identity:
    return asyncio.run(signing.verifier().verify(request))


@given(
    path=PATHS,
    params=st.dictionaries(NAMES, VALUES, max_size=4),
    custom=FIELDS,
    body=st.binary(max_size=64),
    presign_s=st.none() | st.integers(1, 604_800),
)
def test_whatever_botocore_signs_is_accepted(
    path: str, params: dict[str, str], custom: str, body: bytes, presign_s: int | None
) -> None:
    request = signing.signed(
        method="GET" if presign_s else "POST",
        path=path,
        params=params,
        headers={"X-Custom": custom},
        body=b"" if presign_s else body,
        presign_s=presign_s,
    )
    assert verify(request).account == signing.CREDENTIAL.account


@given(data=st.data())
def test_one_flipped_character_is_refused(data: st.DataObject) -> None:
    request = signing.signed(
        headers={"X-Amz-Target": "SimpleWorkflowService.CountOpen"}, params={"A": "b"}, body=b'{"domain":"d"}'
    )
    part = data.draw(st.sampled_from(["body", "target", "signature", "query"]))
    if part == "body":
        at = data.draw(st.integers(0, len(request.body) - 1))
        body = bytearray(request.body)
        body[at] ^= 1
        changed = dataclasses.replace(request, body=bytes(body))
    elif part == "query":
        changed = dataclasses.replace(request, query=data.draw(st.sampled_from(["A=c", "B=b", "A=b&A=b", "A"])))
    elif part == "target":
        value = _flip(signing.header(request, "X-Amz-Target"), data)
        changed = signing.with_header("X-Amz-Target", value)(request)
    else:
        head, _, value = signing.header(request, "Authorization").rpartition("=")
        changed = signing.with_header("Authorization", f"{head}={_flip(value, data)}")(request)
    with pytest.raises(service.AuthError):
        verify(changed)


@given(
    authorization=st.text(max_size=80) | FIELDS.map(lambda text: f"AWS4-HMAC-SHA256 {text}"),
    query=st.text(max_size=60) | FIELDS.map(lambda text: f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={text}"),
    date=st.text(max_size=20) | st.from_regex(r"\d{8}T\d{6}Z", fullmatch=True),
    use_x_amz=st.booleans(),
)
def test_garbage_is_refused_never_a_crash(authorization: str, query: str, date: str, use_x_amz: bool) -> None:
    headers = [("Authorization", authorization), ("X-Amz-Date" if use_x_amz else "Date", date), ("Host", "h")]
    for kept in (headers, headers[1:]):
        with pytest.raises(service.AuthError):
            verify(service.SignedRequest("GET", "/", query, kept, b""))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=5))
def test_the_canonical_query_does_not_depend_on_order(pairs: list[tuple[str, str]]) -> None:
    encoded = [f"{canonical._recode(name)}={canonical._recode(value)}" for name, value in pairs]
    forwards = canonical.canonical_query("&".join(encoded), presigned=False)
    assert forwards == canonical.canonical_query("&".join(encoded[::-1]), presigned=False)


def _flip(text: str, data: st.DataObject) -> str:
    at = data.draw(st.integers(0, len(text) - 1))
    other = "0" if text[at] != "0" else "1"
    return text[:at] + other + text[at + 1 :]
