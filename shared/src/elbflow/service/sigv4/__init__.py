"""Server side of AWS Signature Version 4: verify who sent a request (spec/swf-semantics 1.5)."""

from __future__ import annotations

from elbflow.service.accounts import SYSTEM_ACCOUNT
from elbflow.service.sigv4.keys import StaticKeys, UnusableKeys
from elbflow.service.sigv4.model import (
    REGION,
    AuthCode,
    Authenticator,
    AuthError,
    Credential,
    Identity,
    KeyStore,
    SignedRequest,
    account_of,
)
from elbflow.service.sigv4.permissions import ALLOW_ALL, Permissions
from elbflow.service.sigv4.received import from_aiohttp
from elbflow.service.sigv4.verifier import AcceptAll, Verifier

__all__ = [
    "ALLOW_ALL",
    "REGION",
    "SYSTEM_ACCOUNT",
    "AcceptAll",
    "AuthCode",
    "AuthError",
    "Authenticator",
    "Credential",
    "Identity",
    "KeyStore",
    "Permissions",
    "SignedRequest",
    "StaticKeys",
    "UnusableKeys",
    "Verifier",
    "account_of",
    "from_aiohttp",
]
