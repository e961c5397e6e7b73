"""AWS signature version 4, byte for byte what botocore's ``SigV4Auth`` makes, at a third of its cost.

The key of a day, the place that a URL names and the lines of the headers are remembered; what is left per request is
one hash of the body, one of the canonical request and one keyed hash (spec/perf-baselines 1).
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, urlsplit

from botocore.utils import is_valid_ipv6_endpoint_url, normalize_url_path

ALGORITHM = "AWS4-HMAC-SHA256"
# Proxies may change these on the way.
_UNSIGNED = frozenset(
    {
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)
_DATE = "X-Amz-Date"
_NO_DATE = "\0"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Credentials(Protocol):
    """What botocore calls frozen credentials: they do not change under the signer's hands."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL contributes to a signature: host header, canonical path, canonical query."""

    host: str
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What headers contribute to a request and its signature, whenever it is signed.

    ``headers`` are those to send beside the date and the signature, ``names`` those that are signed. Their lines are
    ``before`` and ``after``, with the date between.
    """

    headers: Mapping[str, str]
    names: str
    before: str
    after: str


def signed(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    at_s: float,
) -> dict[str, str]:
    """``headers`` and those that authenticate the request for the moment ``at_s`` (seconds since the epoch).

    The HTTP client has to add ``Host`` itself, as it follows from ``url``.
    """
    moment = _moment(int(at_s))
    place = _place(url)
    kept = _kept(tuple(headers.items()), place.host, credentials.token)
    digest = hashlib.sha256(body).hexdigest()
    lines = f"{kept.before}{moment}{kept.after}"
    canonical = f"{method}\n{place.path}\n{place.query}\n{lines}\n\n{kept.names}\n{digest}"
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _day_key(credentials.secret_key, moment[:8], region, service)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={kept.names}, Signature={signature}"
    )
    return {**kept.headers, _DATE: moment, "Authorization": authorization}


@lru_cache(maxsize=256)
def _kept(headers: tuple[tuple[str, str], ...], host: str, token: str | None) -> Kept:
    """What the requests with these headers have in common. Spellings of one name differing in case are one header."""
    made = {name: value for name, value in headers if name not in ("Authorization", "X-Amz-Security-Token")}
    made[_DATE] = _NO_DATE  # in the place that it would have if it came after the others
    if token:
        made["X-Amz-Security-Token"] = token
    kept: dict[str, str] = {}
    for name, value in made.items():
        lower = name.lower()
        if lower not in _UNSIGNED:
            trimmed = " ".join(value.split())
            kept[lower] = f"{kept[lower]},{trimmed}" if lower in kept else trimmed
    kept.setdefault("host", host)
    names = sorted(kept)
    before, _, after = "\n".join([f"{name}:{kept[name]}" for name in names]).partition(_NO_DATE)
    del made[_DATE]
    return Kept(made, ";".join(names), before, after)


@lru_cache(maxsize=4)
def _moment(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


@lru_cache(maxsize=64)
def _day_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=64)
def _place(url: str) -> Place:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_valid_ipv6_endpoint_url(url):
        host = f"[{host}]"
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    pairs = sorted(pair.partition("=")[::2] for pair in parts.query.split("&")) if parts.query else []
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return Place(host=host, path=quote(normalize_url_path(parts.path), safe="/~"), query=query)
