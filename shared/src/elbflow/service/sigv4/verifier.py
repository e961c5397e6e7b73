"""Authentication of requests: :class:`Verifier` checks signatures, :class:`AcceptAll` believes what it is told.

Sources: spec/swf-semantics 1.5; the signature process is AWS Signature Version 4.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import time
from urllib.parse import unquote

from elbflow import clock as clocks
from elbflow.service.accounts import SYSTEM_ACCOUNT
from elbflow.service.sigv4 import canonical
from elbflow.service.sigv4.claim import Claim, Headers, incomplete, index_headers, read
from elbflow.service.sigv4.model import (
    REGION,
    AuthCode,
    AuthError,
    Credential,
    Identity,
    KeyStore,
    SignedRequest,
    account_of,
)

MAX_SKEW_S = 300.0
MAX_PRESIGNED_S = 7 * 24 * 3600

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)
_MUST_BE_SIGNED = "x-amz-"
_CLAIMED_SCOPE = re.compile(r"(?:\bCredential|X-Amz-Credential|AWSAccessKeyId)=([^,&\s]+)")


class Verifier:
    """Verifies SigV4 requests for one service, in header form and in presigned-query form.

    The body always has to match: unsigned payloads are refused. Every ``x-amz-*`` header received must be signed,
    because such headers say which action is meant. ``max_skew_s`` is allowed in both directions.
    """

    def __init__(self, keys: KeyStore, *, service: str, clock: clocks.Clock, max_skew_s: float = MAX_SKEW_S) -> None:
        self._keys = keys
        self._service = service
        self._clock = clock
        self._max_skew_s = max_skew_s

    async def verify(self, request: SignedRequest) -> Identity:
        """Who signed ``request``. Raises :class:`AuthError`; errors of the key store pass through."""
        headers = index_headers(request)
        claim = read(request, headers)
        self._check_scope(claim)
        self._check_time(claim)
        _check_signed_headers(claim, headers)
        credential = await self._keys.find(claim.access_key_id)
        if credential is None:
            raise AuthError(AuthCode.INVALID_CLIENT_TOKEN_ID, "The security token included in the request is invalid.")
        _check_session(claim, credential)
        _check_signature(request, headers, claim, credential)
        self._check_life(credential)
        return Identity(
            credential.account,
            credential.access_key_id,
            credential.admin,
            claim.region,
            credential.roles,
            credential.permissions,
            credential.principal,
        )

    def _check_scope(self, claim: Claim) -> None:
        if not REGION.fullmatch(claim.region):
            raise incomplete("The region of the Credential must be a host name label.")
        if claim.service != self._service:
            raise _no_match(f"Credential should be scoped to correct service: '{self._service}'.")
        if claim.date != claim.timestamp[:8]:
            raise _no_match("Date in Credential scope does not match YYYYMMDD of the signing time.")

    def _check_time(self, claim: Claim) -> None:
        now = self._clock.now()
        valid_s = 0.0
        if claim.expires_s is not None:
            valid_s = claim.expires_s
            if not 0 < claim.expires_s <= MAX_PRESIGNED_S:
                raise incomplete(f"X-Amz-Expires must be between 1 and {MAX_PRESIGNED_S} seconds.")
        if claim.time_s > now + self._max_skew_s:
            raise _expired(f"Signature not yet current: {claim.timestamp} is later than", now)
        # Presigned requests name the end of their life themselves; skew is for clocks, not for longer lives.
        if now > claim.time_s + (valid_s or self._max_skew_s):
            raise _expired(f"Signature expired: {claim.timestamp} is too early for", now)

    def _check_life(self, credential: Credential) -> None:
        """Last of all: whoever cannot sign does not learn whether a key existed."""
        if credential.expires_at is not None and self._clock.now() >= credential.expires_at:
            raise AuthError(AuthCode.EXPIRED_TOKEN, "The security token included in the request is expired")


class AcceptAll:
    """Believes every request: the account is :func:`account_of` the access key it names, if any.

    For one machine and for tests. Only ``admin_accounts`` are administrators.
    """

    def __init__(self, admin_accounts: frozenset[str] = frozenset({SYSTEM_ACCOUNT})) -> None:
        self._admin_accounts = admin_accounts

    async def verify(self, request: SignedRequest) -> Identity:
        """The caller ``request`` names. Never raises."""
        authorization = ""
        for name, value in request.headers:
            if name.lower() == "authorization":
                authorization = value
                break
        found = _CLAIMED_SCOPE.search(authorization) or _CLAIMED_SCOPE.search(request.query)
        return _believed(found.group(1) if found else "", self._admin_accounts)


@functools.lru_cache(maxsize=256)
def _believed(claimed: str, admin_accounts: frozenset[str]) -> Identity:
    """Whoever names the credential scope ``claimed``; there are few of them, and each calls often."""
    scope = unquote(claimed).split("/")
    account = account_of(scope[0])
    region = scope[2] if len(scope) > 2 and REGION.fullmatch(scope[2]) else ""
    return Identity(account, scope[0], account in admin_accounts, region)


def _check_signed_headers(claim: Claim, headers: Headers) -> None:
    signed = claim.signed_headers
    if list(signed) != sorted(set(signed)):
        raise _no_match("SignedHeaders must be distinct and in order.")
    if "host" not in signed:
        raise _no_match("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if missing := [name for name in signed if name not in headers]:
        raise _no_match(f"Signed headers were not received: {', '.join(missing)}.")
    if unsigned := [name for name in headers if name.startswith(_MUST_BE_SIGNED) and name not in signed]:
        raise _no_match(f"These headers must be signed: {', '.join(unsigned)}.")


def _check_session(claim: Claim, credential: Credential) -> None:
    expected = (credential.session_token or "").encode("utf-8", "surrogateescape")
    received = (claim.session_token or "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(expected, received):
        raise AuthError(AuthCode.INVALID_CLIENT_TOKEN_ID, "The security token included in the request is invalid.")


def _check_signature(request: SignedRequest, headers: Headers, claim: Claim, credential: Credential) -> None:
    body_hash = hashlib.sha256(request.body).hexdigest()
    if any(value.strip() != body_hash for value in headers.get("x-amz-content-sha256", ())):
        raise _no_match("X-Amz-Content-SHA256 is not the hash of the received body.")
    expected = canonical.signature(request, headers, claim, credential.secret_access_key, body_hash)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "surrogateescape")):
        raise _no_match(_MISMATCH)


def _no_match(message: str) -> AuthError:
    return AuthError(AuthCode.SIGNATURE_DOES_NOT_MATCH, message)


def _expired(message: str, now: float) -> AuthError:
    current = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return AuthError(AuthCode.REQUEST_EXPIRED, f"{message} {current}.")
