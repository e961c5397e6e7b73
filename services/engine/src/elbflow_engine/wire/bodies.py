"""Reading the body of a request, within limits of size and time (spec/swf-semantics 1.1)."""

from __future__ import annotations

import asyncio
import zlib

import aiohttp
from aiohttp import HttpVersion11, web

from elbflow_engine.wire import protocol

BODY_DEADLINE_S = 30.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_GZIP = frozenset({"gzip", "x-gzip"})
_OTHER_CODINGS = frozenset({"deflate", "br", "zstd", "compress", "x-compress", "identity;q=0"})
_GZIP_FORMAT = zlib.MAX_WBITS | 16


async def read(request: web.BaseRequest) -> bytes:
    """The body as received, which is what a signature covers. Raises :class:`protocol.Refused`."""
    if (request.content_length or 0) > protocol.MAX_BODY_BYTES:
        raise protocol.too_large()
    try:
        if request.content.is_eof():
            return _limited(request.content.read_nowait())
        _encourage(request)
        async with asyncio.timeout(BODY_DEADLINE_S):
            return await _collect(request.content)
    except TimeoutError as error:
        raise protocol.Refused("RequestTimeoutException", "The body did not arrive in time") from error
    except web.RequestPayloadError as error:
        raise protocol.Refused("SerializationException", "The body is not valid HTTP") from error


def decode(body: bytes, content_encoding: str | None) -> bytes:
    """``body`` without its compression: gzip is understood, ``amz-1.0``, which old clients send, is none.

    Raises :class:`protocol.Refused`.
    """
    codings = [coding.strip().lower() for coding in (content_encoding or "").split(",")]
    compressed = [coding for coding in codings if coding in _GZIP]
    if len(compressed) > 1 or any(coding in _OTHER_CODINGS for coding in codings):
        raise protocol.Refused("SerializationException", f"Content-Encoding {content_encoding} is not supported")
    return _gunzip(body) if compressed and body else body


def _gunzip(body: bytes) -> bytes:
    """Stops at the size limit: a few bytes can stand for gigabytes."""
    plain = bytearray()
    try:
        while body:
            member = zlib.decompressobj(_GZIP_FORMAT)
            plain += member.decompress(body, protocol.MAX_BODY_BYTES + 1 - len(plain))
            _limited(plain)
            if not member.eof:
                raise protocol.Refused("SerializationException", "The gzip body is not complete")
            body = member.unused_data
    except zlib.error as error:
        raise protocol.Refused("SerializationException", "The body is not valid gzip") from error
    return bytes(plain)


def _encourage(request: web.BaseRequest) -> None:
    """Say "100 Continue" to those who wait for it before they send their body."""
    expects = request.headers.get("Expect", "").lower() == "100-continue"
    if expects and request.version >= HttpVersion11 and request.transport is not None:
        request.transport.write(_CONTINUE)


async def _collect(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        _limited(body)
    return bytes(body)


def _limited(body: bytes | bytearray) -> bytes:
    if len(body) > protocol.MAX_BODY_BYTES:
        raise protocol.too_large()
    return body  # type: ignore[return-value]
