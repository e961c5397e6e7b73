"""The bridge from aiohttp: a request as received, nothing decoded."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from elbflow.service.sigv4.model import SignedRequest


def from_aiohttp(request: web.BaseRequest, body: bytes) -> SignedRequest:
    """``request`` as the client sent it; ``body`` must be the whole body, as received."""
    target = request.raw_path
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = f"{parts.path}?{parts.query}"
    path, _, query = target.partition("?")
    headers = tuple((_text(name), _text(value)) for name, value in request.raw_headers)
    return SignedRequest(request.method, path, query, headers, body)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
