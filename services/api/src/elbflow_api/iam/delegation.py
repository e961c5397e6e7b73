"""Is it a VM that asks, and was it now? The checks of a download's own proofs (spec/vm-agent-data-plane 7.5)."""

from __future__ import annotations

import base64
import binascii
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from elbflow_api import query
from elbflow_api.iam import faults
from elbflow_api.iam.authority import Authority

log = structlog.get_logger()

WINDOW_S = 600
FORMAT = "%Y-%m-%dT%H:%M:%SZ"
MOST_NONCES = 100_000
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Vm:
    """Whose delegation certificate it is, and the key that answers are for.

    ``legacy``: IAM did not issue it. ``bound``: IAM issued it for one VM alone and not as the original does, whose
    certificates are CAs' and may be shared by VMs that were launched together.
    """

    principal: str
    key: rsa.RSAPublicKey
    pem: bytes
    legacy: bool
    bound: bool


def vm(delegation: str, authority: Authority, now: float) -> Vm:
    """Check 2. A certificate of another issuer is let through as ``legacy``, for check 6 to judge."""
    pem = decoded(delegation)
    moment = datetime.fromtimestamp(now, UTC)
    try:
        certificate = x509.load_pem_x509_certificate(pem or b"")
        key = certificate.public_key()
        current = certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        legacy = not authority.has_issued(certificate)
        bound = not legacy and not _is_ca(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
        # The library reads parts of a certificate only when it is asked for them.
        raise _invalid_certificate() from None
    if pem is None or not current or not isinstance(key, rsa.RSAPublicKey):
        raise _invalid_certificate()
    return Vm(str(names[0].value) if names else "", key, pem, legacy, bound)


def check_time(text: str, now: float) -> str:
    """Check 4: the time as the signature has it, written anew as the original does."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter in the first and last days of all years
        raise faults.not_authorized("The timestamp is invalid") from None
    if not 0 <= now - moment.timestamp() <= WINDOW_S:
        raise faults.not_authorized("The timestamp is invalid")
    return moment.strftime(FORMAT)


def check_signature(asking: Vm, signature: str, signed: str) -> None:
    """Check 5, and the one like it of version 2."""
    given = decoded(signature)
    if given is None:
        raise faults.not_authorized("The signature is invalid")
    try:
        asking.key.verify(given, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise faults.not_authorized("The signature is invalid") from None
    except Exception as error:
        log.exception("delegation_signature_not_verified")
        raise faults.not_verified() from error


def check_caller(asking: Vm, session: str | None) -> None:
    """Whether the certificate is that of the VM whose role ``session`` calls (REQ-7.6).

    In both versions, for whoever has a role of one VM and the key of another would choose the first.
    """
    if asking.bound and session is not None and session != asking.principal:
        raise faults.not_authorized("The delegation certificate is that of another VM")


def check_legacy(asking: Vm, auth_signature: str, authority: Authority) -> None:
    """Check 6: a certificate that IAM did not issue must come with IAM's signature over it."""
    if not asking.legacy:
        return
    given = decoded(auth_signature)
    try:
        good = given is not None and authority.has_signed(asking.pem, given)
    except Exception as error:
        log.exception("auth_signature_not_verified")
        raise faults.not_verified() from error
    if not good:
        raise _invalid_certificate()


class Nonces:
    """What this process was asked with in the last ten minutes (REQ-7.6).

    Another front door of the same store does not know of them. What it answers is for the VM's key alone.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def check(self, principal: str, nonce: str, now: float) -> None:
        """Refuse a nonce that is none, and one that the VM used before."""
        while self._seen and (next(iter(self._seen.values())) < now - WINDOW_S or len(self._seen) >= MOST_NONCES):
            self._seen.popitem(last=False)
        if _NONCE.fullmatch(nonce) is None or (principal, nonce) in self._seen:
            raise faults.not_authorized("The nonce is invalid or was used before")
        self._seen[principal, nonce] = now


def decoded(text: str) -> bytes | None:
    """Base64 in which white space does not matter, or None when it is none (spec 7.4)."""
    try:
        return base64.b64decode(_SPACE.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _invalid_certificate() -> query.Fault:
    return faults.not_authorized("The delegation certificate is invalid; it may have expired")
