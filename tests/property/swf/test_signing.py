"""Our signatures and botocore's are the same bytes, whatever is signed."""

from __future__ import annotations

import datetime
import string
from collections.abc import Mapping
from unittest import mock

from botocore import auth, awsrequest, credentials
from hypothesis import given
from hypothesis import strategies as st

from elbflow.swf.fast import signing

KEYS = st.text(string.ascii_letters + string.digits + "/+", min_size=1, max_size=40)
NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=24).filter(
    lambda name: name.lower() not in {"date", "host", "authorization", "x-amz-date", "x-amz-content-sha256"}
)
VALUES = st.text(string.printable.replace("\r", "").replace("\n", "").replace("\x0b", "").replace("\x0c", ""))
HEADERS = st.dictionaries(NAMES | st.sampled_from(["User-Agent", "TE", "Traceparent"]), VALUES, max_size=8)
HOSTS = st.sampled_from(
    ["swf.us-east-1.amazonaws.com", "Example.COM", "127.0.0.1:8080", "localhost:80", "localhost:443", "[::1]:8080"]
)
SEGMENTS = st.sampled_from(["a", "services", "SimpleWorkflow", "..", ".", "", "x y", "ä", "%41", "~b", "c+d"])
QUERIES = st.sampled_from(["", "?a=1", "?b=2&a=1", "?a=2&a=1", "?flag", "?x=%20y&=z"])
URLS = st.builds(
    lambda scheme, host, path, query: f"{scheme}://{host}{''.join(f'/{part}' for part in path)}{query}",
    st.sampled_from(["http", "https"]),
    HOSTS,
    st.lists(SEGMENTS, max_size=4),
    QUERIES,
)
MOMENTS = st.integers(0, 4_000_000_000)


def botocores(
    url: str, headers: Mapping[str, str], body: bytes, keys: credentials.ReadOnlyCredentials, region: str, at_s: int
) -> dict[str, str]:
    request = awsrequest.AWSRequest(method="POST", url=url, headers=dict(headers), data=body)
    moment = datetime.datetime.fromtimestamp(at_s, datetime.UTC)
    with mock.patch.object(auth, "get_current_datetime", return_value=moment):
        auth.SigV4Auth(keys, "swf", region).add_auth(request)
    return dict(request.headers.items())


@given(
    url=URLS,
    headers=HEADERS,
    body=st.binary(max_size=200),
    access=KEYS,
    secret=KEYS,
    token=st.none() | KEYS,
    region=st.sampled_from(["us-east-1", "eucalyptus"]),
    at_s=MOMENTS,
)
def test_signatures_are_those_of_botocore(
    url: str,
    headers: dict[str, str],
    body: bytes,
    access: str,
    secret: str,
    token: str | None,
    region: str,
    at_s: int,
) -> None:
    keys = credentials.ReadOnlyCredentials(access, secret, token)
    ours = signing.signed("POST", url, headers, body, credentials=keys, region=region, service="swf", at_s=at_s + 0.7)
    theirs = botocores(url, headers, body, keys, region, at_s)
    assert ours["Authorization"] == theirs["Authorization"]
    assert ours["X-Amz-Date"] == theirs["X-Amz-Date"]
    assert ours.get("X-Amz-Security-Token") == theirs.get("X-Amz-Security-Token")


def test_a_request_can_be_signed_again() -> None:
    """A second try brings its old signature along; another key and moment replace all of it."""
    first = credentials.ReadOnlyCredentials("A", "a", "old")
    second = credentials.ReadOnlyCredentials("B", "b", None)
    url, body = "http://localhost/", b"{}"
    once = signing.signed("POST", url, {"X": "1"}, body, credentials=first, region="r", service="swf", at_s=0.0)
    again = signing.signed("POST", url, once, body, credentials=second, region="r", service="swf", at_s=90_000.0)
    fresh = signing.signed("POST", url, {"X": "1"}, body, credentials=second, region="r", service="swf", at_s=90_000.0)
    assert again == fresh
    assert "old" not in again.values()
