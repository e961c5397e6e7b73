"""Compressed bodies (spec/swf-semantics 1.1)."""

from __future__ import annotations

import gzip
import zlib

import pytest

from elbflow_engine.wire import bodies, protocol

LIMIT = protocol.MAX_BODY_BYTES


def code_of(body: bytes, coding: str) -> str:
    with pytest.raises(protocol.Refused) as caught:
        bodies.decode(body, coding)
    return caught.value.code


@pytest.mark.parametrize("coding", [None, "", "amz-1.0", "identity", "utf-8", "aws-chunked"])
def test_what_is_no_compression_changes_nothing(coding: str | None) -> None:
    assert bodies.decode(b"{}", coding) == b"{}"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", " x-gzip ", "amz-1.0, gzip"])
def test_gzip_is_unpacked(coding: str) -> None:
    assert bodies.decode(gzip.compress(b'{"a": 1}'), coding) == b'{"a": 1}'


def test_members_in_a_row_are_one_body() -> None:
    assert bodies.decode(gzip.compress(b'{"a"') + gzip.compress(b"") + gzip.compress(b": 1}"), "gzip") == b'{"a": 1}'


def test_no_body_needs_no_unpacking() -> None:
    assert bodies.decode(b"", "gzip") == b""


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        gzip.compress(b"{}")[:-1],
        gzip.compress(b"{}")[:5],
        gzip.compress(b"{}") + b"garbage",
        gzip.compress(b"{}")[:-8] + bytes(8),
        zlib.compress(b"{}"),
    ],
    ids=["plain", "cut", "head", "tail", "checksum", "zlib"],
)
def test_what_is_no_gzip_is_refused(body: bytes) -> None:
    assert code_of(body, "gzip") == "SerializationException"


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "compress", "gzip, gzip", "gzip, br"])
def test_other_codings_are_refused(coding: str) -> None:
    assert code_of(gzip.compress(b"{}"), coding) == "SerializationException"


def test_the_limit_holds_for_what_comes_out() -> None:
    assert len(bodies.decode(gzip.compress(bytes(LIMIT)), "gzip")) == LIMIT
    assert code_of(gzip.compress(bytes(LIMIT + 1)), "gzip") == "RequestEntityTooLargeException"
    halves = gzip.compress(bytes(LIMIT // 2)) * 2
    assert len(bodies.decode(halves, "gzip")) == LIMIT
    assert code_of(halves + gzip.compress(b" "), "gzip") == "RequestEntityTooLargeException"


def test_a_body_of_thousands_of_parts_is_refused_at_once() -> None:
    """Each part costs a new start over all that follows: a mebibyte of empty ones kept the loop busy for a second."""
    with pytest.raises(protocol.Refused, match="too many parts"):
        bodies.decode(gzip.compress(b"") * 20, "gzip")
