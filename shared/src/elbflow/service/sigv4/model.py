"""Values of request authentication: who asks, with what, and why it was refused."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from elbflow import errors
from elbflow.service.accounts import SYSTEM_ACCOUNT
from elbflow.service.sigv4.permissions import ALLOW_ALL, Permissions, matches

ACCOUNT_DIGITS = 12
REGION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""Region names are host name labels: nothing else may become part of the names of what a caller owns."""


class AuthCode(enum.StrEnum):
    """Why authentication failed; each protocol has its own wire name for each (spec/swf-semantics 1.2)."""

    MISSING_AUTHENTICATION_TOKEN = "MissingAuthenticationToken"  # noqa: S105 - a fault code, not a token
    INCOMPLETE_SIGNATURE = "IncompleteSignature"
    SIGNATURE_DOES_NOT_MATCH = "SignatureDoesNotMatch"
    INVALID_CLIENT_TOKEN_ID = "InvalidClientTokenId"  # noqa: S105 - a fault code, not a token
    REQUEST_EXPIRED = "RequestExpired"
    EXPIRED_TOKEN = "ExpiredToken"  # noqa: S105 - a fault code, not a token


class AuthError(errors.Permanent):
    """The request is not authentic. ``message`` may be shown to the caller: it holds no secret."""

    def __init__(self, code: AuthCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key. One with a ``session_token`` is good only together with that token.

    ``admin`` makes its bearer an administrator, ``roles`` are the names of the roles he acts in. ``principal`` is the
    ARN of the user or role it belongs to, empty for the account itself. After ``expires_at`` (seconds since the epoch)
    it is good for nothing.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: str
    session_token: str | None = field(default=None, repr=False)
    admin: bool = False
    roles: tuple[str, ...] = ()
    permissions: Permissions = ALLOW_ALL
    principal: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The authenticated caller; ``region`` is that of the credential scope, empty when nothing was signed.

    ``principal`` is the ARN of the user or role that called, empty for the account itself.
    """

    account: str
    access_key_id: str
    admin: bool
    region: str = ""
    roles: tuple[str, ...] = ()
    permissions: Permissions = ALLOW_ALL
    principal: str = ""

    def acts_in(self, patterns: Iterable[str]) -> bool:
        """Whether one of the caller's roles has a name that one of ``patterns`` stands for."""
        return any(matches(pattern, role) for pattern in patterns for role in self.roles)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request exactly as received: ``path`` and ``query`` undecoded, ``headers`` in order with duplicates."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)


class KeyStore(Protocol):
    """Where credentials are looked up, at every request."""

    async def find(self, access_key_id: str) -> Credential | None:
        """The credential, or None when there is none (any more)."""


class Authenticator(Protocol):
    """What servers depend on: ``Verifier`` or ``AcceptAll``."""

    async def verify(self, request: SignedRequest) -> Identity:
        """Who sent this request. Raises :class:`AuthError`."""


def account_of(access_key_id: str | None) -> str:
    """The account an unchecked access key stands for.

    The key itself when it is 12 digits, :data:`SYSTEM_ACCOUNT` when there is none, else 12 digits derived from it,
    the same ones in every process.
    """
    if not access_key_id:
        return SYSTEM_ACCOUNT
    if len(access_key_id) == ACCOUNT_DIGITS and access_key_id.isascii() and access_key_id.isdigit():
        return access_key_id
    digest = int.from_bytes(hashlib.sha256(access_key_id.encode(errors="surrogateescape")).digest()[:8])
    return f"{1 + digest % (10**ACCOUNT_DIGITS - 1):0{ACCOUNT_DIGITS}d}"
