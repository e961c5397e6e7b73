"""The canonical form of a request, from what was received, and the signature over it.

Header values enter as received; only the white space SigV4 itself ignores is folded. The query is decoded the way
applications decode it (``+`` is a space) and encoded anew, so no other query with another meaning has the same form.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

from botocore.utils import normalize_url_path

from elbflow.service.sigv4.claim import ALGORITHM, QUERY_SIGNATURE, TERMINATOR, Claim, Headers
from elbflow.service.sigv4.model import SignedRequest

CACHED_KEYS = 4096
"""Signing keys kept; one is good for one secret, day and region."""

_UNRESERVED = "-_.~"
_RAW = "surrogateescape"


def signature(request: SignedRequest, headers: Headers, claim: Claim, secret: str, body_hash: str) -> str:
    """The signature this request must carry when it was signed with ``secret``; lower-case hexadecimal."""
    canonical = canonical_request(request, headers, claim, body_hash).encode("utf-8", _RAW)
    to_sign = f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{hashlib.sha256(canonical).hexdigest()}"
    key = signing_key(secret, claim.date, claim.region, claim.service)
    return hmac.new(key, to_sign.encode("utf-8", _RAW), hashlib.sha256).hexdigest()


def canonical_request(request: SignedRequest, headers: Headers, claim: Claim, body_hash: str) -> str:
    """The text that is hashed and signed; every header of ``claim.signed_headers`` must be in ``headers``."""
    presigned = claim.expires_s is not None
    lines = [request.method, canonical_path(request.path), canonical_query(request.query, presigned=presigned)]
    for name in claim.signed_headers:
        values = ",".join(" ".join(value.split()) for value in headers[name])
        lines.append(f"{name}:{values}")
    return "\n".join([*lines, "", ";".join(claim.signed_headers), body_hash])


def canonical_path(path: str) -> str:
    """``path`` without dot segments and empty ones, encoded once more (services other than S3)."""
    normal: str = normalize_url_path(path)
    return "/" if normal == "/" else quote(normal, safe="/~", errors=_RAW)


def canonical_query(query: str, *, presigned: bool) -> str:
    """Parameters in order of name, then value; without the signature, when that is one of them."""
    if not query:
        return ""
    left_out = QUERY_SIGNATURE if presigned else None
    return "&".join(f"{name}={value}" for name, value in sorted(_pairs(query)) if name != left_out)


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            yield _recode(name), _recode(value)


def _recode(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", " ").encode("utf-8", _RAW)), safe=_UNRESERVED)


@functools.lru_cache(maxsize=CACHED_KEYS)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The derived key; cached by the secret itself, so a replaced secret never meets an old key."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("utf-8", _RAW), "sha256")
    return key
