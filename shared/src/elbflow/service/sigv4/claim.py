"""Reading what a request claims about its signature, in header form or in presigned-query form."""

from __future__ import annotations

import calendar
import datetime
import email.utils
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from elbflow.service.sigv4.model import AuthCode, AuthError, SignedRequest

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
QUERY_SIGNATURE = "X-Amz-Signature"

Headers = Mapping[str, Sequence[str]]
"""Values by lower-case name, in the order received."""

_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature and everything it says it was made from. ``time_s`` is the signing time since the epoch."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    timestamp: str
    time_s: int
    session_token: str | None = field(repr=False)
    expires_s: int | None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"


def index_headers(request: SignedRequest) -> dict[str, list[str]]:
    """Headers by lower-case name."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name.lower(), []).append(value)
    return headers


def read(request: SignedRequest, headers: Headers) -> Claim:
    """The claim of ``request``. Raises :class:`AuthError` when it has none, or one that is not whole."""
    query = _query_parameters(request.query)
    authorization = headers.get("authorization")
    if authorization is None and QUERY_SIGNATURE not in query:
        raise AuthError(AuthCode.MISSING_AUTHENTICATION_TOKEN, "Request is missing Authentication Token")
    if authorization is None:
        return _from_query(query)
    if QUERY_SIGNATURE in query or len(authorization) != 1:
        raise incomplete("Only one signature may be sent with a request.")
    return _from_header(authorization[0], headers)


def incomplete(message: str) -> AuthError:
    return AuthError(AuthCode.INCOMPLETE_SIGNATURE, message)


def _query_parameters(query: str) -> dict[str, list[str]]:
    parameters: dict[str, list[str]] = {}
    for pair in query.split("&") if "X-Amz-" in query else ():
        name, _, value = pair.partition("=")
        parameters.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return parameters


def _from_header(authorization: str, headers: Headers) -> Claim:
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise incomplete(f"Unsupported AWS 'algorithm': only {ALGORITHM} is accepted.")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name in parts:
            raise incomplete("Authorization header is not a list of distinct name=value parts.")
        parts[name] = value
    timestamp, time_s = _signing_time(headers)
    return _claim(
        credential=_required(parts, "Credential"),
        signed_headers=_required(parts, "SignedHeaders"),
        signature=_required(parts, "Signature"),
        timestamp=timestamp,
        time_s=time_s,
        session_token=_single(headers, "x-amz-security-token"),
        expires_s=None,
    )


def _from_query(query: Mapping[str, Sequence[str]]) -> Claim:
    if _single(query, "X-Amz-Algorithm") != ALGORITHM:
        raise incomplete(f"X-Amz-Algorithm must be {ALGORITHM}.")
    values = {name: _single(query, name) or "" for name in query if name.startswith("X-Amz-")}
    timestamp = _required(values, "X-Amz-Date")
    expires = _required(values, "X-Amz-Expires")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 9):
        raise incomplete("X-Amz-Expires must be a number of seconds.")
    return _claim(
        credential=_required(values, "X-Amz-Credential"),
        signed_headers=_required(values, "X-Amz-SignedHeaders"),
        signature=_required(values, QUERY_SIGNATURE),
        timestamp=timestamp,
        time_s=_parse_timestamp(timestamp),
        session_token=values.get("X-Amz-Security-Token"),
        expires_s=int(expires),
    )


def _claim(
    *,
    credential: str,
    signed_headers: str,
    signature: str,
    timestamp: str,
    time_s: int,
    session_token: str | None,
    expires_s: int | None,
) -> Claim:
    fields = credential.split("/")
    if len(fields) != 5 or not all(fields) or fields[4] != TERMINATOR:
        raise incomplete("Credential must be <key>/<date>/<region>/<service>/aws4_request.")
    return Claim(
        access_key_id=fields[0],
        date=fields[1],
        region=fields[2],
        service=fields[3],
        signed_headers=tuple(signed_headers.lower().split(";")),
        signature=signature,
        timestamp=timestamp,
        time_s=time_s,
        session_token=session_token,
        expires_s=expires_s,
    )


def _signing_time(headers: Headers) -> tuple[str, int]:
    """``X-Amz-Date``, or in its absence ``Date``, as the timestamp that was signed and as seconds."""
    if (timestamp := _single(headers, "x-amz-date")) is not None:
        return timestamp, _parse_timestamp(timestamp)
    date = _single(headers, "date")
    if date is None:
        raise incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    try:
        moment = email.utils.parsedate_to_datetime(date)
        moment = moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise incomplete("'Date' is not a valid HTTP date.") from None
    return moment.strftime(TIMESTAMP_FORMAT), calendar.timegm(moment.timetuple())


def _parse_timestamp(timestamp: str) -> int:
    if not (found := _TIMESTAMP.fullmatch(timestamp)):
        raise incomplete("X-Amz-Date must be in ISO 8601 basic form, such as 20260131T235959Z.")
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError:
        raise incomplete("X-Amz-Date is not a valid time.") from None
    return calendar.timegm(moment.timetuple())


def _required(parts: Mapping[str, str], name: str) -> str:
    value = parts.get(name)
    if not value:
        raise incomplete(f"Authorization requires '{name}'.")
    return value


def _single(values: Mapping[str, Sequence[str]], name: str) -> str | None:
    found = values.get(name)
    if found is None:
        return None
    if len(found) != 1:
        raise incomplete(f"'{name}' may be sent only once.")
    return found[0].strip()
