"""What a compressed body stands for, within the limit of size (spec/swf-semantics 1.1)."""

from __future__ import annotations

import zlib

from elbflow_engine.wire import protocol

_GZIP = frozenset({"gzip", "x-gzip"})
_OTHER_CODINGS = frozenset({"deflate", "br", "zstd", "compress", "x-compress", "identity;q=0"})
MOST_MEMBERS = 16
"""Parts of one gzip body; each costs a new start."""
_GZIP_FORMAT = zlib.MAX_WBITS | 16


def decode(body: bytes, content_encoding: str | None) -> bytes:
    """``body`` without its compression: gzip is understood, ``amz-1.0``, which old clients send, is none.

    Raises :class:`protocol.Refused`.
    """
    if not content_encoding:
        return body
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    compressed = [coding for coding in codings if coding in _GZIP]
    if len(compressed) > 1 or any(coding in _OTHER_CODINGS for coding in codings):
        raise protocol.Refused("SerializationException", f"Content-Encoding {content_encoding} is not supported")
    return _gunzip(body) if compressed and body else body


def _gunzip(body: bytes) -> bytes:
    """Stops at the size limit: a few bytes can stand for gigabytes."""
    plain = bytearray()
    try:
        for _ in range(MOST_MEMBERS):
            member = zlib.decompressobj(_GZIP_FORMAT)
            plain += member.decompress(body, protocol.MAX_BODY_BYTES + 1 - len(plain))
            if len(plain) > protocol.MAX_BODY_BYTES:
                raise protocol.too_large()
            if not member.eof:
                raise protocol.Refused("SerializationException", "The gzip body is not complete")
            body = member.unused_data
            if not body:
                return bytes(plain)
    except zlib.error as error:
        raise protocol.Refused("SerializationException", "The body is not valid gzip") from error
    raise protocol.Refused("SerializationException", "The gzip body has too many parts")
